"""Private services access: the peering of a network with those of Google's services."""

# ruff: noqa: ARG002, RUF012 (tables of class attributes, and methods of one signature)
from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote, unquote

from engine.errors import EngineError
from engine.gcp.api import RefusedError
from engine.gcp.resource import Call, ResourceType, Settings
from engine.values import Properties


class Connection(ResourceType):
    """A connection. The service knows networks by their project's number, which each operation asks for."""

    type_name = "gcp:servicenetworking/connection:Connection"
    services = {"SERVICE_NETWORKING", "RESOURCE_MANAGER"}
    default_seconds = {"create": 600, "update": 600, "delete": 600}
    table = """
    deletionPolicy str kept
    network str required replace same=last-segment
    peering str out
    reservedPeeringRanges strs required same=shuffled
    service str required replace
    updateOnCreationFail bool
    """

    def _wait(self, call: Call, operation: Any, verb: str) -> None:
        call.api.wait("SERVICE_NETWORKING", operation, f"{verb} Service Networking Connection", call.seconds)

    def create(self, call: Call, plan: Properties) -> tuple[str, Properties]:
        path = _path(plan["network"])
        network = _numbered(call, path)
        body = {"network": network, "reservedPeeringRanges": plan["reservedPeeringRanges"]}
        try:
            answer = call.api.call("SERVICE_NETWORKING", "POST", f"services/{plan['service']}/connections", body=body)
            self._wait(call, answer, "create")
        except RefusedError:
            if not plan.get("updateOnCreationFail"):
                raise
            self._patch(call, network, plan)
        identity = f"{quote(path, safe='')}:{plan['service']}"
        return identity, self.read(call, identity, plan) or plan

    def _patch(self, call: Call, network: str, plan: Properties) -> None:
        body = {"network": network, "reservedPeeringRanges": plan["reservedPeeringRanges"]}
        path, query = f"services/{plan['service']}/connections/-", {"updateMask": "reservedPeeringRanges"}
        answer = call.api.call("SERVICE_NETWORKING", "PATCH", path, body=body, query={**query, "force": "true"})
        self._wait(call, answer, "update")

    def read(self, call: Call, identity: str, known: Properties) -> Properties | None:
        network, service = _parts(identity)
        query = {"network": _numbered(call, network)}
        answer = call.api.find("SERVICE_NETWORKING", f"services/{service}/connections", query=query)
        found = (answer or {}).get("connections") or []
        if not found:
            return None
        kept = {field.name: known.get(field.name) for field in self.fields}
        return kept | {
            "network": network,
            "peering": found[0].get("peering", ""),
            "reservedPeeringRanges": found[0].get("reservedPeeringRanges") or [],
            "service": service,
            "id": identity,
        }

    def update(self, call: Call, identity: str, prior: Properties, plan: Properties) -> Properties:
        if any(change.key == "reservedPeeringRanges" for change in self.compare(prior, plan)):
            self._patch(call, _numbered(call, _path(plan["network"])), plan)
        return self.read(call, identity, plan) or plan

    def delete(self, call: Call, identity: str, prior: Properties) -> None:
        network, service = _parts(identity)
        path = f"services/{service}/connections/{service.replace('.', '-')}"
        body = {"consumerNetwork": _numbered(call, network)}
        try:
            self._wait(call, call.api.call("SERVICE_NETWORKING", "POST", path, body=body), "delete")
        except RefusedError as error:
            if error.status != 404:
                raise

    def locate(self, identity: str, settings: Settings) -> Properties:
        network, service = _parts(identity)
        return {field.name: None for field in self.fields} | {"network": network, "service": service}


def _parts(identity: str) -> tuple[str, str]:
    network, _, service = identity.rpartition(":")
    return unquote(network), service


def _path(network: str) -> str:
    match = re.search(r"projects/[^/]+/global/networks/[^/]+$", network)
    if match is None:
        raise EngineError(f"network {network!r} names no project: give it as projects/PROJECT/global/networks/NAME")
    return match[0]


def _numbered(call: Call, path: str) -> str:
    """The network's path with its project's number."""
    _, project, rest = path.split("/", 2)
    number = call.api.call("RESOURCE_MANAGER", "GET", f"projects/{project}")["projectNumber"]
    return f"projects/{number}/{rest}"
