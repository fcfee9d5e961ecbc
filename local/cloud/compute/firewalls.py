"""VPC firewall rules.

Source: https://cloud.google.com/compute/docs/reference/rest/v1/firewalls
"""

import ipaddress
import re
from typing import Any

from local.cloud.call import Call
from local.cloud.compute.collection import ComputeCollection
from local.cloud.routing import Route
from local.cloud.validation import Violations

_PROTOCOLS = ("tcp", "udp", "icmp", "esp", "ah", "sctp", "ipip", "all")
_PORTS = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")


class Firewalls(ComputeCollection):
    collection = permission = "firewalls"
    singular = "firewall"
    references = ("network",)

    def routes(self) -> list[Route]:
        name = "/v1/{name=projects/*/global/firewalls/*}"
        return [
            *super().routes(),
            Route("PATCH", name, self.patch, "compute.firewalls.update"),
            Route("PUT", name, self._update, "compute.firewalls.update"),
        ]

    def check(self, found: Violations, body: dict[str, Any]) -> None:
        allowed, denied = body.get("allowed") or [], body.get("denied") or []
        found.unless(bool(allowed) != bool(denied), "allowed", "allowed or denied is required, one of the two")
        for key, rules in (("allowed", allowed), ("denied", denied)):
            for index, rule in enumerate(rules):
                _check_rule(found, rule, f"{key}[{index}]")
        found.unless(body.get("network"), "network", "is required: there is no default network here")
        found.within(0, 65_535, body.get("priority", 1000), "priority")
        found.one_of(("INGRESS", "EGRESS"), body.get("direction") or "INGRESS", "direction")
        for key in ("sourceRanges", "destinationRanges"):
            for index, text in enumerate(body.get(key) or []):
                _check_address_range(found, text, f"{key}[{index}]")
        egress = body.get("direction") == "EGRESS"
        given = body.get("sourceRanges") or body.get("sourceTags")
        found.unless(not (egress and given), "sourceRanges", "a rule for EGRESS has destinationRanges")

    def fill(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"direction": "INGRESS", "disabled": False, "priority": 1000, **body}

    def stored(self, resource: dict[str, Any]) -> dict[str, Any]:
        """Empty lists and texts are as good as absent."""
        return {key: value for key, value in resource.items() if value not in ([], "", None)}

    def _update(self, call: Call) -> dict[str, Any]:
        kept = {"direction": "INGRESS", "disabled": False, "priority": 1000}
        return self.change(
            call,
            "update",
            lambda old: {**kept, **self._patchable(call), "name": old["name"], "network": old["network"]},
        )


def _check_rule(found: Violations, rule: dict[str, Any], where: str) -> None:
    protocol = str(rule.get("IPProtocol", "")).lower()
    known = protocol in _PROTOCOLS or (protocol.isdigit() and int(protocol) <= 255)
    found.unless(known, f"{where}.IPProtocol", f"{rule.get('IPProtocol')!r} is no protocol name or number")
    ports = rule.get("ports") or []
    allowed = not ports or protocol in ("tcp", "udp", "sctp", "6", "17", "132")
    found.unless(allowed, f"{where}.ports", f"protocol {protocol} has no ports")
    for place, text in enumerate(ports):
        range_ = _PORTS.fullmatch(str(text))
        low = int(range_[1]) if range_ else -1
        high = int(range_[2] or low) if range_ else -1
        good = 0 <= low <= high <= 65_535
        found.unless(good, f"{where}.ports[{place}]", f"{text!r} is no port or range of ports, as in '80-443'")


def _check_address_range(found: Violations, text: Any, where: str) -> None:
    try:
        ipaddress.ip_network(text, strict=False)
    except (ValueError, TypeError):
        found.add(where, f"{text!r} is not an address or a range in CIDR notation")
