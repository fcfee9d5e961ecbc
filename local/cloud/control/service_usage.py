"""Service Usage: which APIs a project has enabled.

Source: https://cloud.google.com/service-usage/docs/reference/rest/v1/services
"""

import hashlib
from typing import TYPE_CHECKING, Any

from local.cloud.call import Call
from local.cloud.errors import ApiError, invalid_argument
from local.cloud.paging import page_of
from local.cloud.routing import Route
from local.cloud.validation import Violations

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_KIND = "serviceusage.service"
_ALWAYS_ON = ("cloudresourcemanager.googleapis.com", "serviceusage.googleapis.com")
_MOST_AT_ONCE = 20
_METADATA = "google.api.serviceusage.v1.OperationMetadata"
_SERVICE = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+"


def service_usage_routes(cloud: "Cloud") -> list[Route]:
    api = _ServiceUsage(cloud)
    name = "/v1/{name=projects/*/services/*}"
    permission = "serviceusage.services"
    return [
        Route("GET", "/v1/{parent=projects/*}/services", api.list, f"{permission}.list"),
        Route("GET", "/v1/{parent=projects/*}/services:batchGet", api.batch_get, f"{permission}.get"),
        Route("POST", "/v1/{parent=projects/*}/services:batchEnable", api.batch_enable, f"{permission}.enable"),
        Route("GET", name, api.get, f"{permission}.get"),
        Route("POST", f"{name}:enable", api.enable, f"{permission}.enable"),
        Route("POST", f"{name}:disable", api.disable, f"{permission}.disable"),
        Route("POST", f"{name}:generateServiceIdentity", api.generate_identity, f"{permission}.enable"),
    ]


class _ServiceUsage:
    def __init__(self, cloud: "Cloud") -> None:
        self._cloud = cloud
        self._store = cloud.store

    def list(self, call: Call) -> dict[str, Any]:
        wanted = call.query.get("filter", "").replace(" ", "")
        if wanted not in ("", "state:ENABLED", "state:DISABLED"):
            raise invalid_argument([("filter", f"{wanted!r} is not state:ENABLED or state:DISABLED")])
        state = wanted.partition(":")[2]
        project = self._project(call.params["parent"])
        services = [(each["config"]["name"], each) for each in self._known(project) if state in ("", each["state"])]
        return page_of(call, "services", services, default=50, most=200)

    def get(self, call: Call) -> dict[str, Any]:
        return self._service(*_split(call.params["name"]))

    def batch_get(self, call: Call) -> dict[str, Any]:
        names = call.query_lists.get("names", [])
        if not 1 <= len(names) <= 30:
            raise invalid_argument([("names", f"{len(names)} names: from 1 to 30 are allowed")])
        return {"services": [self._service(*_split(self._cloud.projects.with_id(name))) for name in names]}

    def enable(self, call: Call) -> dict[str, Any]:
        project, service = _split(call.params["name"])
        enabled = self._switch(project, [service], "ENABLED")[0]
        return self._done("EnableServiceResponse", {"service": enabled}, [enabled])

    def batch_enable(self, call: Call) -> dict[str, Any]:
        wanted = call.object().get("serviceIds") or []
        if not 1 <= len(wanted) <= _MOST_AT_ONCE:
            raise invalid_argument([("serviceIds", f"{len(wanted)} services: from 1 to {_MOST_AT_ONCE} are allowed")])
        enabled = self._switch(self._project(call.params["parent"]), wanted, "ENABLED")
        return self._done("BatchEnableServicesResponse", {"services": enabled}, enabled)

    def disable(self, call: Call) -> dict[str, Any]:
        project, service = _split(call.params["name"])
        disabled = self._switch(project, [service], "DISABLED")[0]
        return self._done("DisableServiceResponse", {"service": disabled}, [disabled])

    def generate_identity(self, call: Call) -> dict[str, Any]:
        """The account that the service acts as in the project: the same however often it is asked for."""
        project, service = _split(call.params["name"])
        number = self._cloud.projects.number_of(self._cloud.projects.get(project)["projectId"])
        email = f"service-{number}@gcp-sa-{service.partition('.')[0]}.iam.gserviceaccount.com"
        unique = str(10**20 + int.from_bytes(hashlib.sha256(email.encode()).digest()[:8]))
        body = {"email": email, "uniqueId": unique}
        return self._cloud.operations.done(
            "",
            body,
            kind="serviceusage.operations",
            on=f"projects/{project}",
            response_type="google.api.serviceusage.v1beta1.ServiceIdentity",
            metadata_type=_METADATA,
        )

    def _project(self, parent: str) -> str:
        return self._cloud.projects.get(parent.split("/")[1])["projectId"]

    def _known(self, project: str) -> "list[dict[str, Any]]":
        """What was ever switched, and what is always on, in order of name."""
        names = {name.rsplit("/", 1)[-1] for name, _ in self._store.list(_KIND, f"projects/{project}")}
        return [self._service(project, name) for name in sorted(names.union(_ALWAYS_ON))]

    def _service(self, project: str, service: str) -> dict[str, Any]:
        held = self._store.get(_KIND, f"projects/{project}/services/{service}")
        state = held["state"] if held else "ENABLED" if service in _ALWAYS_ON else "DISABLED"
        number = self._cloud.projects.number_of(project)
        return {
            "name": f"projects/{number}/services/{service}",
            "parent": f"projects/{number}",
            "config": {"name": service, "title": service},
            "state": state,
        }

    def _switch(self, project: str, services: "list[str]", state: str) -> "list[dict[str, Any]]":
        found = Violations()
        for service in services:
            found.matches(_SERVICE, service, "serviceIds", "is not a service such as aiplatform.googleapis.com")
        found.refuse()
        unknown = [service for service in services if not service.endswith((".googleapis.com", ".cloud.goog"))]
        if unknown:
            raise ApiError(403, f"Not found or permission denied for service(s): {', '.join(unknown)}.")
        with self._store.transaction():
            for service in services:
                self._store.put(_KIND, f"projects/{project}/services/{service}", {"state": state})
        return [self._service(project, service) for service in services]

    def _done(self, response: str, body: dict[str, Any], services: "list[dict[str, Any]]") -> dict[str, Any]:
        names = [service["name"] for service in services]
        kind = f"google.api.serviceusage.v1.{response}"
        return self._cloud.operations.done(
            "",
            body,
            kind="serviceusage.operations",
            on=self._cloud.projects.with_id("/".join(names[0].split("/")[:2])) if names else "",
            response_type=kind,
            metadata_type=_METADATA,
            resourceNames=names,
        )


def _split(name: str) -> tuple[str, str]:
    _, project, _, service = name.split("/")
    return project, service
