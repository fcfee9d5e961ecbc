"""Subnetworks.

Source: https://cloud.google.com/compute/docs/reference/rest/v1/subnetworks
"""

import ipaddress
import secrets
from typing import Any

from local.cloud.call import Call
from local.cloud.compute.collection import ComputeCollection, fingerprint
from local.cloud.errors import ApiError, invalid_argument
from local.cloud.policy_routes import policy_routes
from local.cloud.routing import Route
from local.cloud.validation import Violations

_PURPOSES = (
    *("PRIVATE", "REGIONAL_MANAGED_PROXY", "GLOBAL_MANAGED_PROXY", "PRIVATE_SERVICE_CONNECT"),
    *("INTERNAL_HTTPS_LOAD_BALANCER", "PRIVATE_NAT", "PEER_MIGRATION"),
)
_STACKS = ("IPV4_ONLY", "IPV4_IPV6", "IPV6_ONLY")


class Subnetworks(ComputeCollection):
    collection = permission = "subnetworks"
    scope = "regions/*"
    singular = "subnetwork"
    references = ("network",)
    output = ("gatewayAddress", "fingerprint", "state", "subnetworkId", "ipv6CidrRange")
    used_by = {"compute.networkAttachments": "subnetworks"}  # noqa: RUF012

    def routes(self) -> list[Route]:
        name = "/v1/{name=projects/*/regions/*/subnetworks/*}"
        resource = "/v1/{resource=projects/*/regions/*/subnetworks/*}"
        may = "compute.subnetworks"
        return [
            *super().routes(),
            Route("PATCH", name, self.patch, f"{may}.update"),
            Route("POST", f"{name}/expandIpCidrRange", self._expand, f"{may}.expandIpCidrRange"),
            Route("POST", f"{name}/setPrivateIpGoogleAccess", self._set_access, f"{may}.setPrivateIpGoogleAccess"),
            *as_paths(policy_routes(resource, self._policy_name, permission=may)),
        ]

    def check(self, found: Violations, body: dict[str, Any]) -> None:
        found.unless(body.get("network"), "network", "is required")
        check_range(found, body.get("ipCidrRange"), "ipCidrRange")
        found.one_of(_PURPOSES, body.get("purpose") or _PURPOSES[0], "purpose")
        found.one_of(_STACKS, body.get("stackType") or _STACKS[0], "stackType")
        for index, each in enumerate(body.get("secondaryIpRanges") or []):
            found.unless(each.get("rangeName"), f"secondaryIpRanges[{index}].rangeName", "is required")
            check_range(found, each.get("ipCidrRange"), f"secondaryIpRanges[{index}].ipCidrRange")

    def fill(self, body: dict[str, Any]) -> dict[str, Any]:
        defaults = {
            "purpose": _PURPOSES[0],
            "stackType": _STACKS[0],
            "privateIpGoogleAccess": False,
            "privateIpv6GoogleAccess": "DISABLE_GOOGLE_ACCESS",
            "allowSubnetCidrRoutesOverlap": False,
        }
        return {**defaults, **body, "subnetworkId": str(secrets.randbits(62))}

    def stored(self, resource: dict[str, Any]) -> dict[str, Any]:
        self._refuse_overlap(resource)
        gateway = str(ipaddress.ip_network(resource["ipCidrRange"])[1])
        print_ = fingerprint({key: value for key, value in resource.items() if key != "fingerprint"})
        return resource | {"gatewayAddress": gateway, "fingerprint": print_}

    def _refuse_overlap(self, resource: dict[str, Any]) -> None:
        mine = ipaddress.ip_network(resource["ipCidrRange"])
        for name, other in self.store.list(self.kind):
            same = name == resource["_name"] or other["network"] != resource["network"]
            if not same and mine.overlaps(ipaddress.ip_network(other["ipCidrRange"])):
                message = f"Invalid IPCidrRange: {mine} conflicts with existing subnetwork '{name}'"
                raise ApiError(400, message, reason="badRequest")

    def _expand(self, call: Call) -> dict[str, Any]:
        wanted = call.object().get("ipCidrRange")
        old = self.named(call.params["name"])["ipCidrRange"]
        found = Violations()
        check_range(found, wanted, "ipCidrRange")
        found.refuse()
        wider = ipaddress.ip_network(str(wanted))
        if ipaddress.ip_network(old) == wider or not _within(old, wider):
            raise invalid_argument([("ipCidrRange", f"{wanted!r} does not expand the present range, {old}")])
        return self.change(call, "expandIpCidrRange", lambda each: each | {"ipCidrRange": wanted})

    def _set_access(self, call: Call) -> dict[str, Any]:
        """Absent means false."""
        wanted = bool(call.object().get("privateIpGoogleAccess"))
        return self.change(call, "setPrivateIpGoogleAccess", lambda each: each | {"privateIpGoogleAccess": wanted})

    def _policy_name(self, call: Call) -> str:
        return self.named(call.params["resource"])["_name"]


def check_range(found: Violations, text: Any, where: str) -> None:
    """An IPv4 range without host bits."""
    try:
        ipaddress.ip_network(text, strict=False)
    except (ValueError, TypeError):
        found.add(where, f"{text!r} is not a range in CIDR notation, as in '10.0.0.0/20'")
        return
    try:
        ipaddress.ip_network(text)
    except ValueError:
        network = ipaddress.ip_network(text, strict=False)
        found.add(where, f"{text!r} has host bits set: the network is {network}")


def _within(old: str, wider: Any) -> bool:
    narrow = ipaddress.ip_network(old)
    return narrow.version == wider.version and narrow.network_address in wider and narrow.broadcast_address in wider


def as_paths(routes: list[Route]) -> list[Route]:
    """Compute Engine writes the methods of policies as path segments, not verbs."""
    return [Route(each.method, each.template.replace("}:", "}/"), each.handler, each.permission) for each in routes]
