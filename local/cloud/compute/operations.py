"""Compute Engine's operations, which have a form of their own.

Source: https://cloud.google.com/compute/docs/reference/rest/v1/globalOperations
"""

import secrets
import time
from typing import TYPE_CHECKING, Any

from local.cloud.call import Call, Response, no_content
from local.cloud.compute.names import HOST, path_of
from local.cloud.errors import ApiError
from local.cloud.paging import page_of
from local.cloud.routing import Route

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_KIND = "compute.operations"
_SCOPES = ("global", "regions/*")


class ComputeOperations:
    """All have ended when they are answered."""

    def __init__(self, cloud: "Cloud") -> None:
        self._cloud = cloud
        self._store = cloud.store

    def done(self, call: Call, operation_type: str, resource: dict[str, Any]) -> dict[str, Any]:
        """The operation on a resource, kept under the resource's scope."""
        scope = resource["_name"].rsplit("/", 2)[0]
        name = f"{scope}/operations/operation-{time.time_ns() // 1_000_000}-{secrets.token_hex(10)}"
        now = self._cloud.clock.timestamp()
        operation = {
            "kind": "compute#operation",
            "id": str(secrets.randbits(62)),
            "name": name.rsplit("/", 1)[-1],
            "operationType": operation_type,
            "targetLink": f"{HOST}{path_of(call)}/{resource['_name']}",
            "targetId": resource["id"],
            "status": "DONE",
            "progress": 100,
            "user": call.principal,
            **dict.fromkeys(("insertTime", "startTime", "endTime"), now),
            "selfLink": f"{HOST}{path_of(call)}/{name}",
        }
        if "/regions/" in name:
            operation["region"] = f"{HOST}{path_of(call)}/{scope}"
        return self._store.put(_KIND, name, operation)

    def routes(self) -> list[Route]:
        rows = []
        for scope in _SCOPES:
            may = "compute.globalOperations" if scope == "global" else "compute.regionOperations"
            name = f"/v1/{{name=projects/*/{scope}/operations/*}}"
            rows += [
                Route("GET", name, self._get, f"{may}.get"),
                Route("POST", f"{name}/wait", self._get, f"{may}.get"),
                Route("DELETE", name, self._delete, f"{may}.delete"),
                Route("GET", f"/v1/{{parent=projects/*/{scope}}}/operations", self._list, f"{may}.list"),
            ]
        return rows

    def _get(self, call: Call) -> dict[str, Any]:
        found = self._store.get(_KIND, call.params["name"])
        if found is None:
            raise ApiError(404, f"The resource '{call.params['name']}' was not found")
        return found

    def _list(self, call: Call) -> dict[str, Any]:
        found = page_of(call, "items", self._store.list(_KIND, call.params["parent"]), default=500, most=500)
        return {"kind": "compute#operationList", "id": f"{call.params['parent']}/operations", **found}

    def _delete(self, call: Call) -> Response:
        self._get(call)
        self._store.delete(_KIND, call.params["name"])
        return no_content()
