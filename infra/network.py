"""A network of the project's own: a subnetwork, the way in for Vertex AI's machines, and almost no way out.

Pools and jobs are on machines of Google's. Either they have an interface in the subnetwork (Private Service Connect, by
a network attachment that Vertex AI's agent joins), or their network is peered with this one and they have addresses of
a range that is reserved for it. What goes out of this network reaches Google's APIs alone, by names that resolve to
them privately (infra/private_names.py), unless `nat` opens HTTPS to the Internet. Does not own: which ranges are
possible (infra/network_rules.py); what Google's machines reach on a way of their own (ADR 0009).

Sources: https://cloud.google.com/vertex-ai/docs/general/vpc-psc-i-setup and …/general/vpc-peering
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp
from pulumi import Output, ResourceOptions

from contracts.pool_spec import NetworkAccess
from infra import naming
from infra.naming import Names
from infra.private_names import GOOGLE_RANGES, PrivateGoogleNames
from infra.service_agents import ServiceAgents
from infra.stack_config import NetworkSettings

_PRODUCER = "servicenetworking.googleapis.com"
_HTTPS = ["443"]
_LAST, _BEFORE_IT = 65_534, 1_000
# Vertex AI adds its own project to the list of those that may join.
_KEPT_BY_VERTEX = ["producerAcceptLists"]


@dataclass(frozen=True)
class Attached:
    """How pools, jobs and runs are in the network. `network` is None where they have an interface by `attachment`,
    which is "" where they are peered; `ready` is what must be there before the first of them is.
    """

    access: Output[NetworkAccess]
    network: Output[str] | None
    attachment: str
    ready: tuple[pulumi.Resource, ...]


def ready(attached: Attached | None) -> tuple[pulumi.Resource, ...]:
    return attached.ready if attached else ()


def access(attached: Attached | None) -> Output[NetworkAccess]:
    return attached.access if attached else Output.from_input(NetworkAccess())


class PrivateNetwork(pulumi.ComponentResource):
    """`protect` refuses to delete or replace the network, which would replace the pools."""

    def __init__(
        self,
        name: str,
        *,
        names: Names,
        settings: NetworkSettings,
        agents: ServiceAgents,
        protect: bool,
        labels: dict[str, str],
        after: Sequence[pulumi.Resource],
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("recsys:infra:PrivateNetwork", name, None, opts)
        self._names, self._settings, self._guarded = names, settings, protect
        self._network = gcp.compute.Network(
            f"{name}-network",
            name=naming.NETWORK,
            description="Training of recommenders",
            auto_create_subnetworks=False,
            routing_mode="REGIONAL",
            opts=ResourceOptions(parent=self, depends_on=list(after), protect=protect),
        )
        self._subnetwork = self._declare_subnetwork()
        out = self._declare_ways_out()
        PrivateGoogleNames(
            f"{name}-names", network=self._network.id, apis=settings.google_apis, labels=labels, after=after
        )
        if settings.nat:
            self._declare_nat()
        join = self._declare_attachment(agents) if settings.psc_interface else self._declare_peering(agents)
        self.attached = Attached(join.access, join.network, join.attachment, (*join.ready, *out))
        self.register_outputs({})

    def _declare_subnetwork(self) -> gcp.compute.Subnetwork:
        percent = self._settings.flow_log_percent
        return gcp.compute.Subnetwork(
            f"{self.pulumi_resource_name}-subnetwork",
            name=naming.NETWORK,
            region=self._names.region,
            network=self._network.id,
            ip_cidr_range=self._settings.subnet_range,
            private_ip_google_access=True,
            log_config=gcp.compute.SubnetworkLogConfigArgs(
                aggregation_interval="INTERVAL_10_MIN",
                flow_sampling=percent / 100,
                metadata="INCLUDE_ALL_METADATA",
            )
            if percent
            else None,
            opts=ResourceOptions(parent=self, protect=self._guarded),
        )

    def _declare_ways_out(self) -> list[gcp.compute.Firewall]:
        """Nothing but Google's APIs; nothing comes in unasked either, which is every network's implied last rule."""
        google = [GOOGLE_RANGES[self._settings.google_apis]]
        rules = [
            self._egress("deny-all", priority=_LAST, ranges=["0.0.0.0/0"]),
            self._egress("allow-google", priority=_BEFORE_IT, ranges=google, ports=_HTTPS),
        ]
        if self._settings.nat:
            rules.append(self._egress("allow-https", priority=_BEFORE_IT, ranges=["0.0.0.0/0"], ports=_HTTPS))
        return rules

    def _egress(
        self, rule: str, *, priority: int, ranges: list[str], ports: list[str] | None = None
    ) -> gcp.compute.Firewall:
        """To `ports` by TCP; without any a denial of everything."""
        allows = [gcp.compute.FirewallAllowArgs(protocol="tcp", ports=ports)] if ports else None
        return gcp.compute.Firewall(
            f"{self.pulumi_resource_name}-{rule}",
            name=f"{naming.NETWORK}-{rule}",
            network=self._network.id,
            direction="EGRESS",
            priority=priority,
            destination_ranges=ranges,
            allows=allows,
            denies=None if allows else [gcp.compute.FirewallDenyArgs(protocol="all")],
            log_config=None if allows else gcp.compute.FirewallLogConfigArgs(metadata="INCLUDE_ALL_METADATA"),
            opts=ResourceOptions(parent=self),
        )

    def _declare_nat(self) -> None:
        router = gcp.compute.Router(
            f"{self.pulumi_resource_name}-router",
            name=naming.NETWORK,
            region=self._names.region,
            network=self._network.id,
            opts=ResourceOptions(parent=self),
        )
        gcp.compute.RouterNat(
            f"{self.pulumi_resource_name}-nat",
            name=naming.NETWORK,
            region=self._names.region,
            router=router.name,
            nat_ip_allocate_option="AUTO_ONLY",
            source_subnetwork_ip_ranges_to_nat="ALL_SUBNETWORKS_ALL_IP_RANGES",
            opts=ResourceOptions(parent=self),
        )

    def _declare_attachment(self, agents: ServiceAgents) -> Attached:
        """Only whom Vertex AI's agent lets in joins."""
        attachment = gcp.compute.NetworkAttachment(
            f"{self.pulumi_resource_name}-attachment",
            name=naming.NETWORK,
            region=self._names.region,
            description="Where Vertex AI's machines join",
            connection_preference="ACCEPT_MANUAL",
            subnetworks=[self._subnetwork.id],
            opts=ResourceOptions(parent=self, protect=self._guarded, ignore_changes=_KEPT_BY_VERTEX),
        )
        known = Output.from_input(NetworkAccess(attachment=naming.NETWORK))
        return Attached(known, None, naming.NETWORK, (attachment, *agents.grants))

    def _declare_peering(self, agents: ServiceAgents) -> Attached:
        peering = gcp.compute.GlobalAddress(
            f"{self.pulumi_resource_name}-peering-range",
            name=f"{naming.NETWORK}-peering",
            purpose="VPC_PEERING",
            address_type="INTERNAL",
            address=self._settings.peering_range.partition("/")[0],
            prefix_length=int(self._settings.peering_range.partition("/")[2]),
            network=self._network.id,
            opts=ResourceOptions(parent=self, protect=self._guarded),
        )
        connection = gcp.servicenetworking.Connection(
            f"{self.pulumi_resource_name}-peering",
            network=self._network.id,
            service=_PRODUCER,
            reserved_peering_ranges=[peering.name],
            opts=ResourceOptions(parent=self, protect=self._guarded),
        )
        network = agents.project_number.apply(naming.numbered_network)
        return Attached(network.apply(lambda each: NetworkAccess(network=each)), network, "", (connection,))
