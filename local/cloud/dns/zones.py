"""Managed zones.

Source: https://cloud.google.com/dns/docs/reference/rest/v1/managedZones
"""

import re
import secrets
from typing import TYPE_CHECKING, Any

from local.cloud.call import Call, Response, no_content
from local.cloud.dns.records import CHANGES, RECORDS, ZONES, first_records, zone_of
from local.cloud.errors import ApiError
from local.cloud.masks import merge_patch
from local.cloud.paging import page_of
from local.cloud.policy_routes import policy_routes
from local.cloud.routing import Route
from local.cloud.validation import Violations

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_NAME = r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?"
_DNS_NAME = r"([A-Za-z0-9_*]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\.)+"
_VISIBILITIES = ("public", "private")
_OWN = ("id", "creationTime", "nameServers", "kind")
_FIXED = ("name", "dnsName", "visibility")
_BIND = "dns.networks.bindPrivateDNSZone"
_NETWORK = re.compile(r".*(projects/[^/]+/global/networks/[^/]+)")


def zone_routes(cloud: "Cloud") -> list[Route]:
    api = _Zones(cloud)
    parent, name = "/v1/{parent=projects/*}/managedZones", "/v1/{name=projects/*/managedZones/*}"
    return [
        Route("POST", parent, api.create, f"{ZONES}.create"),
        Route("GET", parent, api.list, f"{ZONES}.list"),
        Route("GET", name, lambda call: zone_of(cloud.store, call.params["name"]), f"{ZONES}.get"),
        Route("PATCH", name, api.patch, f"{ZONES}.update"),
        Route("PUT", name, api.put, f"{ZONES}.update"),
        Route("DELETE", name, api.delete, f"{ZONES}.delete"),
        *policy_routes(
            "/v1/{resource=projects/*/managedZones/*}",
            api.named,
            permission=ZONES,
            get_method="POST",
        ),
    ]


class _Zones:
    def __init__(self, cloud: "Cloud") -> None:
        self._cloud = cloud
        self._store = cloud.store

    def named(self, call: Call) -> str:
        """The name of the zone that a call for its policy means."""
        zone_of(self._store, call.params["resource"])
        return call.params["resource"]

    def list(self, call: Call) -> dict[str, Any]:
        wanted = call.query.get("dnsName")
        held = self._store.list(ZONES, call.params["parent"])
        shown = [(name, zone) for name, zone in held if wanted in (None, "", zone["dnsName"])]
        return {"kind": "dns#managedZonesListResponse", "managedZones": [], **page_of(call, "managedZones", shown)}

    def create(self, call: Call) -> dict[str, Any]:
        parent = call.params["parent"]
        self._cloud.projects.get(parent.split("/")[1])
        body = {key: value for key, value in call.object().items() if key not in _OWN and value is not None}
        body = {"visibility": _VISIBILITIES[0], **body}
        self._check(call, body)
        name = f"{parent}/managedZones/{body['name']}"
        servers = [
            f"ns-gcp-private{'' if body['visibility'] == 'private' else f'-{each}'}.googledomains.com."
            for each in "abcd"
        ]
        zone = {
            **body,
            "kind": "dns#managedZone",
            "id": str(secrets.randbits(62)),
            "nameServers": sorted(set(servers)),
            "creationTime": self._cloud.clock.timestamp(),
        }
        with self._store.transaction():
            if self._store.get(ZONES, name):
                message = f"The resource 'entity.managedZone' named '{body['name']}' already exists"
                raise ApiError(409, message, reason="alreadyExists")
            for each in first_records(zone):
                self._store.put(RECORDS, f"{name}/rrsets/{each['name']}/{each['type']}", each, parent=name)
            return self._store.put(ZONES, name, zone, parent=parent)

    def patch(self, call: Call) -> dict[str, Any]:
        return self._changed(call, merge_patch)

    def put(self, call: Call) -> dict[str, Any]:
        return self._changed(call, lambda old, body: {key: old[key] for key in (*_OWN, *_FIXED) if key in old} | body)

    def _changed(self, call: Call, changed: Any) -> dict[str, Any]:
        """An operation that is done: the new zone in it."""
        name = call.params["name"]
        given = {key: value for key, value in call.object().items() if key not in _OWN}
        with self._store.transaction():
            old = zone_of(self._store, name)
            for key in _FIXED:
                if given.get(key) not in (None, "", old.get(key)):
                    message = f"Invalid value for 'entity.managedZone.{key}': {given[key]!r}: it cannot be changed"
                    raise ApiError(400, message, reason="invalid")
            new = changed(old, {key: value for key, value in given.items() if key not in _FIXED})
            self._check(call, new)
            self._store.put(ZONES, name, new, parent=name.rpartition("/managedZones/")[0])
        return {
            "kind": "dns#operation",
            "id": secrets.token_hex(8),
            "type": "update",
            "status": "done",
            "startTime": self._cloud.clock.timestamp(),
            "user": call.principal,
            "zoneContext": {"oldValue": old, "newValue": new},
        }

    def delete(self, call: Call) -> Response:
        name = call.params["name"]
        with self._store.transaction():
            zone = zone_of(self._store, name)
            held = [record for _, record in self._store.list(RECORDS, name)]
            if [record for record in held if record not in first_records(zone)]:
                message = f"The resource named '{zone['name']}' cannot be deleted because it is not empty"
                raise ApiError(400, message, "FAILED_PRECONDITION", reason="containerNotEmpty")
            for kind in (RECORDS, CHANGES):
                self._store.delete_under(kind, f"{name}/")
            self._store.delete(ZONES, name)
            self._cloud.policies.delete(name)
        return no_content()

    def _check(self, call: Call, zone: dict[str, Any]) -> None:
        found = Violations()
        found.matches(_NAME, zone.get("name"), "name", "is no name of a zone: lowercase letters, digits, hyphens")
        found.matches(_DNS_NAME, zone.get("dnsName"), "dnsName", "is no DNS name that ends in a dot")
        found.one_of(_VISIBILITIES, zone["visibility"], "visibility")
        networks = (zone.get("privateVisibilityConfig") or {}).get("networks") or []
        found.unless(
            zone["visibility"] == "private" or not networks,
            "privateVisibilityConfig",
            "a public zone is not bound to networks",
        )
        for index, network in enumerate(networks):
            self._check_network(call, found, network.get("networkUrl"), f"privateVisibilityConfig.networks[{index}]")
        found.refuse()

    def _check_network(self, call: Call, found: Violations, url: Any, at: str) -> None:
        match = _NETWORK.fullmatch(url) if isinstance(url, str) else None
        if match is None:
            found.add(f"{at}.networkUrl", f"{url!r} is no URL of a network")
            return
        network = self._cloud.projects.with_id(match[1])
        call.require(_BIND, "/".join(network.split("/")[:2]))
        known = self._store.get("compute.networks", network)
        found.unless(known, f"{at}.networkUrl", f"there is no network {network}")
