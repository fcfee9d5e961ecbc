"""Sinks: where entries are to be exported.

Source: https://cloud.google.com/logging/docs/reference/v2/rest/v2/projects.sinks
"""

from typing import Any

from local.cloud.call import Call
from local.cloud.errors import not_found
from local.cloud.resources import Resources
from local.cloud.routing import Route
from local.cloud.validation import Violations

_ID = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}"
_DESTINATIONS = (
    r"storage\.googleapis\.com/[^/\s]+",
    r"bigquery\.googleapis\.com/projects/[^/\s]+/datasets/[^/\s]+",
    r"pubsub\.googleapis\.com/projects/[^/\s]+/topics/[^/\s]+",
    r"logging\.googleapis\.com/projects/[^/\s]+(/locations/[^/\s]+/buckets/[^/\s]+)?",
)
_SHARED_WRITER = "serviceAccount:cloud-logs@system.gserviceaccount.com"


class Sinks(Resources):
    kind = "logging.sinks"
    version = "v2"
    parent = "projects/*"
    collection = "sinks"
    message = "google.logging.v2.LogSink"
    output = ("createTime", "updateTime", "writerIdentity", "resourceName")

    def routes(self) -> list[Route]:
        name = "/v2/{name=projects/*/sinks/*}"
        return [*super().routes(), Route("PUT", name, self.patch, f"{self.kind}.update")]

    def new_id(self, call: Call, body: dict[str, Any]) -> str:  # noqa: ARG002
        return str(body.get("name", ""))

    def check(self, found: Violations, resource_id: str, body: dict[str, Any]) -> None:
        rule = "must hold 1 to 100 letters, digits and characters of _-., the first a letter, digit or '_'"
        found.matches(_ID, resource_id, "name", rule)
        rule = "is no bucket, dataset, topic or log bucket, as in 'storage.googleapis.com/BUCKET'"
        found.matches("|".join(_DESTINATIONS), body.get("destination"), "destination", rule)
        names = [each.get("name") for each in body.get("exclusions") or []]
        found.unless(all(names), "exclusions", "each exclusion needs a name")
        found.unless(len(names) == len(set(names)) <= 50, "exclusions", "at most 50, each with a name of its own")
        for index, exclusion in enumerate(body.get("exclusions") or []):
            found.unless(exclusion.get("filter"), f"exclusions[{index}].filter", "is required")

    def fill(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        now = self.cloud.clock.timestamp()
        return {**body, "resourceName": name, "createTime": now, "updateTime": now}

    def refill(self, old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
        short = old["resourceName"].rsplit("/", 1)[-1]
        return new | {"name": short, "updateTime": self.cloud.clock.timestamp()}

    def signed(self, call: Call, resource: dict[str, Any]) -> dict[str, Any]:
        """With who writes: an account of the project's own, for good once it was asked for."""
        number = self.cloud.projects.number_of(resource["resourceName"].split("/")[1])
        own = f"serviceAccount:service-{number}@gcp-sa-logging.iam.gserviceaccount.com"
        unique = call.flag("uniqueWriterIdentity") or resource.get("writerIdentity") == own
        return resource | {"writerIdentity": own if unique else _SHARED_WRITER}

    def mask(self, call: Call) -> str:
        """Without a mask these are meant, as the reference says."""
        return super().mask(call) or "destination,filter,includeChildren"

    def merged(self, old: dict[str, Any], wanted: dict[str, Any], mask: str | None) -> dict[str, Any]:
        merged = super().merged(old, wanted, mask)
        return merged | {"name": old["name"]}

    def keep(self, resource: dict[str, Any]) -> dict[str, Any]:
        return self.store.put(self.kind, resource["resourceName"], resource)

    def named(self, name: str) -> dict[str, Any]:
        found = self.find(name)
        if found is None:
            raise not_found(f"Sink {name.rsplit('/', 1)[-1]} does not exist")
        return found

    def delete(self, call: Call) -> dict[str, Any]:
        with self.store.transaction():
            self.store.delete(self.kind, self.named(call.params["name"])["resourceName"])
            return {}
