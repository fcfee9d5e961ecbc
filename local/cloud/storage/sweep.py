"""What time does to objects: lifecycle rules, and the end of what is kept for a while.

Source: https://cloud.google.com/storage/docs/lifecycle
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from local.cloud.clock import Clock, parse_rfc3339
from local.cloud.errors import ApiError
from local.cloud.storage.finding import created_at
from local.cloud.storage.objects import Objects
from local.cloud.storage.records import Record
from local.cloud.storage.uploads import UploadApi

_UPLOAD_DAYS = 7
# Objects only ever move to a colder class; of several, the one at the lowest price counts. The older names are as warm
# as STANDARD, to which they may move.
_COLDNESS = {"STANDARD": 1, "NEARLINE": 2, "COLDLINE": 3, "ARCHIVE": 4}


class Sweep:
    def __init__(self, objects: Objects, uploads: UploadApi, clock: Clock) -> None:
        self._objects = objects
        self._records = objects.records
        self._uploads = uploads
        self._clock = clock

    def run(self) -> None:
        """One pass over all buckets."""
        now = self._clock.now()
        for bucket in self._objects.buckets.all():
            for record in self._records.all_in(bucket["name"], ("deleted",)):
                if parse_rfc3339(record.meta["hardDeleteTime"]) <= now:
                    self._objects.purge(record)
            rules = bucket.get("lifecycle", {}).get("rule", [])
            if rules:
                self._objects.notice_all(bucket["name"], "")
                self._apply(bucket, rules, now)
        for upload in self._records.upload_ids():
            session = self._records.upload(upload)
            if session and parse_rfc3339(session["started"]) + timedelta(days=_UPLOAD_DAYS) <= now:
                self._uploads.forget(upload)

    def _apply(self, bucket: dict[str, Any], rules: list[dict[str, Any]], now: datetime) -> None:
        newer: dict[str, int] = {}
        for record in reversed(self._records.all_in(bucket["name"], ("live", "noncurrent"))):
            count = newer.get(record.name, 0)
            newer[record.name] = count + 1
            due = [rule["action"] for rule in rules if _matches(rule["condition"], record, count, now)]
            if any(action["type"] == "Delete" for action in due):
                self._delete(bucket, record)
                continue
            classes = [action["storageClass"] for action in due if action["type"] == "SetStorageClass"]
            coldest = max(classes, key=lambda each: _COLDNESS.get(each, 0), default="")
            if _COLDNESS.get(coldest, 0) > _COLDNESS.get(record.meta["storageClass"], 0):
                self._reclassify(record, coldest)

    def _delete(self, bucket: dict[str, Any], record: Record) -> None:
        """A live object of a bucket with versions becomes noncurrent, as by a client's delete."""
        try:
            self._objects.buckets.refuse_if_held(bucket, record.meta, record.name)
        except ApiError:
            return  # until its holds and its retention end
        with self._objects.writing(record.bucket):
            present = self._records.generation(record.bucket, record.name, record.generation)
            if present is None or present.state != record.state:
                return
            if record.state == "live":
                self._objects.delete(record.bucket, record.name)
            else:
                self._objects.erase(record, bucket)

    def _reclassify(self, record: Record, storage_class: str) -> None:
        with self._objects.writing(record.bucket):
            present = self._records.generation(record.bucket, record.name, record.generation)
            if present and present.state == record.state:
                now = self._clock.timestamp()
                self._objects.update(
                    present, present.meta | {"storageClass": storage_class, "timeStorageClassUpdated": now}
                )


def _matches(condition: dict[str, Any], record: Record, newer: int, now: datetime) -> bool:
    """Whether every part of a rule's condition holds for an object."""
    meta, live = record.meta, record.state == "live"
    noncurrent = parse_rfc3339(meta["timeDeleted"]) if "timeDeleted" in meta else None
    custom = parse_rfc3339(meta["customTime"]) if "customTime" in meta else None
    checks = {
        "age": lambda days: created_at(record) + timedelta(days=int(days)) <= now,
        "createdBefore": lambda day: created_at(record) < _midnight(day),
        "customTimeBefore": lambda day: custom is not None and custom < _midnight(day),
        "daysSinceCustomTime": lambda days: custom is not None and custom + timedelta(days=int(days)) <= now,
        "daysSinceNoncurrentTime": lambda days: (
            noncurrent is not None and noncurrent + timedelta(days=int(days)) <= now
        ),
        "isLive": lambda wanted: live == wanted,
        "matchesPrefix": lambda prefixes: record.name.startswith(tuple(prefixes)),
        "matchesStorageClass": lambda classes: meta["storageClass"] in classes,
        "matchesSuffix": lambda suffixes: record.name.endswith(tuple(suffixes)),
        "noncurrentTimeBefore": lambda day: noncurrent is not None and noncurrent < _midnight(day),
        "numNewerVersions": lambda count: newer >= int(count),
    }
    return bool(condition) and all(key in checks and checks[key](value) for key, value in condition.items())


def _midnight(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC)
