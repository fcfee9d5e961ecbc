"""Global addresses: reserved addresses, and ranges for private connections.

Source: https://cloud.google.com/compute/docs/reference/rest/v1/globalAddresses
"""

import ipaddress
from typing import Any

from local.cloud.call import Call
from local.cloud.compute.collection import ComputeCollection, fingerprint
from local.cloud.errors import ApiError
from local.cloud.routing import Route
from local.cloud.validation import Violations

_TYPES = ("EXTERNAL", "INTERNAL")
_PURPOSES = ("VPC_PEERING", "PRIVATE_SERVICE_CONNECT")
_POOL = ipaddress.ip_network("10.0.0.0/8")
_EXTERNAL = ipaddress.ip_network("203.0.113.0/24")  # for documentation (RFC 5737): it leads nowhere


class GlobalAddresses(ComputeCollection):
    collection = "addresses"
    permission = "globalAddresses"
    singular = "address"
    references = ("network",)
    output = ("status", "users", "labelFingerprint")

    def routes(self) -> list[Route]:
        name = "/v1/{name=projects/*/global/addresses/*}"
        return [
            *super().routes(),
            Route("POST", f"{name}/setLabels", self._set_labels, "compute.globalAddresses.setLabels"),
        ]

    def check(self, found: Violations, body: dict[str, Any]) -> None:
        kind, purpose = body.get("addressType") or _TYPES[0], body.get("purpose")
        found.one_of(_TYPES, kind, "addressType")
        found.labels(body.get("labels"))
        if kind == "INTERNAL":
            found.one_of(_PURPOSES, purpose, "purpose")
            found.unless(body.get("network"), "network", "an internal address is of a network")
        else:
            found.unless(not purpose, "purpose", f"{purpose!r} is for internal addresses")
        if purpose == "VPC_PEERING":
            found.within(8, 29, body.get("prefixLength"), "prefixLength")
        if body.get("address"):
            try:
                ipaddress.ip_address(body["address"])
            except ValueError:
                found.add("address", f"{body['address']!r} is no IP address")

    def fill(self, body: dict[str, Any]) -> dict[str, Any]:
        kind = body.get("addressType") or _TYPES[0]
        free = {} if body.get("address") else {"address": self._free(kind, body)}
        version = {"ipVersion": "IPV4"} if kind == "EXTERNAL" else {}
        return {"addressType": kind, **version, **free, **body, "status": "RESERVED"}

    def stored(self, resource: dict[str, Any]) -> dict[str, Any]:
        return resource | {"labelFingerprint": fingerprint(resource.get("labels") or {})}

    def _set_labels(self, call: Call) -> dict[str, Any]:
        body = call.object()
        address = self.named(call.params["name"])
        if body.get("labelFingerprint") != address["labelFingerprint"]:
            message = "Labels fingerprint either invalid or resource labels have changed: read the resource again"
            raise ApiError(412, message, reason="conditionNotMet")
        return self.change(call, "setLabels", lambda each: each | {"labels": body.get("labels") or {}})

    def _free(self, kind: str, body: dict[str, Any]) -> str:
        """The first address or range that neither another address nor a subnetwork of the network has."""
        if kind == "EXTERNAL":
            taken = {each.get("address") for _, each in self.store.list(self.kind)}
            return next(str(host) for host in _EXTERNAL.hosts() if str(host) not in taken)
        network, length = body["network"], int(body.get("prefixLength") or 32)
        taken_ranges = [
            ipaddress.ip_network(f"{each['address']}/{each.get('prefixLength', 32)}", strict=False)
            for _, each in self.store.list(self.kind)
            if each.get("network") == network
        ]
        subnetworks = (each for _, each in self.store.list("compute.subnetworks") if each["network"] == network)
        taken_ranges += [ipaddress.ip_network(each["ipCidrRange"]) for each in subnetworks]
        for candidate in _POOL.subnets(new_prefix=length):
            if not any(candidate.overlaps(range_) for range_ in taken_ranges if range_.version == 4):
                return str(candidate.network_address)
        raise ApiError(
            400, f"There is no free range of /{length} left", "RESOURCE_EXHAUSTED", reason="ipSpaceExhausted"
        )
