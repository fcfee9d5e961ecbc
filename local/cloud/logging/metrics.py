"""Log-based metrics.

Source: https://cloud.google.com/logging/docs/reference/v2/rest/v2/projects.metrics
"""

from typing import Any
from urllib.parse import quote

from local.cloud.call import Call
from local.cloud.errors import not_found
from local.cloud.resources import Resources
from local.cloud.routing import Route
from local.cloud.validation import Violations

_ID = r"(?!/)[A-Za-z0-9_\-.,+!*',()%/]{1,100}"
_KINDS = ("DELTA", "GAUGE", "CUMULATIVE")
_TYPES = ("BOOL", "INT64", "DOUBLE", "STRING", "DISTRIBUTION", "MONEY")


class LogMetrics(Resources):
    kind = "logging.logMetrics"
    version = "v2"
    parent = "projects/*"
    collection = "metrics"
    message = "google.logging.v2.LogMetric"
    output = ("createTime", "updateTime")
    whole_without_mask = True

    def routes(self) -> list[Route]:
        """A metric is changed by PUT, which makes it where there is none; its name keeps its slashes in a path."""
        name = "/v2/{name=projects/*/metrics/*}"
        return [
            *(route for route in super().routes() if route.method != "PATCH"),
            Route("PUT", name, self._put, f"{self.kind}.update"),
        ]

    def new_id(self, call: Call, body: dict[str, Any]) -> str:  # noqa: ARG002
        return str(body.get("name", ""))

    def check(self, found: Violations, resource_id: str, body: dict[str, Any]) -> None:
        rule = "must hold 1 to 100 letters, digits and characters of _-.,+!*',()%/, and not begin with '/'"
        found.matches(_ID, resource_id, "name", rule)
        found.unless(body.get("filter"), "filter", "is required")
        size = len(body.get("filter") or "")
        found.unless(size <= 20_000, "filter", f"{size} characters are more than the 20000 allowed")
        descriptor = body.get("metricDescriptor") or {}
        found.one_of(_KINDS, descriptor.get("metricKind") or "DELTA", "metricDescriptor.metricKind")
        found.one_of(_TYPES, descriptor.get("valueType") or "INT64", "metricDescriptor.valueType")
        keys = {label.get("key") for label in descriptor.get("labels") or []}
        for key in set(body.get("labelExtractors") or {}) - keys:
            found.add(f"labelExtractors[{key!r}]", "is not among metricDescriptor.labels")
        for key in keys - set(body.get("labelExtractors") or {}):
            found.add("metricDescriptor.labels", f"{key!r} has no labelExtractors entry")
        distribution = descriptor.get("valueType") == "DISTRIBUTION"
        found.unless(
            distribution == bool(body.get("valueExtractor")),
            "valueExtractor",
            "is required for a DISTRIBUTION, and for it alone",
        )

    def fill(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        now = self.cloud.clock.timestamp()
        return self._described({"_name": name, **body, "createTime": now, "updateTime": now})

    def refill(self, old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
        return self._described(new | {"_name": old["_name"], "updateTime": self.cloud.clock.timestamp()})

    def keep(self, resource: dict[str, Any]) -> dict[str, Any]:
        """By its resource name; `name` is the metric's own."""
        project = "/".join(resource["_name"].split("/")[:2])
        return self.store.put(self.kind, resource["_name"], resource, parent=project)

    def show(self, resource: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in resource.items() if key != "_name"}

    def named(self, name: str) -> dict[str, Any]:
        found = self.find(name)
        if found is None:
            raise not_found(f"Metric {name.rpartition('/metrics/')[2]} does not exist")
        return found

    def delete(self, call: Call) -> dict[str, Any]:
        with self.store.transaction():
            self.store.delete(self.kind, self.named(call.params["name"])["_name"])
            return {}

    def _put(self, call: Call) -> dict[str, Any]:
        name = call.params["name"]
        parent, _, short = name.partition("/metrics/")
        wanted = self.body(call)
        with self.store.transaction():
            old = self.find(name)
            if old is None:
                return self.make(call, parent, short, wanted)
            new = self.merged(old, {**wanted, "name": short}, None)
            found = Violations()
            self.check(found, short, new)
            found.refuse()
            return self.show(self.keep(self.refill(old, new)))

    def _described(self, metric: dict[str, Any]) -> dict[str, Any]:
        """With the descriptor that Monitoring has of it."""
        project = metric["_name"].split("/")[1]
        kind = f"logging.googleapis.com/user/{metric['name']}"
        told = {
            "metricKind": "DELTA",
            "valueType": "INT64",
            **(metric.get("metricDescriptor") or {}),
            "name": f"projects/{project}/metricDescriptors/{quote(kind, safe='/')}",
            "type": kind,
        }
        told = {key: value for key, value in told.items() if key != "description"}
        description = metric.get("description")
        return metric | {"metricDescriptor": told | ({"description": description} if description else {})}
