"""Cloud Resource Manager: projects and their policies.

Sources: https://cloud.google.com/resource-manager/reference/rest/v1/projects and …/v3/projects
"""

import base64
import hashlib
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from local.cloud.call import Call
from local.cloud.paging import page_of
from local.cloud.policy_routes import policy_routes
from local.cloud.routing import Route

if TYPE_CHECKING:
    from local.cloud.app import Cloud


def project_routes(cloud: "Cloud") -> list[Route]:
    api = _ProjectApi(cloud)
    return [
        Route("GET", "/v1/projects", api.list, "resourcemanager.projects.list"),
        Route("GET", "/v1/projects/{project}", api.get, "resourcemanager.projects.get"),
        Route("POST", "/v1/projects/{project}:getAncestry", api.ancestry, "resourcemanager.projects.get"),
        *policy_routes(
            "/v1/projects/{project}", api.resource, permission="resourcemanager.projects", get_method="POST"
        ),
    ]


def project_v3_routes(cloud: "Cloud") -> list[Route]:
    api = _ProjectApi(cloud)
    return [
        Route("GET", "/v3/projects:search", api.search, "resourcemanager.projects.get"),
        Route("GET", "/v3/projects/{project}", api.get_v3, "resourcemanager.projects.get"),
        *policy_routes(
            "/v3/projects/{project}", api.resource, permission="resourcemanager.projects", get_method="POST"
        ),
    ]


class _ProjectApi:
    def __init__(self, cloud: "Cloud") -> None:
        self._projects = cloud.projects

    def resource(self, call: Call) -> str:
        return f"projects/{self._projects.get(call.params['project'])['projectId']}"

    def get(self, call: Call) -> dict[str, Any]:
        return _v1(self._projects.get(call.params["project"]))

    def get_v3(self, call: Call) -> dict[str, Any]:
        return _v3(self._projects.get(call.params["project"]))

    def list(self, call: Call) -> dict[str, Any]:
        return page_of(call, "projects", self._filtered(call.query.get("filter", "")), render=_v1)

    def search(self, call: Call) -> dict[str, Any]:
        return page_of(call, "projects", self._filtered(call.query.get("query", "")), render=_v3)

    def ancestry(self, call: Call) -> dict[str, Any]:
        project = self._projects.get(call.params["project"])
        return {"ancestor": [{"resourceId": {"type": "project", "id": project["projectId"]}}]}

    def _filtered(self, text: str) -> Iterable[tuple[str, dict[str, Any]]]:
        """By `id:…` or `projectId=…`; other terms say nothing about projects that have neither parents nor labels."""
        wanted = re.search(r"(?:projectId|id)\s*[:=]\s*\"?([\w*-]+)", text)
        pattern = re.compile(re.escape(wanted.group(1)).replace(r"\*", ".*")) if wanted else None
        return [(name, body) for name, body in self._projects.all() if pattern is None or pattern.fullmatch(name)]


def _v1(project: dict[str, Any]) -> dict[str, Any]:
    return {
        "projectNumber": project["projectNumber"],
        "projectId": project["projectId"],
        "lifecycleState": "ACTIVE",
        "name": project["projectId"],
        "createTime": project["createTime"],
    }


def _v3(project: dict[str, Any]) -> dict[str, Any]:
    etag = hashlib.sha256(project["projectId"].encode()).digest()[:8]
    return {
        "name": f"projects/{project['projectNumber']}",
        "projectId": project["projectId"],
        "displayName": project["projectId"],
        "state": "ACTIVE",
        "createTime": project["createTime"],
        "updateTime": project["createTime"],
        "etag": base64.b64encode(etag).decode(),
    }
