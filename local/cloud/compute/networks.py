"""VPC networks.

Source: https://cloud.google.com/compute/docs/reference/rest/v1/networks
"""

from typing import Any

from local.cloud.call import Call
from local.cloud.compute.collection import ComputeCollection
from local.cloud.compute.names import HOST, path_of
from local.cloud.routing import Route
from local.cloud.validation import Violations, as_int

_ORDERS = ("AFTER_CLASSIC_FIREWALL", "BEFORE_CLASSIC_FIREWALL")
_MODES = ("REGIONAL", "GLOBAL")


class Networks(ComputeCollection):
    collection = permission = "networks"
    singular = "network"
    output = ("subnetworks", "peerings", "gatewayIPv4")
    used_by = {  # noqa: RUF012
        "compute.subnetworks": "network",
        "compute.routers": "network",
        "compute.firewalls": "network",
        "compute.globalAddresses": "network",
        "servicenetworking.connection": "network",
    }

    def routes(self) -> list[Route]:
        name = "/v1/{name=projects/*/global/networks/*}"
        return [*super().routes(), Route("PATCH", name, self.patch, "compute.networks.updatePolicy")]

    def check(self, found: Violations, body: dict[str, Any]) -> None:
        if body.get("mtu"):
            mtu = as_int(body["mtu"])
            found.unless(mtu and 1300 <= mtu <= 8896, "mtu", f"{body['mtu']!r} is not a number from 1300 to 8896")
        order = body.get("networkFirewallPolicyEnforcementOrder") or _ORDERS[0]
        found.one_of(_ORDERS, order, "networkFirewallPolicyEnforcementOrder")
        mode = (body.get("routingConfig") or {}).get("routingMode") or _MODES[0]
        found.one_of(_MODES, mode, "routingConfig.routingMode")
        legacy = body.get("IPv4Range")
        found.unless(not legacy, "IPv4Range", f"{legacy!r}: legacy networks can no longer be made")

    def fill(self, body: dict[str, Any]) -> dict[str, Any]:
        routing = {"routingMode": _MODES[0], "bgpBestPathSelectionMode": "LEGACY", **(body.get("routingConfig") or {})}
        order = {"networkFirewallPolicyEnforcementOrder": _ORDERS[0]}
        return {"autoCreateSubnetworks": True, **order, **body, "routingConfig": routing}

    def show(self, call: Call, resource: dict[str, Any]) -> dict[str, Any]:
        """With its subnetworks."""
        base = f"{HOST}{path_of(call)}"
        subnetworks = self.store.list("compute.subnetworks")
        within = [f"{base}/{name}" for name, body in subnetworks if body["network"] == resource["_name"]]
        scope = resource["_name"].rpartition("/")[0]
        shown = super().show(call, resource) | {"selfLinkWithId": f"{base}/{scope}/{resource['id']}"}
        return shown | ({"subnetworks": within} if within else {})
