"""Custom dashboards.

Source: https://cloud.google.com/monitoring/api/ref_v3/rest/v1/projects.dashboards
"""

from typing import Any

from local.cloud.call import Call
from local.cloud.errors import invalid_argument
from local.cloud.monitoring.numbered import Numbered, new_number
from local.cloud.validation import Violations

_LAYOUTS = ("gridLayout", "mosaicLayout", "rowLayout", "columnLayout")
_ID = r"[a-zA-Z0-9-]{1,64}"


class Dashboards(Numbered):
    kind = "monitoring.dashboards"
    version = "v1"
    collection = "dashboards"
    message = "google.monitoring.dashboard.v1.Dashboard"
    output = ("name", "etag")
    etag_form = "{}"
    shows_number = True

    def new_id(self, call: Call, body: dict[str, Any]) -> str:
        """From the dashboard's name, where it has one."""
        name = body.get("name")
        if not name:
            return new_number()
        parent, _, short = self.cloud.projects.with_id(str(name)).rpartition("/dashboards/")
        if parent != call.params["parent"]:
            raise invalid_argument([("name", f"{name!r} is not below {call.params['parent']}/dashboards")])
        return short

    def check(self, found: Violations, resource_id: str, body: dict[str, Any]) -> None:
        found.matches(_ID, resource_id, "name", "must end in 1 to 64 letters, digits and hyphens")
        found.unless(body.get("displayName"), "displayName", "is required")
        found.labels(body.get("labels"))
        layouts = [layout for layout in _LAYOUTS if layout in body]
        found.unless(len(layouts) == 1, "gridLayout", f"exactly one of {', '.join(_LAYOUTS)} is required")
        if layouts == ["mosaicLayout"]:
            columns = (body["mosaicLayout"] or {}).get("columns")
            found.within(1, 48, columns, "mosaicLayout.columns")
