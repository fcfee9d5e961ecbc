"""Compute Engine: what its types share (operations, links), networks and subnetworks."""

# ruff: noqa: ARG002, RUF012 (tables of class attributes, and methods of one signature)
from __future__ import annotations

import ipaddress
import re
import time
from typing import Any

from engine.errors import EndedInErrorError, OperationError
from engine.gcp.comparing import Change
from engine.gcp.resource import Call, RestType
from engine.values import Properties, Unknown, Value

_ROUTING = {
    "routingMode",
    "bgpBestPathSelectionMode",
    "bgpAlwaysCompareMed",
    "bgpInterRegionCost",
    "networkFirewallPolicyEnforcementOrder",
}
_POLL_SECONDS = 0.1


def link(project: Value, kind: str, value: str) -> str:
    """A reference to a global thing as a path: given as a URL, as a path or by its name."""
    if "/" not in value:
        return f"projects/{project}/global/{kind}/{value}"
    return "projects/" + value.removeprefix("projects/").split("/projects/")[-1]


def stable(value: Value) -> Value:
    """A URL of the API with its stable version, as the provider records it."""
    return re.sub(r"(googleapis\.com/compute/)\w+/", r"\1v1/", value) if isinstance(value, str) else value


class ComputeType(RestType):
    """A collection of Compute Engine: its operations have states of their own, and its references are URLs."""

    service = "COMPUTE"
    services = {"COMPUTE"}
    masked = False
    waits = frozenset({"create", "update", "delete"})
    links = ("network", "selfLink")

    def finish(self, call: Call, operation: Any, verb: str) -> Any:
        deadline = time.monotonic() + call.seconds
        path = str(operation.get("selfLink", "")).split("/projects/")[-1]
        while operation.get("status") != "DONE":
            if time.monotonic() + _POLL_SECONDS > deadline:
                raise OperationError(f"Error waiting to {verb} {self.noun}: timeout after {call.seconds:g} s")
            time.sleep(_POLL_SECONDS)
            operation = call.api.call(self.service, "GET", f"projects/{path}")
        if errors := (operation.get("error") or {}).get("errors"):
            raise EndedInErrorError(
                f"Error waiting to {verb} {self.noun}: " + "; ".join(str(error.get("message")) for error in errors)
            )
        return operation

    def body(self, plan: Properties) -> dict[str, Any]:
        body = super().body(plan)
        if "network" in body:
            body["network"] = link(plan["project"], "networks", body["network"])
        if "region" in self.by_name:
            body["region"] = link(plan["project"], "regions", plan["region"])
        return body

    def read_more(self, outputs: Properties, answer: Any, known: Properties) -> None:
        for name in self.links:
            outputs[name] = stable(outputs[name])
        if "region" in outputs and isinstance(answer.get("region"), str):
            outputs["region"] = answer["region"].rsplit("/", 1)[-1]

    def post(self, call: Call, path: str, body: dict[str, Any]) -> None:
        """One of the calls by which single properties are changed."""
        self.finish(call, call.api.call(self.service, "POST", path, body=body), "update")


class Network(ComputeType):
    type_name = "gcp:compute/network:Network"
    noun = "Network"
    identity = "projects/{project}/global/networks/{name}"
    collection = "projects/{project}/global/networks"
    links = ("selfLink",)
    table = """
    autoCreateSubnetworks bool replace default=true sent
    bgpAlwaysCompareMed bool kept api=routingConfig.bgpAlwaysCompareMed
    bgpBestPathSelectionMode str kept api=routingConfig.bgpBestPathSelectionMode check=in:LEGACY,STANDARD
    bgpInterRegionCost str kept api=routingConfig.bgpInterRegionCost check=in:DEFAULT,ADD_COST_TO_MED
    deleteBgpAlwaysCompareMed bool default=false api=-
    deleteDefaultRoutesOnCreate bool default=false api=-
    deletionPolicy str kept api=-
    description str replace
    enableUlaInternalIpv6 bool
    gatewayIpv4 str out api=gatewayIPv4
    internalIpv6Range str kept replace
    mtu int kept
    name str required replace auto check=gce-name
    networkFirewallPolicyEnforcementOrder str default="AFTER_CLASSIC_FIREWALL" check=firewall-order
    networkId str out api=id
    networkProfile str replace
    numericId str out api=id
    params obj replace unread
      resourceManagerTags map replace
    project str kept replace api=-
    routingMode str kept api=routingConfig.routingMode check=in:REGIONAL,GLOBAL
    selfLink str out
    """

    def refuse(self, inputs: Properties) -> str:
        if inputs.get("deleteDefaultRoutesOnCreate"):
            return "deleteDefaultRoutesOnCreate is not in the engine's tables"
        return super().refuse(inputs)

    def update(self, call: Call, identity: str, prior: Properties, plan: Properties) -> Properties:
        changed = {change.key for change in self.compare(prior, plan)}
        body = self.body(plan)
        groups = [
            (_ROUTING, ("routingConfig", "networkFirewallPolicyEnforcementOrder")),
            ({"enableUlaInternalIpv6"}, ("enableUlaInternalIpv6",)),
            ({"mtu"}, ("mtu",)),
        ]
        for names, members in groups:
            if names & changed:
                patch = {member: body[member] for member in members if member in body}
                self.finish(call, call.api.call(self.service, "PATCH", identity, body=patch), "update")
        return self.read_back(call, identity, plan)[1]


class Subnetwork(ComputeType):
    """A subnetwork: its range can grow and not shrink."""

    type_name = "gcp:compute/subnetwork:Subnetwork"
    noun = "Subnetwork"
    identity = "projects/{project}/regions/{region}/subnetworks/{name}"
    collection = "projects/{project}/regions/{region}/subnetworks"
    table = """
    allowSubnetCidrRoutesOverlap bool kept
    creationTimestamp str out
    deletionPolicy str kept api=-
    description str replace
    externalIpv6Prefix str kept replace
    fingerprint str out null api=-
    gatewayAddress str out
    internalIpv6Prefix str kept replace
    ipCidrRange str kept
    ipCollection str same=last-segment
    ipv6AccessType str check=in:EXTERNAL,INTERNAL
    ipv6CidrRange str out
    ipv6GceEndpoint str out
    logConfig obj
      aggregationInterval str default="INTERVAL_5_SEC" some_of=log check=interval
      filterExpr str default="true" some_of=log
      flowSampling float default=0.5 some_of=log
      metadata str default="INCLUDE_ALL_METADATA" some_of=log check=flow-metadata
      metadataFields strset
    name str required replace auto check=gce-name
    network str required replace same=last-segment
    params obj replace unread
      resourceManagerTags map replace
    privateIpGoogleAccess bool kept
    privateIpv6GoogleAccess str kept
    project str kept replace api=-
    purpose str kept
    region str kept replace same=last-segment api=-
    reservedInternalRange str replace same=last-segment
    resolveSubnetMask str replace check=subnet-mask
    role str check=in:ACTIVE,BACKUP
    secondaryIpRanges objs kept tf=secondary_ip_range api=secondaryIpRanges
      ipCidrRange str kept
      ipCollection str same=last-segment
      ipVersion str kept check=in:IPV4,IPV6
      rangeName str required
      reservedInternalRange str same=last-segment
    selfLink str out
    sendSecondaryIpRangeIfEmpty bool api=-
    stackType str kept check=in:IPV4_ONLY,IPV4_IPV6,IPV6_ONLY
    state str out
    subnetworkId int out api=id
    """

    def body(self, plan: Properties) -> dict[str, Any]:
        body = super().body(plan)
        given = body.get("logConfig")
        body["logConfig"] = {"enable": True, **given} if given else {"enable": False}
        return body

    def read_more(self, outputs: Properties, answer: Any, known: Properties) -> None:
        super().read_more(outputs, answer, known)
        outputs["subnetworkId"] = _rounded(outputs["subnetworkId"])
        if not (answer.get("logConfig") or {}).get("enable"):
            outputs["logConfig"] = None

    def compare(self, prior: Properties, plan: Properties) -> list[Change]:
        shrinks = _shrinks(prior.get("ipCidrRange"), plan.get("ipCidrRange"))
        return [
            Change(change.path, change.kind, True) if shrinks and change.path == ("ipCidrRange",) else change
            for change in super().compare(prior, plan)
        ]

    def update(self, call: Call, identity: str, prior: Properties, plan: Properties) -> Properties:
        mask = set(self.mask(prior, plan))
        if "ipCidrRange" in mask:
            self.post(call, f"{identity}/expandIpCidrRange", {"ipCidrRange": plan["ipCidrRange"]})
        if "privateIpGoogleAccess" in mask:
            switch = {"privateIpGoogleAccess": True} if plan["privateIpGoogleAccess"] else {}
            self.post(call, f"{identity}/setPrivateIpGoogleAccess", switch)
        if rest := mask - {"ipCidrRange", "privateIpGoogleAccess"}:
            body = self.body(plan)
            patch = {member: body.get(member) for member in rest}
            patch["fingerprint"] = call.api.call(self.service, "GET", identity).get("fingerprint")
            self.finish(call, call.api.call(self.service, "PATCH", identity, body=patch), "update")
        return self.read_back(call, identity, plan)[1]


def _rounded(value: int) -> int:
    """An integer as far as a double holds it, which is how Pulumi records numbers."""
    digits, _, exponent = repr(float(value)).partition("e+")
    whole, _, fraction = digits.partition(".")
    return int(whole + fraction.ljust(int(exponent), "0")) if exponent else value


def _shrinks(old: Value, new: Value) -> bool:
    if isinstance(old, Unknown) or isinstance(new, Unknown) or not (old and new):
        return False
    try:
        before, after = ipaddress.ip_network(old, strict=False), ipaddress.ip_network(new, strict=False)
    except ValueError:
        return False
    return before.version != after.version or not (
        after.prefixlen <= before.prefixlen and before.network_address in after
    )
