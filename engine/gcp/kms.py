"""Cloud KMS: key rings, keys and who may use a key. Neither rings nor keys can be deleted at Google."""

# ruff: noqa: ARG002, RUF012 (tables of class attributes, and methods of one signature)
from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from engine.gcp.iam import CONDITION_FIELDS, RestIamMember
from engine.gcp.resource import Call, RestType
from engine.values import Properties

_ROTATION = ("rotationPeriod", "nextRotationTime")
_DESTROYED = {"DESTROYED", "DESTROY_SCHEDULED"}


class KeyRing(RestType):
    """A key ring; to delete it only takes it out of the state."""

    type_name = "gcp:kms/keyRing:KeyRing"
    kept = "a key ring stays for ever; up takes it back"
    noun = "KeyRing"
    service = "KMS"
    services = {"KMS"}
    identity = "projects/{project}/locations/{location}/keyRings/{name}"
    collection = "projects/{project}/locations/{location}/keyRings"
    create_query = {"keyRingId": "{name}"}
    waits = frozenset()
    table = """
    location str required replace api=-
    name str required replace auto api=-
    project str kept replace api=-
    """

    def take_back(self, call: Call, identity: str, plan: Properties) -> bool:
        """A ring is nothing but its name: one is as good as another, and its keys tell whose they are."""
        return True

    def delete(self, call: Call, identity: str, prior: Properties) -> None:
        """Google keeps rings for ever."""


class CryptoKey(RestType):
    """A key; to delete it destroys its versions and stops its rotation."""

    type_name = "gcp:kms/cryptoKey:CryptoKey"
    kept = "a key stays without its versions, which can be restored until their destruction is due; up makes a new one"
    noun = "CryptoKey"
    service = "KMS"
    services = {"KMS"}
    identity = "{keyRing}/cryptoKeys/{name}"
    collection = "{keyRing}/cryptoKeys"
    create_query = {"cryptoKeyId": "{name}"}
    create_only = {"purpose", "cryptoKeyBackend", "destroyScheduledDuration", "importOnly"}
    schema_version = 1
    waits = frozenset()
    table = """
    cryptoKeyBackend str kept replace
    deletionPolicy str kept api=-
    destroyScheduledDuration str kept replace
    effectiveLabels map out api=labels sent
    importOnly bool kept replace
    keyAccessJustificationsPolicy obj kept
      allowedAccessReasons strs
    keyRing str required replace same=key-ring api=-
    labels map api=-
    name str required replace auto api=-
    primaries objs out tf=primary
      name str out
      state str out
    pulumiLabels map out api=- tf=terraform_labels
    purpose str replace default="ENCRYPT_DECRYPT"
    rotationPeriod str check=rotation
    skipInitialVersionCreation bool api=-
    versionTemplate obj kept
      algorithm str required
      protectionLevel str replace default="SOFTWARE"
    """

    def body(self, plan: Properties) -> dict[str, Any]:
        body = super().body(plan)
        if "rotationPeriod" in body:
            period = timedelta(seconds=float(body["rotationPeriod"].removesuffix("s")))
            body["nextRotationTime"] = f"{datetime.now(UTC) + period:%Y-%m-%dT%H:%M:%S.%fZ}"
        return body

    def query(self, plan: Properties) -> dict[str, str]:
        skipped = "true" if plan.get("skipInitialVersionCreation") else "false"
        return super().query(plan) | {"skipInitialVersionCreation": skipped}

    def mask(self, prior: Properties, plan: Properties) -> list[str]:
        mask = super().mask(prior, plan)
        return [*mask, "nextRotationTime"] if "rotationPeriod" in mask else mask

    def read_more(self, outputs: Properties, answer: Any, known: Properties) -> None:
        outputs["skipInitialVersionCreation"] = bool(known.get("skipInitialVersionCreation"))

    def take_back(self, call: Call, identity: str, plan: Properties) -> bool:
        """A key of which no version is left was deleted; one that has any is somebody's."""
        versions = call.api.call(self.service, "GET", f"{identity}/cryptoKeyVersions").get("cryptoKeyVersions") or []
        if any(version.get("state") not in _DESTROYED for version in versions):
            return False
        body = self.update_body(plan)
        call.api.call(self.service, "PATCH", identity, body=body, query={"updateMask": ",".join(sorted(body))})
        if not plan.get("skipInitialVersionCreation"):
            version = call.api.call(self.service, "POST", f"{identity}/cryptoKeyVersions", body={})
            number = {"cryptoKeyVersionId": version["name"].rpartition("/")[2]}
            call.api.call(self.service, "POST", f"{identity}:updatePrimaryVersion", body=number)
        return True

    def delete(self, call: Call, identity: str, prior: Properties) -> None:
        found = call.api.find(self.service, f"{identity}/cryptoKeyVersions")
        for version in (found or {}).get("cryptoKeyVersions") or []:
            if version.get("state") not in _DESTROYED:
                call.api.call(self.service, "POST", f"{version['name']}:destroy", body={})
        if found is not None and prior.get("rotationPeriod"):
            call.api.call(self.service, "PATCH", identity, body={}, query={"updateMask": ",".join(_ROTATION)})


class CryptoKeyIAMMember(RestIamMember):
    type_name = "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember"
    service = "KMS"
    services = {"KMS"}
    named = "cryptoKeyId"
    holder = "{cryptoKeyId}"
    policy_query = {"options.requestedPolicyVersion": "3"}
    table = "    cryptoKeyId str required replace" + CONDITION_FIELDS
