"""Calls on buckets.

Source: https://cloud.google.com/storage/docs/json_api/v1/buckets
"""

from typing import Any

from local.cloud.call import Call, Response, no_content
from local.cloud.errors import ApiError, invalid_argument
from local.cloud.iam.enforcement import object_name
from local.cloud.paging import page_of
from local.cloud.policies import Policies, answer, members_of
from local.cloud.projects import Projects
from local.cloud.storage.deleted_buckets import DeletedBuckets
from local.cloud.storage.objects import Objects
from local.cloud.storage.preconditions import Preconditions
from local.cloud.storage.resource import bucket_resource


class BucketApi:
    def __init__(self, objects: Objects, policies: Policies, projects: Projects) -> None:
        self._objects = objects
        self._buckets = objects.buckets
        self._policies = policies
        self._projects = projects
        self.deleted = DeletedBuckets(objects, policies)

    def insert(self, call: Call) -> dict[str, Any]:
        project = call.query.get("project")
        if not project:
            raise ApiError(400, "Required parameter: project", reason="required", location="project")
        bucket = self._buckets.create(self._projects.id_of(project), call.object())
        self._objects.files.make_bucket(bucket["name"])
        return bucket_resource(bucket)

    def get(self, call: Call) -> dict[str, Any]:
        if call.flag("softDeleted"):
            bucket = self.deleted.get(call.params["bucket"], call.number("generation"))
            call.require("storage.buckets.get", f"projects/{self._buckets.project_of(bucket)}")
            return bucket_resource(bucket)
        call.require("storage.buckets.get", object_name(call.params["bucket"]))
        bucket = self._buckets.get(call.params["bucket"])
        _check(call, bucket, reading=True)
        return bucket_resource(bucket)

    def list(self, call: Call) -> dict[str, Any]:
        project = call.query.get("project")
        if not project:
            raise ApiError(400, "Required parameter: project", reason="required", location="project")
        source = self.deleted if call.flag("softDeleted") else self._buckets
        items = source.of_project(self._projects.id_of(project), call.query.get("prefix", ""))
        return {"kind": "storage#buckets"} | page_of(call, "items", items, default=1000, render=bucket_resource)

    def patch(self, call: Call) -> dict[str, Any]:
        return self._change(call, whole=False)

    def update(self, call: Call) -> dict[str, Any]:
        return self._change(call, whole=True)

    def delete(self, call: Call) -> Response:
        name = call.params["bucket"]
        with self._objects.writing(name):
            bucket = self._buckets.get(name)
            _check(call, bucket)
            self._objects.notice_all(name, "")
            if self._objects.records.any_in(name, ("live", "noncurrent")):
                raise ApiError(409, "The bucket you tried to delete is not empty.", reason="conflict")
            with self._objects.store.transaction():
                self.deleted.keep(bucket)
                self._objects.empty_bucket(name)
                self._buckets.remove(name)
                self._policies.delete(object_name(name))
        return no_content()

    def restore(self, call: Call) -> dict[str, Any]:
        name, generation = call.params["bucket"], call.number("generation")
        project = self._buckets.project_of(self.deleted.get(name, generation))
        call.require("storage.buckets.restore", f"projects/{project}")
        return bucket_resource(self.deleted.restore(name, generation))

    def lock_retention(self, call: Call) -> dict[str, Any]:
        bucket = self._buckets.get(call.params["bucket"])
        if call.number("ifMetagenerationMatch") is None:
            name = "ifMetagenerationMatch"
            raise ApiError(400, f"Required parameter: {name}", reason="required", location=name)
        _check(call, bucket)
        if not bucket.get("retentionPolicy"):
            raise ApiError(400, f"Bucket {bucket['name']!r} has no retention policy to lock", reason="invalid")
        locked = bucket["retentionPolicy"] | {"isLocked": True}
        return bucket_resource(self._buckets.change(bucket, {"retentionPolicy": locked}))

    def storage_layout(self, call: Call) -> dict[str, Any]:
        bucket = self._buckets.get(call.params["bucket"])
        shown = {key: bucket[key] for key in ("location", "locationType", "hierarchicalNamespace") if key in bucket}
        return {"kind": "storage#storageLayout", "bucket": bucket["name"], **shown}

    def anywhere_caches(self, call: Call) -> dict[str, Any]:
        self._buckets.get(call.params["bucket"])
        return {"kind": "storage#anywhereCaches"}

    # Policies

    def get_policy(self, call: Call) -> dict[str, Any]:
        bucket = self._buckets.get(call.params["bucket"])
        version = call.number("optionsRequestedPolicyVersion") or 1
        return _shown(bucket, self._policies.get(object_name(bucket["name"]), default=self._default(bucket)), version)

    def set_policy(self, call: Call) -> dict[str, Any]:
        bucket = self._buckets.get(call.params["bucket"])
        stale = ApiError(
            412, "The policy's etag is not the present one: read it again and retry", reason="conditionNotMet"
        )
        name, default = object_name(bucket["name"]), self._default(bucket)
        _refuse_public(bucket, call.object())
        return _shown(bucket, self._policies.set(name, call.object(), stale=stale, default=default), 3)

    def test_permissions(self, call: Call) -> dict[str, Any]:
        self._buckets.get(call.params["bucket"])
        asked = call.query_lists.get("permissions", [])
        if not asked:
            raise ApiError(400, "Required parameter: permissions", reason="required", location="permissions")
        for permission in asked:
            if not permission.startswith("storage."):
                raise invalid_argument([("permissions", f"{permission!r} is not a permission of Cloud Storage")])
        allowed = [each for each in asked if call.may(each, object_name(call.params["bucket"]))]
        return {"kind": "storage#testIamPermissionsResponse", **({"permissions": allowed} if allowed else {})}

    def _default(self, bucket: dict[str, Any]) -> dict[str, Any]:
        return default_policy(self._buckets.project_of(bucket))

    def _change(self, call: Call, *, whole: bool) -> dict[str, Any]:
        name = call.params["bucket"]
        with self._objects.writing(name):
            bucket = self._buckets.get(name)
            _check(call, bucket)
            return bucket_resource(self._buckets.change(bucket, call.object(), whole=whole))


def default_policy(project: str) -> dict[str, Any]:
    """What a new bucket's policy holds: the project's owners, editors and viewers."""
    owners = {
        "role": "roles/storage.legacyBucketOwner",
        "members": [f"projectEditor:{project}", f"projectOwner:{project}"],
    }
    return {"bindings": [owners, {"role": "roles/storage.legacyBucketReader", "members": [f"projectViewer:{project}"]}]}


def _refuse_public(bucket: dict[str, Any], policy: dict[str, Any]) -> None:
    """Source: https://cloud.google.com/storage/docs/public-access-prevention"""
    public = next((each for each in members_of(policy) if each in ("allUsers", "allAuthenticatedUsers")), None)
    if public and bucket["iamConfiguration"]["publicAccessPrevention"] == "enforced":
        message = (
            f"The member {public!r} would make {bucket['name']} public, which its public access prevention forbids"
        )
        raise ApiError(412, message, reason="conditionNotMet")


def _check(call: Call, bucket: dict[str, Any], *, reading: bool = False) -> None:
    conditions = Preconditions.of(call.query)
    conditions.check_numbers(0, int(bucket["metageneration"]), reading=reading)


def _shown(bucket: dict[str, Any], policy: dict[str, Any], version: int) -> dict[str, Any]:
    resource = {"kind": "storage#policy", "resourceId": object_name(bucket["name"])}
    return resource | answer(policy, requested_version=version)
