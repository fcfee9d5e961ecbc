"""Eventarc triggers, as far as they are declared: no event is routed here.

Source: https://cloud.google.com/eventarc/docs/reference/rest/v1/projects.locations.triggers
"""

import uuid
from typing import TYPE_CHECKING, Any

from local.cloud.call import Call
from local.cloud.iam.enforcement import act_as
from local.cloud.resources import LongRunning
from local.cloud.routing import Route
from local.cloud.validation import Violations

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_ID = r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?"
_DESTINATIONS = ("cloudRun", "cloudFunction", "gke", "workflow", "httpEndpoint")
_OPERATORS = ("", "match-path-pattern", "path_pattern")


def trigger_routes(cloud: "Cloud") -> list[Route]:
    return Triggers(cloud).routes()


class Triggers(LongRunning):
    kind = "eventarc.triggers"
    collection = "triggers"
    id_parameter = "triggerId"
    output = ("name", "uid", "createTime", "updateTime", "etag", "conditions", "satisfiesPzs")
    immutable = ("transport", "channel")
    policies_by = "GET"
    operations_kind = "eventarc.operations"
    etag_form = '"{}"'
    deleted_is_empty = False
    message = "google.cloud.eventarc.v1.Trigger"
    metadata = "google.cloud.eventarc.v1.OperationMetadata"

    def signed(self, call: Call, resource: dict[str, Any]) -> dict[str, Any]:
        """A trigger calls its destination as an account that its maker may act as."""
        act_as(self.cloud, call.caller, resource.get("serviceAccount") or "")
        return resource

    def check(self, found: Violations, resource_id: str, body: dict[str, Any]) -> None:
        rule = "must begin with a letter and hold at most 63 lowercase letters, digits and hyphens, the last no hyphen"
        found.matches(_ID, resource_id, "triggerId", rule)
        found.labels(body.get("labels"))
        self._check_filters(found, body.get("eventFilters") or [])
        destination = body.get("destination") or {}
        chosen = [key for key in _DESTINATIONS if destination.get(key)]
        found.unless(len(chosen) == 1, "destination", f"exactly one of {', '.join(_DESTINATIONS)} is required")
        if chosen == ["cloudRun"]:
            found.unless(destination["cloudRun"].get("service"), "destination.cloudRun.service", "is required")

    def fill(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        return super().fill(name, body) | {"uid": str(uuid.uuid4())}

    def _check_filters(self, found: Violations, filters: list[dict[str, Any]]) -> None:
        kinds = [each.get("value") for each in filters if each.get("attribute") == "type"]
        found.unless(len(kinds) == 1, "eventFilters", "exactly one filter on the attribute 'type' is required")
        for index, each in enumerate(filters):
            where = f"eventFilters[{index}]"
            found.unless(each.get("attribute"), f"{where}.attribute", "is required")
            found.unless(each.get("value"), f"{where}.value", "is required")
            found.one_of(_OPERATORS, each.get("operator") or "", f"{where}.operator")
