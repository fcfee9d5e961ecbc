"""Secret Manager: secrets and their versions.

Owns: global secrets; regional ones (under locations) do not exist here. A secret's time to live runs on the clock.
Source: https://cloud.google.com/secret-manager/docs/reference/rest
"""

import base64
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import google_crc32c

from local.cloud import filters
from local.cloud.bytes_fields import from_base64
from local.cloud.call import Call
from local.cloud.clock import parse_rfc3339, rfc3339
from local.cloud.durations import seconds
from local.cloud.errors import failed_precondition, invalid_argument, not_found
from local.cloud.messages import MESSAGES
from local.cloud.paging import page_of
from local.cloud.resources import Resources
from local.cloud.routing import Route
from local.cloud.validation import Violations

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_ID = r"[a-zA-Z0-9_-]{1,255}"
_MOST_BYTES = 65_536
_PAYLOAD = "secretmanager.payload"
_SECRET = "projects/*/secrets/*"  # noqa: S105


def secret_routes(cloud: "Cloud") -> list[Route]:
    secrets = Secrets(cloud)
    return [*secrets.routes(), *SecretVersions(cloud, secrets).routes()]


class Secrets(Resources):
    message = "google.cloud.secretmanager.v1.Secret"
    kind = "secretmanager.secrets"
    parent = "projects/*"
    collection = "secrets"
    id_parameter = "secretId"
    output = ("name", "createTime", "etag", "expiration")
    immutable = ("replication", "customerManagedEncryption")
    policies_by = "GET"
    etag_form = '"{}"'
    shows_number = True
    page_size = 25000

    def list(self, call: Call) -> dict[str, Any]:
        selects = filters.compiled(call.query.get("filter", ""))
        held = self.store.list(self.kind, call.params["parent"])
        alive = [(name, body) for name, body in held if self._alive(body) and selects(body)]
        return page_of(call, self.collection, alive, default=self.page_size, most=self.page_size, render=self.show)

    def check(self, found: Violations, resource_id: str, body: dict[str, Any]) -> None:
        found.matches(_ID, resource_id, "secretId", "must hold 1 to 255 letters, digits, '_' and '-'")
        found.labels(body.get("labels"))
        replication = body.get("replication") or {}
        ways = [key for key in ("automatic", "userManaged") if key in replication]
        found.unless(len(ways) == 1, "replication", "automatic or userManaged is required, one of the two")
        if ways == ["userManaged"]:
            replicas = (replication["userManaged"] or {}).get("replicas")
            found.unless(replicas, "replication.userManaged.replicas", "at least one is required")
        found.unless(not (body.get("ttl") and body.get("expireTime")), "ttl", "ttl and expireTime exclude one another")
        if body.get("ttl"):
            length = seconds(body["ttl"])
            found.unless(length and length >= 60, "ttl", f"{body['ttl']!r} is not a duration of at least 60s")
        for index, topic in enumerate(body.get("topics") or []):
            rule = "is not projects/PROJECT/topics/TOPIC"
            found.matches(r"projects/[^/]+/topics/[^/]+", topic.get("name"), f"topics[{index}].name", rule)

    def fill(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        return {"name": name, **self._dated(body), "createTime": self.cloud.clock.timestamp()}

    def refill(self, old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        return self._dated(new)

    def find(self, name: str) -> dict[str, Any] | None:
        found = super().find(name)
        return found if found and self._alive(found) else None

    def named(self, name: str) -> dict[str, Any]:
        found = self.find(name)
        if found is None:
            raise not_found(f"Secret [{self.cloud.projects.with_number(name)}] not found or has no versions.")
        return found

    def removed(self, resource: dict[str, Any]) -> None:
        for kind in (SecretVersions.kind, _PAYLOAD):
            self.store.delete_under(kind, f"{resource['name']}/versions/")

    def _dated(self, body: dict[str, Any]) -> dict[str, Any]:
        """A time to live becomes the time at which it ends."""
        length = seconds(body.get("ttl"))
        if length is None:
            return body
        kept = {key: value for key, value in body.items() if key != "ttl"}
        return kept | {"expireTime": rfc3339(self.cloud.clock.now() + timedelta(seconds=length))}

    def _alive(self, secret: dict[str, Any]) -> bool:
        end = secret.get("expireTime")
        return not end or parse_rfc3339(end) > self.cloud.clock.now()


class SecretVersions(Resources):
    kind = "secretmanager.versions"
    parent = _SECRET
    collection = "versions"
    etag_form = '"{}"'
    shows_number = True

    def __init__(self, cloud: "Cloud", secrets: Secrets) -> None:
        super().__init__(cloud)
        self._secrets = secrets

    def routes(self) -> list[Route]:
        name = f"/v1/{{name={_SECRET}/versions/*}}"
        return [
            Route("POST", f"/v1/{{parent={_SECRET}}}:addVersion", self._add, f"{self.kind}.add"),
            Route("GET", f"/v1/{{parent={_SECRET}}}/versions", self.list, f"{self.kind}.list"),
            Route("GET", name, self.get, f"{self.kind}.get"),
            Route("GET", f"{name}:access", self._access, f"{self.kind}.access"),
            Route("POST", f"{name}:enable", self._switch("ENABLED"), f"{self.kind}.enable"),
            Route("POST", f"{name}:disable", self._switch("DISABLED"), f"{self.kind}.disable"),
            Route("POST", f"{name}:destroy", self._switch("DESTROYED"), f"{self.kind}.destroy"),
        ]

    def list(self, call: Call) -> dict[str, Any]:
        """The newest first."""
        secret = self._secrets.named(call.params["parent"])
        versions = [(10**9 - _number(name), body) for name, body in self.store.list(self.kind, secret["name"])]
        ordered = sorted((f"{order:010d}", body) for order, body in versions)
        return page_of(call, self.collection, ordered, default=25000, most=25000, render=self.show)

    def named(self, name: str) -> dict[str, Any]:
        """By number, or `latest`, which is the last that was made."""
        secret, _, wanted = name.rpartition("/versions/")
        self._secrets.named(secret)
        alias = (self._secrets.named(secret).get("versionAliases") or {}).get(wanted)
        if wanted == "latest":
            numbers = [_number(each) for each, _ in self.store.list(self.kind, secret)]
            wanted = str(max(numbers, default=0))
        found = self.find(f"{secret}/versions/{alias or wanted}")
        if found is None:
            raise not_found(f"Secret Version [{self.cloud.projects.with_number(name)}] not found.")
        return found

    def _add(self, call: Call) -> dict[str, Any]:
        with self.store.transaction():
            secret = self._secrets.named(call.params["parent"])
            request = "google.cloud.secretmanager.v1.AddSecretVersionRequest"
            payload = MESSAGES.canonical(request, call.object(), "request").get("payload", {})
            data = _payload(payload)
            number = max((_number(name) for name, _ in self.store.list(self.kind, secret["name"])), default=0) + 1
            name = f"{secret['name']}/versions/{number}"
            self.store.put(_PAYLOAD, name, {"data": base64.b64encode(data).decode()})
            version = {
                "name": name,
                "createTime": self.cloud.clock.timestamp(),
                "state": "ENABLED",
                "replicationStatus": _replication_status(secret),
                "clientSpecifiedPayloadChecksum": "dataCrc32c" in payload,
            }
            return self.show(self.keep({key: value for key, value in version.items() if value is not False}))

    def _access(self, call: Call) -> dict[str, Any]:
        version = self.named(call.params["name"])
        shown = self.show(version)["name"]
        if version["state"] != "ENABLED":
            raise failed_precondition(f"Secret Version [{shown}] is in {version['state']} state.")
        data = (self.store.get(_PAYLOAD, version["name"]) or {})["data"]
        checksum = google_crc32c.value(base64.b64decode(data))
        return {"name": shown, "payload": {"data": data, "dataCrc32c": str(checksum)}}

    def _switch(self, state: str) -> Any:
        def switch(call: Call) -> dict[str, Any]:
            with self.store.transaction():
                version = self.named(call.params["name"])
                self.refuse_stale(version, call.object().get("etag"))
                if version["state"] == state:
                    return self.show(version)
                if version["state"] == "DESTROYED":
                    raise failed_precondition(f"Secret Version [{self.show(version)['name']}] is in DESTROYED state.")
                if state == "DESTROYED":
                    self.store.delete(_PAYLOAD, version["name"])
                    version |= {"destroyTime": self.cloud.clock.timestamp()}
                return self.show(self.keep(version | {"state": state}))

        return switch


def _payload(payload: dict[str, Any]) -> bytes:
    try:
        data = from_base64(payload.get("data") or "")
    except (ValueError, AttributeError):
        raise invalid_argument([("payload.data", "is not base64")]) from None
    if not 0 < len(data) <= _MOST_BYTES:
        raise invalid_argument([("payload.data", f"{len(data)} bytes: from 1 to {_MOST_BYTES} are allowed")])
    told = payload.get("dataCrc32c")
    if told is not None and int(told) != google_crc32c.value(data):
        raise invalid_argument([("payload.dataCrc32c", f"{told} is not the checksum of what arrived")])
    return data


def _replication_status(secret: dict[str, Any]) -> dict[str, Any]:
    replicas = (secret["replication"].get("userManaged") or {}).get("replicas")
    if not replicas:
        return {"automatic": {}}
    return {"userManaged": {"replicas": [{"location": each.get("location")} for each in replicas]}}


def _number(name: str) -> int:
    return int(name.rsplit("/", 1)[-1])
