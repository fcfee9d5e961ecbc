"""Buckets and their settings.

Owns: the bucket resource, its defaults and its validation. Does not own: what lies in a bucket.
Sources: https://cloud.google.com/storage/docs/json_api/v1/buckets and the pages that it links for each setting.
"""

from datetime import timedelta
from typing import Any

from local.cloud.clock import Clock
from local.cloud.errors import ApiError, not_found
from local.cloud.masks import merge_patch
from local.cloud.projects import Projects
from local.cloud.storage.bucket_rules import location_type, refuse_bad_settings
from local.cloud.storage.naming import check_bucket_name
from local.cloud.storage.retention import policy_seconds, refuse_if_held, refuse_weaker_policy
from local.cloud.store import Store
from local.cloud.validation import as_int

_KIND = "storage.bucket"
_DEFAULT_SOFT_DELETE_SECONDS = 7 * 86_400
_LOCK_AFTER = timedelta(days=90)
_FIXED = (
    "kind",
    "id",
    "name",
    "projectNumber",
    "timeCreated",
    "generation",
    "location",
    "locationType",
    "metageneration",
)
_OUTPUT = ("selfLink", "etag", "updated", "acl", "defaultObjectAcl", "owner")


class Buckets:
    """A stored bucket is the API's resource, but for links and etags."""

    def __init__(self, store: Store, clock: Clock, projects: Projects) -> None:
        self._store = store
        self._clock = clock
        self._projects = projects

    def get(self, name: str) -> dict[str, Any]:
        bucket = self._store.get(_KIND, name)
        if bucket is None:
            raise not_found("The specified bucket does not exist.")
        return bucket

    def of_project(self, project: str, prefix: str = "") -> list[tuple[str, dict[str, Any]]]:
        return [(name, body) for name, body in self._store.list(_KIND, project) if name.startswith(prefix)]

    def all(self) -> list[dict[str, Any]]:
        return [body for _, body in self._store.list(_KIND)]

    def project_of(self, bucket: dict[str, Any]) -> str:
        return self._projects.id_of(bucket["projectNumber"])

    def owner(self, name: str) -> str | None:
        """The project of a bucket, None where there is no such bucket."""
        number = self._store.derived(_KIND, name, _project_number)
        return self._projects.id_of(number) if number else None

    def require(self, name: str) -> None:
        """Raises 404 where there is no such bucket."""
        if self.owner(name) is None:
            self.get(name)

    def create(self, project: str, body: dict[str, Any]) -> dict[str, Any]:
        check_bucket_name(body.get("name"))
        refuse_bad_settings(body)
        name, now = body["name"], self._clock.timestamp()
        location = str(body.get("location") or "US").upper()
        bucket = {key: value for key, value in body.items() if key not in _OUTPUT and value is not None}
        bucket |= {
            "kind": "storage#bucket",
            "id": name,
            "projectNumber": self._projects.number_of(project),
            "generation": str(self._clock.micros()),
            "metageneration": "1",
            "timeCreated": now,
            "updated": now,
            "location": location,
            "locationType": location_type(location),
        }
        bucket.setdefault("storageClass", "STANDARD")
        if bucket["locationType"] != "region":
            bucket.setdefault("rpo", "DEFAULT")
        bucket.setdefault("softDeletePolicy", {"retentionDurationSeconds": str(_DEFAULT_SOFT_DELETE_SECONDS)})
        self._settle({}, bucket)
        with self._store.transaction():
            if held := self._store.get(_KIND, name):
                raise _taken(own=self.project_of(held) == self._projects.id_of(project))
            self._store.put(_KIND, name, bucket, parent=self._projects.id_of(project))
        return bucket

    def change(self, bucket: dict[str, Any], patch: dict[str, Any], *, whole: bool = False) -> dict[str, Any]:
        """PATCH, or PUT where `whole`: what the body then lacks is cleared, but for what cannot be."""
        fixed = {key: bucket[key] for key in _FIXED if key in bucket}
        allowed = {key: value for key, value in patch.items() if key not in _FIXED and key not in _OUTPUT}
        if whole:
            kept = {key: bucket[key] for key in ("storageClass", "rpo", "softDeletePolicy") if key in bucket}
            new = {**kept, **{key: value for key, value in allowed.items() if value is not None}, **fixed}
        else:
            new = merge_patch(bucket, allowed)
        refuse_bad_settings(new)
        refuse_weaker_policy(bucket, new)
        self._settle(bucket, new)
        new["metageneration"] = str(int(bucket["metageneration"]) + 1)
        new["updated"] = self._clock.timestamp()
        return self._store.put(_KIND, new["name"], new, parent=self.project_of(bucket))

    def bring_back(self, bucket: dict[str, Any]) -> None:
        """One that was softly deleted."""
        self._store.put(_KIND, bucket["name"], bucket, parent=self.project_of(bucket))

    def remove(self, name: str) -> None:
        self._store.delete(_KIND, name)

    def soft_delete_seconds(self, bucket: dict[str, Any]) -> int:
        return as_int(bucket.get("softDeletePolicy", {}).get("retentionDurationSeconds")) or 0

    def retention_seconds(self, name: str) -> int:
        return self._store.derived(_KIND, name, policy_seconds)

    def refuse_if_held(self, bucket: dict[str, Any], meta: dict[str, Any], name: str) -> None:
        """Raises 403 for an object that a hold or a retention protects."""
        refuse_if_held(bucket, meta, name, self._clock.now())

    def _settle(self, old: dict[str, Any], new: dict[str, Any]) -> None:
        """Fill in what the service computes from the settings that were asked for."""
        now = self._clock.timestamp()
        access = new["iamConfiguration"] = dict(new.get("iamConfiguration") or {})
        uniform: dict[str, Any] = dict(
            access.get("uniformBucketLevelAccess") or access.get("bucketPolicyOnly") or {"enabled": False}
        )
        was = (old.get("iamConfiguration") or {}).get("uniformBucketLevelAccess") or {}
        if uniform.get("enabled"):
            locked = (self._clock.now() + _LOCK_AFTER).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            uniform["lockedTime"] = was.get("lockedTime") or locked
        else:
            uniform = {"enabled": False}
        access["uniformBucketLevelAccess"], access["bucketPolicyOnly"] = uniform, dict(uniform)
        access.setdefault("publicAccessPrevention", "inherited")
        policy = new.get("softDeletePolicy")
        if policy and policy.get("retentionDurationSeconds") is not None:
            seconds = str(as_int(policy["retentionDurationSeconds"]))
            held = old.get("softDeletePolicy") or {}
            same = held.get("retentionDurationSeconds") == seconds
            since = {"effectiveTime": held.get("effectiveTime", now) if same else now} if seconds != "0" else {}
            new["softDeletePolicy"] = {"retentionDurationSeconds": seconds, **since}
        if retention := new.get("retentionPolicy"):
            retention.setdefault("effectiveTime", now)


def _project_number(bucket: dict[str, Any] | None) -> str | None:
    return bucket["projectNumber"] if bucket else None


def _taken(*, own: bool) -> ApiError:
    mine = "Your previous request to create the named bucket succeeded and you already own it."
    others = "The requested bucket name is not available: it is in use by another project. Select another name."
    return ApiError(409, mine if own else others, reason="conflict")
