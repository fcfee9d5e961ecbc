"""Google's own names, resolved privately in one network: its APIs and its registries, at addresses that no route to the
Internet leads to.

Does not own: who may send there (infra/network.py).
Source: https://cloud.google.com/vpc/docs/configure-private-google-access#config-domain
"""

from collections.abc import Sequence
from ipaddress import IPv4Network

import pulumi
import pulumi_gcp as gcp
from pulumi import Input, ResourceOptions

GOOGLE_RANGES = {"private": "199.36.153.8/30", "restricted": "199.36.153.4/30"}
_TTL_SECONDS = 300
_REGISTRY = "pkg.dev."


class PrivateGoogleNames(pulumi.ComponentResource):
    """`apis`: private has every API, restricted those alone that VPC Service Controls protect."""

    def __init__(
        self,
        name: str,
        *,
        network: Input[str],
        apis: str,
        labels: dict[str, str],
        after: Sequence[pulumi.Resource],
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("recsys:infra:PrivateGoogleNames", name, None, opts)
        self._network, self._labels, self._after = network, labels, list(after)
        self._addresses = [str(address) for address in IPv4Network(GOOGLE_RANGES[apis])]
        self._zone("googleapis", "googleapis.com.", target=f"{apis}.googleapis.com.")
        self._zone("registry", _REGISTRY, target=_REGISTRY)
        self.register_outputs({})

    def _zone(self, role: str, dns_name: str, *, target: str) -> None:
        """Every name of a domain is an alias of `target`, which has the addresses."""
        zone = gcp.dns.ManagedZone(
            f"{self.pulumi_resource_name}-{role}",
            name=f"recsys-{role}",
            dns_name=dns_name,
            description=f"{dns_name} at Google's private addresses",
            visibility="private",
            private_visibility_config=gcp.dns.ManagedZonePrivateVisibilityConfigArgs(
                networks=[gcp.dns.ManagedZonePrivateVisibilityConfigNetworkArgs(network_url=self._network)]
            ),
            labels=self._labels,
            opts=ResourceOptions(parent=self, depends_on=self._after),
        )
        for kind, record, values in (("A", target, self._addresses), ("CNAME", f"*.{dns_name}", [target])):
            gcp.dns.RecordSet(
                f"{self.pulumi_resource_name}-{role}-{kind.lower()}",
                managed_zone=zone.name,
                name=record,
                type=kind,
                ttl=_TTL_SECONDS,
                rrdatas=values,
                opts=ResourceOptions(parent=self),
            )
