"""Projects and regions, as Compute Engine knows them.

Sources: https://cloud.google.com/compute/docs/reference/rest/v1/projects/get and …/regions
"""

from typing import TYPE_CHECKING, Any

from local.cloud.call import Call
from local.cloud.compute.names import HOST, number_of, path_of
from local.cloud.errors import ApiError
from local.cloud.locations import REGIONS
from local.cloud.paging import page_of
from local.cloud.routing import Route

if TYPE_CHECKING:
    from local.cloud.app import Cloud


def place_routes(cloud: "Cloud") -> list[Route]:
    def get_project(call: Call) -> dict[str, Any]:
        project = cloud.projects.get(call.params["project"])
        number, name = project["projectNumber"], project["projectId"]
        return {
            "kind": "compute#project",
            "id": number,
            "creationTimestamp": project["createTime"],
            "name": name,
            "selfLink": f"{HOST}{path_of(call)}/projects/{name}",
            "defaultServiceAccount": f"{number}-compute@developer.gserviceaccount.com",
        }

    def get_region(call: Call) -> dict[str, Any]:
        if call.params["region"] not in REGIONS:
            raise ApiError(
                404, f"The resource 'projects/{call.params['project']}/regions/{call.params['region']}' was not found"
            )
        return _region(call, call.params["region"])

    def list_regions(call: Call) -> dict[str, Any]:
        found = page_of(call, "items", [(name, _region(call, name)) for name in sorted(REGIONS)], default=500, most=500)
        return {"kind": "compute#regionList", "id": f"projects/{call.params['project']}/regions", **found}

    return [
        Route("GET", "/v1/projects/{project}", get_project, "compute.projects.get"),
        Route("GET", "/v1/projects/{project}/regions", list_regions, "compute.regions.list"),
        Route("GET", "/v1/projects/{project}/regions/{region}", get_region, "compute.regions.get"),
    ]


def _region(call: Call, name: str) -> dict[str, Any]:
    link = f"{HOST}{path_of(call)}/projects/{call.params['project']}/regions/{name}"
    return {"kind": "compute#region", "id": number_of(name), "name": name, "status": "UP", "selfLink": link}
