"""Service Networking: private connections between a network and Google's services.

Source: https://cloud.google.com/service-infrastructure/docs/service-networking/reference/rest/v1/services.connections
"""

from typing import TYPE_CHECKING, Any

from local.cloud.call import Call
from local.cloud.errors import ApiError, invalid_argument, not_found
from local.cloud.routing import Route
from local.cloud.validation import Violations

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_KIND = "servicenetworking.connection"
_METADATA = "google.cloud.servicenetworking.v1.OperationMetadata"
_CONNECTION = "google.cloud.servicenetworking.v1.Connection"
_NETWORK = r"projects/[^/]+/global/networks/[^/]+"


def service_networking_routes(cloud: "Cloud") -> list[Route]:
    api = _Connections(cloud)
    parent, name = "/v1/{parent=services/*}/connections", "/v1/{name=services/*/connections/*}"
    return [
        Route("POST", parent, api.create, "servicenetworking.services.addPeering"),
        Route("GET", parent, api.list, "servicenetworking.services.get"),
        Route("PATCH", name, api.patch, "servicenetworking.services.addPeering"),
        Route("POST", name, api.delete, "servicenetworking.services.deleteConnection"),
    ]


class _Connections:
    """Kept by network, one for each service."""

    def __init__(self, cloud: "Cloud") -> None:
        self._cloud = cloud
        self._store = cloud.store

    def create(self, call: Call) -> dict[str, Any]:
        body, service = call.object(), call.params["parent"]
        network = self._checked(body)
        with self._store.transaction():
            if self._store.get(_KIND, _key(service, network)):
                raise ApiError(
                    400,
                    "Cannot modify allocated ranges in CreateConnection. Please use UpdateConnection.",
                    "FAILED_PRECONDITION",
                )
            return self._kept(service, network, body)

    def list(self, call: Call) -> dict[str, Any]:
        """Of one consumer network, of one service or, with `services/-`, of all."""
        network = call.query.get("network")
        if not network:
            raise invalid_argument([("network", "is required, as projects/NUMBER/global/networks/NAME")])
        wanted, service = self._cloud.projects.with_id(network), call.params["parent"]
        found = [
            self._shown(body)
            for _, body in self._store.list(_KIND)
            if body["network"] == wanted and service in ("services/-", body["service"])
        ]
        return {"connections": found} if found else {}

    def patch(self, call: Call) -> dict[str, Any]:
        body = call.object()
        service, network = call.params["name"].partition("/connections/")[0], self._checked(body)
        with self._store.transaction():
            held = self._store.get(_KIND, _key(service, network))
            if held is None and not call.flag("force"):
                raise not_found(f"There is no connection of {network} to {service}")
            return self._kept(service if service != "services/-" or not held else held["service"], network, body)

    def delete(self, call: Call) -> dict[str, Any]:
        network = self._cloud.projects.with_id(call.object().get("consumerNetwork") or "")
        service = call.params["name"].partition("/connections/")[0]
        if not self._store.delete(_KIND, _key(service, network)):
            raise not_found(f"There is no connection of {network!r} to {service}")
        return self._done(network, {}, "google.protobuf.Empty")

    def _checked(self, body: dict[str, Any]) -> str:
        """The network's name, by project id; raises INVALID_ARGUMENT for ranges that are not reserved for peering."""
        found = Violations()
        found.matches(_NETWORK, body.get("network"), "network", "is not projects/NUMBER/global/networks/NAME")
        ranges = body.get("reservedPeeringRanges") or []
        found.unless(ranges, "reservedPeeringRanges", "at least one allocated range is required")
        found.refuse()
        network = self._cloud.projects.with_id(body["network"])
        project = network.split("/")[1]
        if not self._store.get("compute.networks", network):
            raise not_found(f"The network {network} was not found")
        for index, name in enumerate(ranges):
            address = self._store.get("compute.globalAddresses", f"projects/{project}/global/addresses/{name}")
            reserved = address is not None and address.get("purpose") == "VPC_PEERING"
            rule = f"{name!r} is not a global address of purpose VPC_PEERING in the network's project"
            found.unless(reserved, f"reservedPeeringRanges[{index}]", rule)
        found.refuse()
        return network

    def _kept(self, service: str, network: str, body: dict[str, Any]) -> dict[str, Any]:
        peering = service.partition("/")[2].replace(".", "-")
        connection = {
            "network": network,
            "peering": peering,
            "service": service,
            "reservedPeeringRanges": body["reservedPeeringRanges"],
        }
        kept = self._store.put(_KIND, _key(service, network), connection, parent=network)
        return self._done(network, self._shown(kept), _CONNECTION)

    def _done(self, network: str, response: dict[str, Any], response_type: str) -> dict[str, Any]:
        project = "/".join(network.split("/")[:2])
        kind = "servicenetworking.operations"
        return self._cloud.operations.done(
            "", response, kind=kind, on=project, response_type=response_type, metadata_type=_METADATA
        )

    def _shown(self, connection: dict[str, Any]) -> dict[str, Any]:
        return connection | {"network": self._cloud.projects.with_number(connection["network"])}


def _key(service: str, network: str) -> str:
    return f"{network}|{service}"
