"""Cloud Routers, and the NAT gateways on them.

Source: https://cloud.google.com/compute/docs/reference/rest/v1/routers
"""

from typing import Any

from local.cloud.call import Call
from local.cloud.compute.collection import ComputeCollection
from local.cloud.routing import Route
from local.cloud.validation import Violations

_ALLOCATE = ("AUTO_ONLY", "MANUAL_ONLY")
_SOURCES = (
    *("ALL_SUBNETWORKS_ALL_IP_RANGES", "ALL_SUBNETWORKS_ALL_PRIMARY_IP_RANGES", "LIST_OF_SUBNETWORKS"),
    "ALL_IPV6_SUBNETWORKS",
)
_NAME = r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?"


class Routers(ComputeCollection):
    collection = permission = "routers"
    scope = "regions/*"
    singular = "router"
    references = ("network",)

    def routes(self) -> list[Route]:
        name = "/v1/{name=projects/*/regions/*/routers/*}"
        return [
            *super().routes(),
            Route("PATCH", name, self.patch, "compute.routers.update"),
            Route("PUT", name, self._update, "compute.routers.update"),
        ]

    def check(self, found: Violations, body: dict[str, Any]) -> None:
        found.unless(body.get("network"), "network", "is required")
        asn = (body.get("bgp") or {}).get("asn")
        if asn is not None:
            found.within(1, 4_294_967_295, asn, "bgp.asn")
        nats = body.get("nats") or []
        names = [nat.get("name") for nat in nats]
        found.unless(len(names) == len(set(names)), "nats", "two gateways have the same name")
        for index, nat in enumerate(nats):
            _check_nat(found, nat, f"nats[{index}]")

    def fill(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"encryptedInterconnectRouter": False, **body}

    def _update(self, call: Call) -> dict[str, Any]:
        return self.change(call, "update", lambda old: self._patchable(call) | {"name": old["name"]})


def _check_nat(found: Violations, nat: dict[str, Any], where: str) -> None:
    rule = "must begin with a letter and hold at most 63 lowercase letters, digits and hyphens, the last no hyphen"
    found.matches(_NAME, nat.get("name"), f"{where}.name", rule)
    found.one_of(_SOURCES, nat.get("sourceSubnetworkIpRangesToNat"), f"{where}.sourceSubnetworkIpRangesToNat")
    private = nat.get("type") == "PRIVATE"
    if not private:
        found.one_of(_ALLOCATE, nat.get("natIpAllocateOption"), f"{where}.natIpAllocateOption")
    manual = nat.get("natIpAllocateOption") == "MANUAL_ONLY"
    given = bool(nat.get("natIps"))
    found.unless(manual or not given, f"{where}.natIps", "addresses are given with MANUAL_ONLY alone")
    ports = nat.get("minPortsPerVm")
    if ports is not None:
        found.within(2, 57_344, ports, f"{where}.minPortsPerVm")
