"""Cloud DNS: zones, and the record sets in them."""

# ruff: noqa: ARG002, RUF012 (tables of class attributes, and methods of one signature)
from __future__ import annotations

import time
from typing import Any

from engine.errors import AlreadyExistsError, OperationError
from engine.gcp.api import RefusedError
from engine.gcp.compute import link
from engine.gcp.resource import Call, ResourceType, RestType, fill
from engine.values import Properties

_COMPUTE = "https://www.googleapis.com/compute/v1"
_POLL_SECONDS = 0.1


class ManagedZone(RestType):
    """A zone; networks are recorded by their paths, whatever URL the service answers."""

    type_name = "gcp:dns/managedZone:ManagedZone"
    noun = "ManagedZone"
    service = "DNS"
    services = {"DNS"}
    identity = "projects/{project}/managedZones/{name}"
    collection = "projects/{project}/managedZones"
    update_method = "PUT"
    masked = False
    waits = frozenset()
    table = """
    cloudLoggingConfig raw
    creationTime str out
    deletionPolicy str kept api=-
    description str default="Managed~by~Pulumi"
    dnsName str required replace
    dnssecConfig raw
    effectiveLabels map out api=labels sent
    forceDestroy bool default=false api=-
    forwardingConfig raw
    labels map api=-
    managedZoneId str out api=id
    name str required replace auto
    nameServers strs out
    peeringConfig raw
    privateVisibilityConfig obj
      gkeClusters objs
        gkeClusterName str required
      networks objset
        networkUrl str required
    project str kept replace api=-
    pulumiLabels map out api=- tf=terraform_labels
    reverseLookup bool replace api=-
    serviceDirectoryConfig raw
    visibility str default="public" replace same=fold check=in:private,public
    """

    def body(self, plan: Properties) -> dict[str, Any]:
        body = super().body(plan)
        for network in body.get("privateVisibilityConfig", {}).get("networks", []):
            network["networkUrl"] = f"{_COMPUTE}/{link(plan['project'], 'networks', network['networkUrl'])}"
        return body

    def read_more(self, outputs: Properties, answer: Any, known: Properties) -> None:
        outputs["reverseLookup"] = "reverseLookupConfig" in answer
        private = outputs["privateVisibilityConfig"]
        for network in private["networks"] if private else ():
            network["networkUrl"] = link(outputs["project"], "networks", network["networkUrl"])

    def update_body(self, plan: Properties) -> dict[str, Any]:
        """A PUT replaces everything: what only the service sets goes back as it was read."""
        own = {"creationTime": plan["creationTime"], "nameServers": plan["nameServers"], "id": plan["managedZoneId"]}
        return super().update_body(plan) | own

    def delete(self, call: Call, identity: str, prior: Properties) -> None:
        if prior.get("forceDestroy"):
            self._empty(call, identity, str(prior["dnsName"]))
        super().delete(call, identity, prior)

    def _empty(self, call: Call, identity: str, dns_name: str) -> None:
        """But for the zone's own first records, which go with it."""
        answer = call.api.find(self.service, f"{identity}/rrsets") or {}
        gone = [
            {key: record[key] for key in ("name", "type", "ttl", "rrdatas")}
            for record in answer.get("rrsets") or []
            if not (record["name"] == dns_name and record["type"] in ("NS", "SOA"))
        ]
        if gone:
            change(call, identity, deletions=gone)


class RecordSet(ResourceType):
    """A record set, made, replaced and removed by changes of its zone."""

    type_name = "gcp:dns/recordSet:RecordSet"
    services = {"DNS"}
    identity = "projects/{project}/managedZones/{managedZone}/rrsets/{name}/{type}"
    table = """
    deletionPolicy str kept api=-
    managedZone str required replace same=last-segment
    name str required replace
    project str kept replace
    routingPolicy raw
    rrdatas strs same=shuffled
    ttl int
    type str required replace
    """

    def create(self, call: Call, plan: Properties) -> tuple[str, Properties]:
        identity = fill(self.identity, plan)
        try:
            change(call, _zone(plan), additions=[_record(plan)])
        except RefusedError as error:
            if error.status == 409:
                raise AlreadyExistsError(str(error), identity) from error
            raise
        return identity, self.read(call, identity, plan) or plan

    def read(self, call: Call, identity: str, known: Properties) -> Properties | None:
        query = {"name": str(known["name"]), "type": str(known["type"])}
        answer = call.api.find("DNS", f"{_zone(known)}/rrsets", query=query)
        found = (answer or {}).get("rrsets") or []
        if not found:
            return None
        kept = {field.name: known.get(field.name) for field in self.fields}
        return kept | {"rrdatas": found[0]["rrdatas"], "ttl": found[0]["ttl"], "id": identity}

    def update(self, call: Call, identity: str, prior: Properties, plan: Properties) -> Properties:
        change(call, _zone(plan), deletions=[_record(prior)], additions=[_record(plan)])
        return self.read(call, identity, plan) or plan

    def delete(self, call: Call, identity: str, prior: Properties) -> None:
        try:
            change(call, _zone(prior), deletions=[_record(prior)])
        except RefusedError as error:
            if error.status != 404:
                raise


def change(call: Call, zone: str, **sets: Any) -> None:
    """Add and remove record sets, and wait until every name server has them."""
    deadline = time.monotonic() + call.seconds
    made = call.api.call("DNS", "POST", f"{zone}/changes", body=sets)
    while made.get("status") != "done":
        if time.monotonic() + _POLL_SECONDS > deadline:
            raise OperationError(f"Error waiting to change {zone}: timeout after {call.seconds:g} s")
        time.sleep(_POLL_SECONDS)
        made = call.api.call("DNS", "GET", f"{zone}/changes/{made['id']}")


def _zone(values: Properties) -> str:
    return f"projects/{values['project']}/managedZones/{str(values['managedZone']).rsplit('/', 1)[-1]}"


def _record(values: Properties) -> dict[str, Any]:
    return {key: values[key] for key in ("name", "type", "ttl", "rrdatas") if values.get(key) is not None}
