"""Record sets, and the changes that add and remove several at once, all or none.

A change is done when it is made: no name server has to learn of it.
Sources: https://cloud.google.com/dns/docs/reference/rest/v1/changes and …/resourceRecordSets
"""

import re
from typing import TYPE_CHECKING, Any

from local.cloud.call import Call
from local.cloud.errors import ApiError
from local.cloud.paging import page_of
from local.cloud.routing import Route
from local.cloud.store import Store
from local.cloud.validation import Violations

if TYPE_CHECKING:
    from local.cloud.app import Cloud

RECORDS = "dns.resourceRecordSets"
CHANGES = "dns.changes"
ZONES = "dns.managedZones"
_TYPES = (
    *("A", "AAAA", "ALIAS", "CAA", "CNAME", "DNSKEY", "DS", "HTTPS", "IPSECKEY", "MX", "NAPTR", "NS", "PTR", "SOA"),
    *("SPF", "SRV", "SSHFP", "SVCB", "TLSA", "TXT"),
)
_MOST_SECONDS = 2**31 - 1


def record_routes(cloud: "Cloud") -> list[Route]:
    api = _Records(cloud)
    zone = "/v1/{parent=projects/*/managedZones/*}"
    one = "/v1/{name=projects/*/managedZones/*/rrsets/*/*}"
    return [
        Route("POST", f"{zone}/changes", api.change, f"{CHANGES}.create"),
        Route("GET", f"{zone}/changes", api.changes, f"{CHANGES}.list"),
        Route("GET", "/v1/{name=projects/*/managedZones/*/changes/*}", api.get_change, f"{CHANGES}.get"),
        Route("GET", f"{zone}/rrsets", api.list, f"{RECORDS}.list"),
        Route("POST", f"{zone}/rrsets", api.create, f"{RECORDS}.create"),
        Route("GET", one, lambda call: api.get(call.params["name"]), f"{RECORDS}.get"),
        Route("PATCH", one, api.patch, f"{RECORDS}.update"),
        Route("DELETE", one, api.delete, f"{RECORDS}.delete"),
    ]


def first_records(zone: dict[str, Any]) -> list[dict[str, Any]]:
    """What a zone is made with: its name servers and its start of authority."""
    name, servers = zone["dnsName"], zone["nameServers"]
    authority = f"{servers[0]} cloud-dns-hostmaster.google.com. 1 21600 3600 259200 300"
    return [_record(name, "NS", 21_600, servers), _record(name, "SOA", 21_600, [authority])]


def zone_of(store: Store, name: str) -> dict[str, Any]:
    """Raises NOT_FOUND where there is no such zone."""
    zone = store.get(ZONES, name)
    if zone is None:
        message = f"The 'parameters.managedZone' resource named '{name.rpartition('/')[2]}' does not exist."
        raise ApiError(404, message, reason="notFound")
    return zone


def _record(name: str, kind: str, ttl: int, rrdatas: list[str]) -> dict[str, Any]:
    return {"kind": "dns#resourceRecordSet", "name": name, "type": kind, "ttl": ttl, "rrdatas": rrdatas}


class _Records:
    """By zone, name and type; a zone's changes are numbered."""

    def __init__(self, cloud: "Cloud") -> None:
        self._cloud = cloud
        self._store = cloud.store

    def get(self, name: str) -> dict[str, Any]:
        record = self._store.get(RECORDS, name)
        if record is None:
            zone, _, what = name.partition("/rrsets/")
            zone_of(self._store, zone)
            message = f"The 'parameters.name' resource named '{what.replace('/', ' (')})' does not exist."
            raise ApiError(404, message, reason="notFound")
        return record

    def list(self, call: Call) -> dict[str, Any]:
        zone, wanted = call.params["parent"], (call.query.get("name"), call.query.get("type"))
        zone_of(self._store, zone)
        shown = [
            (name, record)
            for name, record in self._store.list(RECORDS, zone)
            if wanted[0] in (None, "", record["name"]) and wanted[1] in (None, "", record["type"])
        ]
        return {"kind": "dns#resourceRecordSetsListResponse", "rrsets": [], **page_of(call, "rrsets", shown)}

    def create(self, call: Call) -> dict[str, Any]:
        return self._apply(call.params["parent"], additions=[call.object()])["additions"][0]

    def patch(self, call: Call) -> dict[str, Any]:
        with self._store.transaction():
            old = self.get(call.params["name"])
            zone = call.params["name"].partition("/rrsets/")[0]
            change = self._apply(zone, additions=[{**old, **call.object()}], deletions=[old])
        return change["additions"][0]

    def delete(self, call: Call) -> dict[str, Any]:
        zone = call.params["name"].partition("/rrsets/")[0]
        self._apply(zone, deletions=[self.get(call.params["name"])])
        return {}

    def change(self, call: Call) -> dict[str, Any]:
        body = call.object()
        additions, deletions = body.get("additions") or [], body.get("deletions") or []
        if not (additions or deletions):
            raise ApiError(400, "Missing required field: entity.change.additions or deletions", reason="required")
        for key, verb in ((additions, "create"), (deletions, "delete")):
            if key:
                call.require(f"{RECORDS}.{verb}", call.params["parent"])
        return self._apply(call.params["parent"], additions=additions, deletions=deletions)

    def changes(self, call: Call) -> dict[str, Any]:
        zone = call.params["parent"]
        zone_of(self._store, zone)
        held = self._store.list(CHANGES, zone)
        return {"kind": "dns#changesListResponse", "changes": [], **page_of(call, "changes", held)}

    def get_change(self, call: Call) -> dict[str, Any]:
        change = self._store.get(CHANGES, call.params["name"])
        if change is None:
            identity = call.params["name"].rpartition("/")[2]
            message = f"The 'parameters.changeId' resource named '{identity}' does not exist."
            raise ApiError(404, message, reason="notFound")
        return change

    def _apply(
        self,
        zone_name: str,
        *,
        additions: "list[dict[str, Any]] | tuple[()]" = (),
        deletions: "list[dict[str, Any]] | tuple[()]" = (),
    ) -> dict[str, Any]:
        """Deletions first, so that one change replaces a record set."""
        with self._store.transaction():
            zone = zone_of(self._store, zone_name)
            _check(zone, additions)
            added = [_record(each["name"], each["type"], int(each["ttl"]), each["rrdatas"]) for each in additions]
            for index, each in enumerate(deletions):
                self._remove(zone_name, each, f"entity.change.deletions[{index}]")
            for index, each in enumerate(added):
                self._add(zone_name, each, f"entity.change.additions[{index}]")
            number = sum(1 for _ in self._store.list(CHANGES, zone_name))
            change = {
                "kind": "dns#change",
                "id": str(number),
                "status": "done",
                "startTime": self._cloud.clock.timestamp(),
                **({"additions": added} if added else {}),
                **({"deletions": [*deletions]} if deletions else {}),
            }
            return self._store.put(CHANGES, f"{zone_name}/changes/{number}", change, parent=zone_name)

    def _remove(self, zone: str, record: dict[str, Any], at: str) -> None:
        name, kind = record.get("name"), record.get("type")
        held = self._store.get(RECORDS, f"{zone}/rrsets/{name}/{kind}")
        if held is None:
            raise ApiError(404, f"The '{at}' resource named '{name} ({kind})' does not exist.", reason="notFound")
        if any(record.get(key) != held[key] for key in ("ttl", "rrdatas") if record.get(key) is not None):
            raise ApiError(412, f"Precondition not met for '{at}'", reason="conditionNotMet")
        self._store.delete(RECORDS, f"{zone}/rrsets/{name}/{kind}")

    def _add(self, zone: str, record: dict[str, Any], at: str) -> None:
        name, kind = record["name"], record["type"]
        if self._store.get(RECORDS, f"{zone}/rrsets/{name}/{kind}"):
            message = f"The resource '{at}' named '{name} ({kind})' already exists"
            raise ApiError(409, message, reason="alreadyExists")
        others = [held["type"] for _, held in self._store.list(RECORDS, zone) if held["name"] == name]
        if others and "CNAME" in (kind, *others):
            message = (
                f"The resource record set '{at}' is invalid because a DNS name may have either one CNAME resource "
                "record set or resource record sets of other types, but not both."
            )
            raise ApiError(400, message, reason="cnameResourceRecordSetConflict")
        self._store.put(RECORDS, f"{zone}/rrsets/{name}/{kind}", record, parent=zone)


def _check(zone: dict[str, Any], additions: Any) -> None:
    found = Violations()
    for index, record in enumerate(additions):
        at, name = f"entity.change.additions[{index}]", record.get("name")
        suffix = re.escape(zone["dnsName"])
        found.matches(rf"(.+\.)?{suffix}", name, f"{at}.name", f"is not in the zone of {zone['dnsName']}")
        found.one_of(_TYPES, record.get("type"), f"{at}.type")
        found.within(0, _MOST_SECONDS, record.get("ttl"), f"{at}.ttl")
        data = record.get("rrdatas")
        good = isinstance(data, list) and data and all(isinstance(each, str) for each in data)
        found.unless(good, f"{at}.rrdatas", f"{data!r} is not a list of texts")
        found.unless(
            record.get("type") != "CNAME" or not good or len(data) == 1, f"{at}.rrdatas", "a CNAME has one value"
        )
    found.refuse()
