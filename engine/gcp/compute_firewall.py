"""Firewall rules, and reserved global addresses."""

# ruff: noqa: RUF012 (tables of class attributes, and methods of one signature)
from __future__ import annotations

from typing import Any

from engine.gcp.compute import ComputeType
from engine.gcp.resource import Call
from engine.values import Properties

# What an update clears where the program no longer gives it.
_CLEARED: dict[str, Any] = {
    "allowed": [],
    "denied": [],
    "description": "",
    "destinationRanges": [],
    "disabled": False,
    "sourceRanges": [],
    "sourceServiceAccounts": [],
    "sourceTags": [],
    "targetServiceAccounts": [],
    "targetTags": [],
}


class Firewall(ComputeType):
    type_name = "gcp:compute/firewall:Firewall"
    noun = "Firewall"
    identity = "projects/{project}/global/firewalls/{name}"
    collection = "projects/{project}/global/firewalls"
    create_only = {"name", "direction"}
    schema_version = 1
    table = """
    allows objset one_of=action tf=allow api=allowed
      ports strs
      protocol str required same=fold api=IPProtocol
    creationTimestamp str out
    deletionPolicy str kept api=-
    denies objset one_of=action tf=deny api=denied
      ports strs
      protocol str required same=fold api=IPProtocol
    description str
    destinationRanges strset kept
    direction str kept replace check=in:INGRESS,EGRESS
    disabled bool
    enableLogging bool kept api=-
    logConfig obj
      metadata str required check=in:EXCLUDE_ALL_METADATA,INCLUDE_ALL_METADATA
    name str required replace auto check=gce-name
    network str required same=last-segment
    params obj replace unread
      resourceManagerTags map
    priority int default=1000
    project str kept replace api=-
    selfLink str out
    sourceRanges strset same=everywhere
    sourceServiceAccounts strset max=10 not_with=sourceTags,targetTags
    sourceTags strset not_with=sourceServiceAccounts,targetServiceAccounts
    targetServiceAccounts strset max=10 not_with=sourceTags,targetTags
    targetTags strset not_with=sourceServiceAccounts,targetServiceAccounts
    """

    def body(self, plan: Properties) -> dict[str, Any]:
        body = super().body(plan)
        log = body.get("logConfig")
        body["logConfig"] = {"enable": True, **log} if log else {"enable": plan.get("enableLogging") is True}
        return body

    def update_body(self, plan: Properties) -> dict[str, Any]:
        return _CLEARED | super().update_body(plan)

    def read_more(self, outputs: Properties, answer: Any, known: Properties) -> None:
        super().read_more(outputs, answer, known)
        if not (answer.get("logConfig") or {}).get("metadata"):
            outputs["logConfig"] = None


class GlobalAddress(ComputeType):
    """A reserved address or range; only its labels can change, by a call of their own."""

    type_name = "gcp:compute/globalAddress:GlobalAddress"
    noun = "GlobalAddress"
    identity = "projects/{project}/global/addresses/{name}"
    collection = "projects/{project}/global/addresses"
    table = """
    address str kept replace
    addressType str replace default="EXTERNAL" same=default-external check=in:EXTERNAL,INTERNAL
    creationTimestamp str out
    deletionPolicy str kept api=-
    description str replace
    effectiveLabels map out api=labels sent
    ipVersion str replace same=default-ipv4 check=in:IPV4,IPV6
    labelFingerprint str out
    labels map api=-
    name str required replace auto
    network str replace same=last-segment
    prefixLength int kept replace
    project str kept replace api=-
    pulumiLabels map out api=- tf=terraform_labels
    purpose str replace
    selfLink str out
    """

    def settle(self, call: Call, identity: str, plan: Properties) -> None:
        if plan.get("effectiveLabels"):
            self._set_labels(call, identity, plan)

    def _set_labels(self, call: Call, identity: str, plan: Properties) -> None:
        fingerprint = call.api.call(self.service, "GET", identity).get("labelFingerprint")
        body = {"labels": plan["effectiveLabels"], "labelFingerprint": fingerprint}
        self.post(call, f"{identity}/setLabels", body)

    def update(self, call: Call, identity: str, prior: Properties, plan: Properties) -> Properties:
        if self.mask(prior, plan):
            self._set_labels(call, identity, plan)
        return self.read_back(call, identity, plan)[1]
