"""Compute Engine, as far as it knows of projects.

Source: https://cloud.google.com/compute/docs/reference/rest/v1/projects/get
"""

from typing import TYPE_CHECKING, Any

from local.cloud.call import Call
from local.cloud.routing import Route

if TYPE_CHECKING:
    from local.cloud.app import Cloud


def project_routes(cloud: "Cloud") -> list[Route]:
    def get(call: Call) -> dict[str, Any]:
        project = cloud.projects.get(call.params["project"])
        number, name = project["projectNumber"], project["projectId"]
        return {
            "kind": "compute#project",
            "id": number,
            "creationTimestamp": project["createTime"],
            "name": name,
            "selfLink": f"https://www.googleapis.com/compute/v1/projects/{name}",
            "defaultServiceAccount": f"{number}-compute@developer.gserviceaccount.com",
        }

    return [Route("GET", "/v1/projects/{project}", get, "compute.projects.get")]
