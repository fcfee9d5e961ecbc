"""Many softly deleted objects brought back in one operation.

Source: https://cloud.google.com/storage/docs/json_api/v1/objects/bulkRestore
"""

import fnmatch
from datetime import datetime
from typing import TYPE_CHECKING, Any

from local.cloud.call import Call
from local.cloud.clock import parse_rfc3339
from local.cloud.errors import not_found
from local.cloud.paging import page_of
from local.cloud.storage.object_api import ObjectApi
from local.cloud.storage.records import Record

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_KIND = "storage.operation"
_PROTO = "google.storage.control.v2"


class BulkRestores:
    """The operation has ended when it is answered."""

    def __init__(self, cloud: "Cloud", objects: ObjectApi) -> None:
        self._cloud = cloud
        self._objects = objects

    def start(self, call: Call) -> dict[str, Any]:
        """Of each name that matches, the generation that was deleted last."""
        bucket, body = call.params["bucket"], call.object()
        self._cloud.objects.buckets.get(bucket)
        last: dict[str, Record] = {}
        for record in self._cloud.objects.records.all_in(bucket, ("deleted",)):
            if _chosen(record, body) and record.generation >= last.get(record.name, record).generation:
                last[record.name] = record
        taken = (
            [] if body.get("allowOverwrite") else [name for name in last if self._cloud.objects.notice(bucket, name)]
        )
        for name, record in last.items():
            if name not in taken:
                self._objects.bring_back(record)
        return self._done(bucket, restored=len(last) - len(taken), skipped=len(taken))

    def get(self, call: Call) -> dict[str, Any]:
        name = f"projects/_/buckets/{call.params['bucket']}/operations/{call.params['operation']}"
        operation = self._cloud.store.get(_KIND, name)
        if operation is None:
            raise not_found(f"Operation {name} was not found")
        return operation

    def list(self, call: Call) -> dict[str, Any]:
        parent = f"projects/_/buckets/{call.params['bucket']}"
        return {"kind": "storage#operations"} | page_of(call, "operations", self._cloud.store.list(_KIND, parent))

    def cancel(self, call: Call) -> dict[str, Any]:
        """It has ended: there is nothing left to cancel."""
        self.get(call)
        return {}

    def _done(self, bucket: str, *, restored: int, skipped: int) -> dict[str, Any]:
        now = self._cloud.clock.timestamp()
        number = self._cloud.clock.micros()
        operation = {
            "kind": "storage#operation",
            "name": f"projects/_/buckets/{bucket}/operations/{number}",
            "metadata": {
                "@type": f"type.googleapis.com/{_PROTO}.BulkRestoreObjectsMetadata",
                "commonMetadata": {"createTime": now, "endTime": now, "updateTime": now, "type": "BULK_RESTORE"},
                "succeededCount": str(restored),
                "skippedCount": str(skipped),
            },
            "done": True,
            "response": {"@type": "type.googleapis.com/google.protobuf.Empty"},
        }
        return self._cloud.store.put(_KIND, operation["name"], operation)


def _chosen(record: Record, body: dict[str, Any]) -> bool:
    globs = body.get("matchGlobs") or ["*"]
    if not any(fnmatch.fnmatchcase(record.name, glob.replace("**", "*")) for glob in globs):
        return False
    deleted = record.meta.get("softDeleteTime")
    moment = parse_rfc3339(deleted) if deleted else None
    after, before = (_moment(body.get(f"softDeleted{word}Time")) for word in ("After", "Before"))
    return moment is None or ((after is None or moment > after) and (before is None or moment < before))


def _moment(text: str | None) -> datetime | None:
    return parse_rfc3339(text) if text else None
