"""Cloud routers, and the address translation that is kept inside them."""

# ruff: noqa: ARG002, RUF012 (tables of class attributes, and methods of one signature)
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.errors import AlreadyExistsError, OperationError
from engine.gcp.bodies import expand, flatten
from engine.gcp.compute import ComputeType
from engine.gcp.resource import Call, fill
from engine.values import Properties

Nats = list[dict[str, Any]]


class Router(ComputeType):
    type_name = "gcp:compute/router:Router"
    noun = "Router"
    identity = "projects/{project}/regions/{region}/routers/{name}"
    collection = "projects/{project}/regions/{region}/routers"
    create_only = {"name", "region", "network", "encryptedInterconnectRouter", "nccGateway"}
    table = """
    bgp obj
      advertiseMode str default="DEFAULT" check=in:DEFAULT,CUSTOM
      advertisedGroups strs
      advertisedIpRanges objset
        description str
        range str required
      asn int required
      identifierRange str kept
      keepaliveInterval int default=20
    creationTimestamp str out
    deletionPolicy str kept api=-
    description str
    encryptedInterconnectRouter bool replace
    md5AuthenticationKeys raw
    name str required replace auto check=gce-name
    nccGateway str replace not_with=network same=last-segment
    network str replace not_with=nccGateway same=last-segment
    params obj replace unread
      resourceManagerTags map
    project str kept replace api=-
    region str kept replace same=last-segment api=-
    selfLink str out
    """


class RouterNat(ComputeType):
    """One entry of a router's list, which each operation reads, edits and writes back."""

    type_name = "gcp:compute/routerNat:RouterNat"
    noun = "RouterNat"
    identity = "{project}/{region}/{router}/{name}"
    table = """
    autoNetworkTier str kept unread check=in:PREMIUM,STANDARD
    deletionPolicy str kept api=-
    drainNatIps strset kept
    enableDynamicPortAllocation bool kept
    enableEndpointIndependentMapping bool kept
    endpointTypes strs kept replace min=1
    icmpIdleTimeoutSec int default=30
    initialNatIps strset replace unread not_with=drainNatIps,natIps
    logConfig obj
      enable bool required
      filter str required check=in:ERRORS_ONLY,TRANSLATIONS_ONLY,ALL
    maxPortsPerVm int
    minPortsPerVm int kept
    name str required replace auto
    nat64Subnetworks objset tf=nat64_subnetwork api=nat64Subnetworks
      name str required same=last-segment
    natIpAllocateOption str check=in:MANUAL_ONLY,AUTO_ONLY
    natIps strset kept
    project str kept replace api=-
    region str kept replace same=last-segment api=-
    router str required replace same=last-segment api=-
    rules objset
      action obj kept
        sourceNatActiveIps strset
        sourceNatActiveRanges strset
        sourceNatDrainIps strset
        sourceNatDrainRanges strset
      description str
      match str required
      ruleNumber int required
    sourceSubnetworkIpRangesToNat str required check=nat-ranges
    sourceSubnetworkIpRangesToNat64 str check=in:ALL_IPV6_SUBNETWORKS,LIST_OF_IPV6_SUBNETWORKS
    subnetworks objset tf=subnetwork api=subnetworks
      name str required same=last-segment
      secondaryIpRangeNames strset
      sourceIpRangesToNats strset required min=1 tf=source_ip_ranges_to_nat
    tcpEstablishedIdleTimeoutSec int default=1200
    tcpTimeWaitTimeoutSec int default=120
    tcpTransitoryIdleTimeoutSec int default=30
    type str replace default="PUBLIC" check=in:PUBLIC,PRIVATE
    udpIdleTimeoutSec int default=30
    """

    def _router(self, values: Properties) -> str:
        name = str(values["router"])
        short = {**values, "router": name.rsplit("/", 1)[-1]}
        return fill("projects/{project}/regions/{region}/routers/{router}", short)

    def create(self, call: Call, plan: Properties) -> tuple[str, Properties]:
        identity = fill(self.identity, plan | {"router": str(plan["router"]).rsplit("/", 1)[-1]})

        def add(nats: Nats) -> Nats:
            if any(nat["name"] == plan["name"] for nat in nats):
                raise AlreadyExistsError(f"the router has a NAT named {plan['name']} already", identity)
            return [*nats, expand(self.fields, plan)]

        self._edit(call, plan, add)
        return self.read_back(call, identity, plan)

    def _edit(self, call: Call, values: Properties, change: Callable[[Nats], Nats]) -> None:
        path = self._router(values)
        with call.api.alone(path):
            router = call.api.find(self.service, path)
            before = list((router or {}).get("nats") or [])
            after = change(before)
            if after != before:
                if router is None:
                    raise OperationError(f"{path} does not exist, so it can have no NAT")
                answer = call.api.call(self.service, "PATCH", path, body={"nats": after})
                self.finish(call, answer, "update")

    def read(self, call: Call, identity: str, known: Properties) -> Properties | None:
        router = call.api.find(self.service, self._router(known))
        for nat in (router or {}).get("nats") or []:
            if nat["name"] == known["name"]:
                return flatten(self.fields, nat, known) | {"id": identity}
        return None

    def update(self, call: Call, identity: str, prior: Properties, plan: Properties) -> Properties:
        wanted = expand(self.fields, plan)
        if self.mask(prior, plan):
            self._edit(call, plan, lambda nats: [wanted if nat["name"] == plan["name"] else nat for nat in nats])
        return self.read_back(call, identity, plan)[1]

    def delete(self, call: Call, identity: str, prior: Properties) -> None:
        self._edit(call, prior, lambda nats: [nat for nat in nats if nat["name"] != prior["name"]])
