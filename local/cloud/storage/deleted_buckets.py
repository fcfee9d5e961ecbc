"""Buckets that are softly deleted: listed, read and restored until their time is over.

Owns: what is kept of such a bucket: its settings, its policy and its softly deleted objects, under a name that no
bucket can have, so that another may take its own. Source: https://cloud.google.com/storage/docs/use-soft-deleted-buckets
"""

from datetime import timedelta
from typing import Any

from local.cloud.clock import parse_rfc3339, rfc3339
from local.cloud.errors import ApiError, not_found
from local.cloud.iam.enforcement import object_name
from local.cloud.policies import Policies
from local.cloud.storage.objects import Objects

_KIND = "storage.bucket.deleted"


class DeletedBuckets:
    def __init__(self, objects: Objects, policies: Policies) -> None:
        self._objects = objects
        self._buckets = objects.buckets
        self._policies = policies
        self._store = objects.store

    def keep(self, bucket: dict[str, Any]) -> None:
        """Of a bucket that is about to be removed."""
        seconds = self._buckets.soft_delete_seconds(bucket)
        if not seconds:
            return
        now, name, kept = self._objects.clock.now(), bucket["name"], _kept_name(bucket)
        times = {"softDeleteTime": rfc3339(now), "hardDeleteTime": rfc3339(now + timedelta(seconds=seconds))}
        body = {"bucket": bucket | times, "policy": self._policies.held(object_name(name))}
        self._objects.records.move(name, kept)
        self._store.put(_KIND, kept, body, parent=self._buckets.project_of(bucket))

    def of_project(self, project: str, prefix: str) -> list[tuple[str, dict[str, Any]]]:
        found = [(name, body["bucket"]) for name, body in self._store.list(_KIND, project)]
        return [(name, bucket) for name, bucket in found if name.startswith(prefix)]

    def get(self, name: str, generation: int | None) -> dict[str, Any]:
        return self._find(name, generation)["bucket"]

    def restore(self, name: str, generation: int | None) -> dict[str, Any]:
        with self._objects.writing(name), self._store.transaction():
            body = self._find(name, generation)
            if self._buckets.owner(name):
                message = f"The bucket name {name!r} is in use: delete that bucket before this one is restored"
                raise ApiError(409, message, reason="conflict")
            kept = _kept_name(body["bucket"])
            times = ("softDeleteTime", "hardDeleteTime")
            bucket = {key: value for key, value in body["bucket"].items() if key not in times}
            self._buckets.bring_back(bucket)
            self._objects.records.move(kept, name)
            self._store.delete(_KIND, kept)
            if body["policy"]:
                self._policies.bring_back(object_name(name), body["policy"])
        self._objects.files.make_bucket(name)
        return bucket

    def sweep(self) -> None:
        """Forget those whose time is over, and what lay in them."""
        now = self._objects.clock.now()
        for kept, body in self._store.list(_KIND):
            over = parse_rfc3339(body["bucket"]["hardDeleteTime"]) <= now
            for record in self._objects.records.all_in(kept, ("deleted",)):
                if over or parse_rfc3339(record.meta["hardDeleteTime"]) <= now:
                    self._objects.purge(record)
            if over:
                self._store.delete(_KIND, kept)

    def _find(self, name: str, generation: int | None) -> dict[str, Any]:
        if generation is None:
            raise ApiError(400, "Required parameter: generation", reason="required", location="generation")
        body = self._store.get(_KIND, f"{name}#{generation}")
        if body is None:
            raise not_found("The specified bucket does not exist.")
        return body


def _kept_name(bucket: dict[str, Any]) -> str:
    return f"{bucket['name']}#{bucket['generation']}"
