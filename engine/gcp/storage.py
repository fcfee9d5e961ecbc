"""Buckets."""

# ruff: noqa: ARG002, RUF012 (tables of class attributes, and methods of one signature)
from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

from engine.errors import AlreadyExistsError, OperationError
from engine.gcp.api import RefusedError
from engine.gcp.comparing import Change, empty
from engine.gcp.resource import Call, RestType, fill
from engine.values import Properties

_LIVE = {"LIVE": True, "ARCHIVED": False}
_SENT_IF_ZERO = {
    "sendAgeIfZero": "age",
    "sendDaysSinceCustomTimeIfZero": "daysSinceCustomTime",
    "sendDaysSinceNoncurrentTimeIfZero": "daysSinceNoncurrentTime",
    "sendNumNewerVersionsIfZero": "numNewerVersions",
}


class Bucket(RestType):
    """A bucket; a PATCH carries the changed blocks only, null for what is gone."""

    type_name = "gcp:storage/bucket:Bucket"
    noun = "Bucket"
    service = "STORAGE"
    services = {"STORAGE"}
    identity = "{name}"
    collection = "b"
    create_query = {"project": "{project}"}
    waits = frozenset()
    default_seconds = {"create": 600, "update": 240}
    schema_version = 4
    table = """
    autoclass obj
      enabled bool required sent
      terminalStorageClass str kept
    cors objs
      maxAgeSeconds int
      methods strs tf=method
      origins strs tf=origin
      responseHeaders strs tf=response_header
    customPlacementConfig obj
      dataLocations strset required replace min=1
    defaultEventBasedHold bool
    deletionPolicy str kept api=-
    effectiveLabels map out api=labels sent
    enableObjectRetention bool replace api=-
    encryption obj
      customerManagedEncryptionEnforcementConfig obj
        effectiveTime str out
        restrictionMode str required check=restriction
      customerSuppliedEncryptionEnforcementConfig obj
        effectiveTime str out
        restrictionMode str required check=restriction
      defaultKmsKeyName str
      googleManagedEncryptionEnforcementConfig obj
        effectiveTime str out
        restrictionMode str required check=restriction
    forceDestroy bool default=false api=-
    hierarchicalNamespace obj replace same=off
      enabled bool required replace
    ipFilter raw
    labels map check=bucket-labels api=-
    lifecycleRules objs max=100 tf=lifecycle_rule api=lifecycle.rule
      action obj required
        storageClass str
        type str required
      condition obj required
        age int
        createdBefore str
        customTimeBefore str
        daysSinceCustomTime int
        daysSinceNoncurrentTime int
        matchesPrefixes strs tf=matches_prefix
        matchesStorageClasses strs tf=matches_storage_class
        matchesSuffixes strs tf=matches_suffix
        noncurrentTimeBefore str
        numNewerVersions int
        sendAgeIfZero bool api=-
        sendDaysSinceCustomTimeIfZero bool api=-
        sendDaysSinceNoncurrentTimeIfZero bool api=-
        sendNumNewerVersionsIfZero bool api=-
        sizeAboveBytes int64
        sizeBelowBytes int64
        withState str kept check=with-state api=-
    location str required replace same=fold
    logging obj
      logBucket str required
      logObjectPrefix str kept
    name str required replace auto
    project str kept replace api=-
    projectNumber int out
    publicAccessPrevention str kept api=iamConfiguration.publicAccessPrevention
    pulumiLabels map out api=- tf=terraform_labels
    requesterPays bool api=billing.requesterPays
    retentionPolicy obj
      isLocked bool default=false
      retentionPeriod str required
    rpo str kept null
    selfLink str out
    softDeletePolicy obj kept
      effectiveTime str out
      retentionDurationSeconds int64 default=604800 sent
    storageClass str default="STANDARD"
    timeCreated str out
    uniformBucketLevelAccess bool kept api=iamConfiguration.uniformBucketLevelAccess.enabled sent
    updated str out
    url str out api=-
    versioning obj kept
      enabled bool required sent
    website obj kept
      mainPageSuffix str some_of=page
      notFoundPage str some_of=page
    """

    def path(self, identity: str, known: Properties) -> str:
        return f"b/{identity}"

    def compare(self, prior: Properties, plan: Properties) -> list[Change]:
        """What is locked stays locked: only another bucket is without it."""
        loosened = _is_locked(prior) and not _is_locked(plan)
        return [
            Change(change.path, change.kind, True) if loosened and change.key == "retentionPolicy" else change
            for change in super().compare(prior, plan)
        ]

    def body(self, plan: Properties) -> dict[str, Any]:
        body = super().body(plan)
        body.get("softDeletePolicy", {}).pop("effectiveTime", None)
        body.get("retentionPolicy", {}).pop("isLocked", None)
        body.setdefault("lifecycle", {"rule": []})
        for rule, planned in zip(body["lifecycle"]["rule"], plan.get("lifecycleRules") or [], strict=True):
            _complete_condition(rule.setdefault("condition", {}), planned["condition"])
        return body

    def create(self, call: Call, plan: Properties) -> tuple[str, Properties]:
        query = {"project": fill("{project}", plan)}
        if plan.get("enableObjectRetention"):
            query["enableObjectRetention"] = "true"
        try:
            call.api.call(self.service, "POST", self.collection, body=self.body(plan), query=query)
        except RefusedError as error:
            if error.status == 409:
                raise AlreadyExistsError(str(error), plan["name"]) from error
            raise
        self._lock(call, {}, plan)
        return self.read_back(call, plan["name"], plan)

    def _lock(self, call: Call, prior: Properties, plan: Properties) -> None:
        """For good, and only while the bucket is as it was just read."""
        if _is_locked(plan) and not _is_locked(prior):
            path = self.path(str(plan["name"]), plan)
            seen = call.api.call(self.service, "GET", path).get("metageneration")
            query = {"ifMetagenerationMatch": str(seen)}
            call.api.call(self.service, "POST", f"{path}/lockRetentionPolicy", query=query)

    def read_more(self, outputs: Properties, answer: Any, known: Properties) -> None:
        outputs["url"] = f"gs://{answer['name']}"
        outputs["enableObjectRetention"] = (answer.get("objectRetention") or {}).get("mode") == "Enabled"
        outputs["hierarchicalNamespace"] = outputs["hierarchicalNamespace"] or {"enabled": False}
        if (answer.get("versioning") is None) or outputs["versioning"] is None:
            outputs["versioning"] = None
        rules = (answer.get("lifecycle") or {}).get("rule") or []
        for rule, output in zip(rules, outputs["lifecycleRules"], strict=True):
            _read_condition(rule.get("condition") or {}, output["condition"])
        if outputs["encryption"] is not None:
            outputs["encryption"]["defaultKmsKeyName"] = outputs["encryption"]["defaultKmsKeyName"] or ""

    def update(self, call: Call, identity: str, prior: Properties, plan: Properties) -> Properties:
        body = self.body(plan)
        members = {member.split(".")[0] for member in self.mask(prior, plan)}
        patch = {member: body.get(member) for member in members}
        if "labels" in patch:
            gone = {key: None for key in prior.get("effectiveLabels") or {} if key not in (patch["labels"] or {})}
            patch["labels"] = {**(patch["labels"] or {}), **gone}
        if patch:
            call.api.call(self.service, "PATCH", self.path(identity, prior), body=patch)
        self._lock(call, prior, plan)
        return self.read_back(call, identity, plan)[1]

    def delete(self, call: Call, identity: str, prior: Properties) -> None:
        self._empty(call, identity, force=bool(prior.get("forceDestroy")))
        super().delete(call, identity, prior)

    def _empty(self, call: Call, bucket: str, *, force: bool) -> None:
        page: dict[str, str] = {"versions": "true"}
        while True:
            answer = call.api.find(self.service, f"b/{bucket}/o", query=page)
            objects = (answer or {}).get("items") or []
            if objects and not force:
                raise OperationError(
                    f"bucket {bucket!r} holds {len(objects)} object(s) or more: set force_destroy=True on it and "
                    "run up once, or empty it"
                )
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(lambda item: _delete_object(call, bucket, item), objects))
            if not (token := (answer or {}).get("nextPageToken")):
                return
            page["pageToken"] = token


def _is_locked(values: Properties) -> bool:
    return (values.get("retentionPolicy") or {}).get("isLocked") is True


def _delete_object(call: Call, bucket: str, item: dict[str, Any]) -> None:
    try:
        call.api.call(
            "STORAGE",
            "DELETE",
            f"b/{bucket}/o/{quote(item['name'], safe='')}",
            query={"generation": str(item["generation"])},
        )
    except RefusedError as error:
        if error.status != 404:
            raise


def _complete_condition(condition: dict[str, Any], planned: Properties) -> None:
    """What the table cannot say: object states, and zeros that are meant."""
    if planned.get("withState") in _LIVE:
        condition["isLive"] = _LIVE[planned["withState"]]
    for switch, member in _SENT_IF_ZERO.items():
        if planned.get(switch) and empty(planned.get(member)):
            condition[member] = 0


def _read_condition(condition: dict[str, Any], output: Properties) -> None:
    live = condition.get("isLive")
    output["withState"] = "ANY" if live is None else "LIVE" if live else "ARCHIVED"
    for switch in _SENT_IF_ZERO:
        output[switch] = bool(output.get(switch))
