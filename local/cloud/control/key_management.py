"""Cloud KMS: key rings, keys and their versions, which really encrypt.

Owns: symmetric keys (AES-256-GCM); keys of other purposes exist, but nothing can be done with them. Rings and keys
stay for good, as there. A destroyed version's material is gone when its time has come.
Source: https://cloud.google.com/kms/docs/reference/rest
"""

import base64
import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import google_crc32c
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from local.cloud.bytes_fields import from_base64
from local.cloud.call import Call
from local.cloud.clock import parse_rfc3339, rfc3339
from local.cloud.control.key_rules import check_key, check_version
from local.cloud.durations import seconds
from local.cloud.errors import failed_precondition, invalid_argument
from local.cloud.messages import MESSAGES
from local.cloud.paging import page_of
from local.cloud.resources import Resources
from local.cloud.routing import Route
from local.cloud.validation import Violations

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_ID = r"[a-zA-Z0-9_-]{1,63}"
_ID_RULE = "must hold 1 to 63 letters, digits, '_' and '-'"
_DESTROY_AFTER = "2592000s"
_SYMMETRIC = {"protectionLevel": "SOFTWARE", "algorithm": "GOOGLE_SYMMETRIC_ENCRYPTION"}
_MATERIAL = "cloudkms.material"
_RING = "projects/*/locations/*/keyRings/*"
_NONCE_BYTES = 12


def key_routes(cloud: "Cloud") -> list[Route]:
    versions = KeyVersions(cloud)
    keys = Keys(cloud, versions)
    versions.keys = keys
    return [*KeyRings(cloud).routes(), *keys.routes(), *versions.routes()]


class KeyRings(Resources):
    kind = "cloudkms.keyRings"
    message = "google.cloud.kms.v1.KeyRing"
    collection = "keyRings"
    id_parameter = "keyRingId"
    output = ("name", "createTime")
    policies_by = "GET"

    def routes(self) -> list[Route]:
        return [route for route in super().routes() if route.method not in ("PATCH", "DELETE")]

    def check(self, found: Violations, resource_id: str, body: dict[str, Any]) -> None:  # noqa: ARG002
        found.matches(_ID, resource_id, "keyRingId", _ID_RULE)

    def fill(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        return {"name": name, **body, "createTime": self.cloud.clock.timestamp()}


class Keys(Resources):
    kind = "cloudkms.cryptoKeys"
    message = "google.cloud.kms.v1.CryptoKey"
    parent = _RING
    collection = "cryptoKeys"
    id_parameter = "cryptoKeyId"
    output = ("name", "createTime", "primary")
    immutable = ("purpose", "importOnly", "destroyScheduledDuration")
    policies_by = "GET"

    def __init__(self, cloud: "Cloud", versions: "KeyVersions") -> None:
        super().__init__(cloud)
        self._versions = versions

    def routes(self) -> list[Route]:
        name = f"/v1/{{name={_RING}/cryptoKeys/*}}"
        may = "cloudkms.cryptoKeyVersions"
        return [
            *(route for route in super().routes() if route.method != "DELETE"),
            Route("POST", f"{name}:encrypt", self._encrypt, f"{may}.useToEncrypt"),
            Route("POST", f"{name}:decrypt", self._decrypt, f"{may}.useToDecrypt"),
            Route("POST", f"{name}:updatePrimaryVersion", self._update_primary, f"{self.kind}.update"),
        ]

    def create(self, call: Call) -> dict[str, Any]:
        with self.store.transaction():
            KeyRings(self.cloud).named(call.params["parent"])
            made = super().create(call)
            wanted = call.query.get("skipInitialVersionCreation", "false") != "true"
            if wanted and made["purpose"] == "ENCRYPT_DECRYPT":
                self.make_primary(self.named(made["name"]), self._versions.make_version(self.named(made["name"])))
            return self.show(self.named(made["name"]))

    def check(self, found: Violations, resource_id: str, body: dict[str, Any]) -> None:
        found.matches(_ID, resource_id, "cryptoKeyId", _ID_RULE)
        check_key(found, body)

    def fill(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        template = {**_SYMMETRIC, **(body.get("versionTemplate") or {})}
        made = {"name": name, **body, "versionTemplate": template, "createTime": self.cloud.clock.timestamp()}
        return {"destroyScheduledDuration": _DESTROY_AFTER} | made

    def refill(self, old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        return new

    def show(self, resource: dict[str, Any]) -> dict[str, Any]:
        """With its primary version, rotated where it is due."""
        resource = self.rotated(resource)
        primary = self._versions.find(resource.get("primary", ""))
        shown = {key: value for key, value in resource.items() if key != "primary"}
        return shown | ({"primary": self._versions.show(primary)} if primary else {})

    def rotated(self, key: dict[str, Any]) -> dict[str, Any]:
        """The key after the rotations that are due, whose versions are made now."""
        due, period = key.get("nextRotationTime"), seconds(key.get("rotationPeriod"))
        now = self.cloud.clock.now()
        if not due or not period or parse_rfc3339(due) > now:
            return key
        with self.store.transaction():
            past = (now - parse_rfc3339(due)).total_seconds() // period + 1
            following = rfc3339(parse_rfc3339(due) + timedelta(seconds=past * period))
            key = self.keep(key | {"nextRotationTime": following})
            return self.make_primary(key, self._versions.make_version(key))

    def make_primary(self, key: dict[str, Any], version: dict[str, Any]) -> dict[str, Any]:
        return self.keep(key | {"primary": version["name"]})

    def _update_primary(self, call: Call) -> dict[str, Any]:
        key = self.named(call.params["name"])
        wanted = _request(call, "UpdateCryptoKeyPrimaryVersion").get("cryptoKeyVersionId", "")
        version = self._versions.named(f"{key['name']}/cryptoKeyVersions/{wanted}")
        if version["state"] != "ENABLED":
            raise failed_precondition(f"{version['name']} is {version['state']}: a primary version must be ENABLED")
        return self.show(self.make_primary(key, version))

    def _encrypt(self, call: Call) -> dict[str, Any]:
        body, key = _request(call, "Encrypt"), self.rotated(self.named(call.params["name"]))
        plaintext, extra = _bytes(body, "plaintext"), _bytes(body, "additionalAuthenticatedData")
        told = [each for each in ("plaintext", "additionalAuthenticatedData") if f"{each}Crc32c" in body]
        version = self._versions.usable(key.get("primary", ""))
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._versions.cipher(version).encrypt(nonce, plaintext, extra)
        number = int(version["name"].rsplit("/", 1)[-1]).to_bytes(4, "big")
        ciphertext = number + nonce + sealed
        return {
            "name": version["name"],
            "ciphertext": base64.b64encode(ciphertext).decode(),
            "ciphertextCrc32c": str(google_crc32c.value(ciphertext)),
            **{f"verified{field[0].upper()}{field[1:]}Crc32c": True for field in told},
            "protectionLevel": version["protectionLevel"],
        }

    def _decrypt(self, call: Call) -> dict[str, Any]:
        body, key = _request(call, "Decrypt"), self.named(call.params["name"])
        ciphertext, extra = _bytes(body, "ciphertext"), _bytes(body, "additionalAuthenticatedData")
        number = int.from_bytes(ciphertext[:4], "big")
        name = f"{key['name']}/cryptoKeyVersions/{number}"
        wrong = "Decryption failed: the ciphertext is invalid, or was made by another key or with other data."
        if len(ciphertext) < 4 + _NONCE_BYTES or not self._versions.find(name):
            raise invalid_argument([("ciphertext", wrong)])
        version = self._versions.usable(name)
        try:
            nonce, sealed = ciphertext[4 : 4 + _NONCE_BYTES], ciphertext[4 + _NONCE_BYTES :]
            plaintext = self._versions.cipher(version).decrypt(nonce, sealed, extra)
        except InvalidTag:
            raise invalid_argument([("ciphertext", wrong)]) from None
        return {
            "plaintext": base64.b64encode(plaintext).decode(),
            "plaintextCrc32c": str(google_crc32c.value(plaintext)),
            "usedPrimary": version["name"] == key.get("primary"),
            "protectionLevel": version["protectionLevel"],
        }


class KeyVersions(Resources):
    kind = "cloudkms.cryptoKeyVersions"
    message = "google.cloud.kms.v1.CryptoKeyVersion"
    parent = f"{_RING}/cryptoKeys/*"
    collection = "cryptoKeyVersions"
    output = ("name", "createTime", "generateTime", "protectionLevel", "algorithm", "destroyTime")
    keys: Keys

    def routes(self) -> list[Route]:
        name = f"/v1/{{name={self.parent}/cryptoKeyVersions/*}}"
        return [
            *(route for route in super().routes() if route.method != "DELETE"),
            Route("POST", f"{name}:destroy", self._destroy, f"{self.kind}.destroy"),
            Route("POST", f"{name}:restore", self._restore, f"{self.kind}.restore"),
        ]

    def create(self, call: Call) -> dict[str, Any]:
        with self.store.transaction():
            return self.show(self.make_version(self.keys.named(call.params["parent"])))

    def list(self, call: Call) -> dict[str, Any]:
        self.keys.named(call.params["parent"])
        found = self.store.list(self.kind, call.params["parent"])
        ordered = [(name.rsplit("/", 1)[-1].zfill(9), body) for name, body in found]
        return page_of(call, self.collection, sorted(ordered, key=lambda pair: pair[0]), render=self.show)

    def check(self, found: Violations, resource_id: str, body: dict[str, Any]) -> None:  # noqa: ARG002
        check_version(found, body)

    def refill(self, old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
        if self.show(old)["state"] not in ("ENABLED", "DISABLED"):
            raise failed_precondition(f"{old['name']} is {self.show(old)['state']}: its state cannot be set")
        return new

    def show(self, resource: dict[str, Any]) -> dict[str, Any]:
        due = resource.get("destroyTime")
        if resource["state"] != "DESTROY_SCHEDULED" or parse_rfc3339(due or "") > self.cloud.clock.now():
            return resource
        self.store.delete(_MATERIAL, resource["name"])
        gone = {key: value for key, value in resource.items() if key != "destroyTime"}
        return self.keep(gone | {"state": "DESTROYED", "destroyEventTime": due})

    def make_version(self, key: dict[str, Any]) -> dict[str, Any]:
        numbers = [int(name.rsplit("/", 1)[-1]) for name, _ in self.store.list(self.kind, key["name"])]
        name = f"{key['name']}/cryptoKeyVersions/{max(numbers, default=0) + 1}"
        now = self.cloud.clock.timestamp()
        template = {field: key["versionTemplate"][field] for field in _SYMMETRIC}
        self.store.put(_MATERIAL, name, {"key": base64.b64encode(AESGCM.generate_key(256)).decode()})
        return self.keep({"name": name, "state": "ENABLED", "createTime": now, "generateTime": now, **template})

    def usable(self, name: str) -> dict[str, Any]:
        """A version that may be used; raises FAILED_PRECONDITION for any other."""
        version = self.find(name)
        state = self.show(version)["state"] if version else "absent"
        if version is None or state != "ENABLED":
            raise failed_precondition(f"{name or 'the primary version'} is {state}: it must be ENABLED to be used")
        return version

    def cipher(self, version: dict[str, Any]) -> AESGCM:
        if version["algorithm"] != _SYMMETRIC["algorithm"]:
            raise failed_precondition(f"{version['name']} is {version['algorithm']}: it does not encrypt")
        held = self.store.get(_MATERIAL, version["name"]) or {}
        return AESGCM(base64.b64decode(held["key"]))

    def _destroy(self, call: Call) -> dict[str, Any]:
        version = self.show(self.named(call.params["name"]))
        if version["state"] not in ("ENABLED", "DISABLED"):
            raise failed_precondition(f"{version['name']} is {version['state']}: it cannot be destroyed")
        key = self.keys.named(version["name"].rpartition("/cryptoKeyVersions/")[0])
        wait = timedelta(seconds=seconds(key["destroyScheduledDuration"]) or 0)
        due = rfc3339(self.cloud.clock.now() + wait)
        return self.keep(version | {"state": "DESTROY_SCHEDULED", "destroyTime": due})

    def _restore(self, call: Call) -> dict[str, Any]:
        version = self.show(self.named(call.params["name"]))
        if version["state"] != "DESTROY_SCHEDULED":
            raise failed_precondition(
                f"{version['name']} is {version['state']}: only DESTROY_SCHEDULED can be restored"
            )
        kept = {key: value for key, value in version.items() if key != "destroyTime"}
        return self.keep(kept | {"state": "DISABLED"})


def _request(call: Call, name: str) -> dict[str, Any]:
    return MESSAGES.canonical(f"google.cloud.kms.v1.{name}Request", call.object(), "request")


def _bytes(body: dict[str, Any], field: str) -> bytes:
    """A bytes field; raises INVALID_ARGUMENT where it is no base64, too long or not what its checksum says."""
    value = body.get(field) or ""
    try:
        data = from_base64(value)
    except (ValueError, AttributeError):
        raise invalid_argument([(field, "is not base64")]) from None
    if len(data) > 65_536 + 1024:
        raise invalid_argument([(field, f"{len(data)} bytes are more than 64 KiB")])
    told = body.get(f"{field}Crc32c")
    if told is not None and int(told) != google_crc32c.value(data):
        raise invalid_argument([(f"{field}Crc32c", f"{told} is not the checksum of what arrived")])
    return data
