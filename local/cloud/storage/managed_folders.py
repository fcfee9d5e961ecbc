"""Managed folders: prefixes of names that could carry policies of their own.

Owns: their records. Their policies are not here: what a bucket's policy says holds for all that is in it.
Source: https://cloud.google.com/storage/docs/json_api/v1/managedFolder
"""

from typing import TYPE_CHECKING, Any

from local.cloud.call import Call, Response, no_content
from local.cloud.errors import ApiError, already_exists, invalid_argument, not_found
from local.cloud.paging import page_of
from local.cloud.routing import Route

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_KIND = "storage.managedFolder"


def managed_folder_routes(cloud: "Cloud") -> list[Route]:
    folders = ManagedFolders(cloud)
    base, may = "/b/{bucket}/managedFolders", "storage.managedFolders"
    return [
        Route("POST", base, folders.insert, f"{may}.create"),
        Route("GET", base, folders.list, f"{may}.list"),
        Route("GET", f"{base}/{{folder}}", folders.get, f"{may}.get"),
        Route("DELETE", f"{base}/{{folder}}", folders.delete, f"{may}.delete"),
    ]


class ManagedFolders:
    """A name ends with a slash; one in a path may come without it."""

    def __init__(self, cloud: "Cloud") -> None:
        self._cloud = cloud
        self._store = cloud.store

    def insert(self, call: Call) -> dict[str, Any]:
        bucket, name = self._cloud.objects.buckets.get(call.params["bucket"]), str(call.object().get("name") or "")
        if not name.strip("/") or name.startswith("/") or "//" in name:
            raise invalid_argument([("name", f"{name!r} is not a prefix such as folder/ or folder/inner/")])
        if not bucket["iamConfiguration"]["uniformBucketLevelAccess"]["enabled"]:
            rule = "managed folders need uniform bucket-level access: turn it on first"
            raise ApiError(400, f"{bucket['name']}: {rule}", reason="invalid")
        name, now = f"{name.rstrip('/')}/", self._cloud.clock.timestamp()
        folder = {"name": name, "bucket": bucket["name"], "createTime": now, "updateTime": now, "metageneration": "1"}
        with self._store.transaction():
            if self._store.get(_KIND, _key(bucket, name)):
                raise already_exists(f"The managed folder {bucket['name']}/{name} already exists.")
            self._store.put(_KIND, _key(bucket, name), folder, parent=_key(bucket, ""))
        return _shown(folder)

    def list(self, call: Call) -> dict[str, Any]:
        bucket = self._cloud.objects.buckets.get(call.params["bucket"])
        prefix = call.query.get("prefix", "")
        held = self._store.list(_KIND, _key(bucket, ""))
        found = [(key, folder) for key, folder in held if folder["name"].startswith(prefix)]
        return {"kind": "storage#managedFolders"} | page_of(call, "items", found, default=1000, render=_shown)

    def get(self, call: Call) -> dict[str, Any]:
        return _shown(self._named(call)[1])

    def delete(self, call: Call) -> Response:
        key, folder = self._named(call)
        self._cloud.objects.notice_all(folder["bucket"], folder["name"])
        if self._cloud.objects.records.live_under(folder["bucket"], folder["name"]) and not call.flag("allowNonEmpty"):
            raise ApiError(409, f"The managed folder {folder['name']!r} is not empty.", reason="conflict")
        self._store.delete(_KIND, key)
        return no_content()

    def _named(self, call: Call) -> tuple[str, dict[str, Any]]:
        bucket = self._cloud.objects.buckets.get(call.params["bucket"])
        key = _key(bucket, f"{call.params['folder'].rstrip('/')}/")
        folder = self._store.get(_KIND, key)
        if folder is None:
            raise not_found(f"The managed folder {bucket['name']}/{call.params['folder']} does not exist.")
        return key, folder


def _key(bucket: dict[str, Any], name: str) -> str:
    """Of a bucket and its generation: one that is made anew does not inherit."""
    return f"{bucket['name']}#{bucket['generation']}/{name}"


def _shown(folder: dict[str, Any]) -> dict[str, Any]:
    link = f"https://www.googleapis.com/storage/v1/b/{folder['bucket']}/managedFolders/{folder['name']}"
    return {"kind": "storage#managedFolder", "id": f"{folder['bucket']}/{folder['name']}", "selfLink": link, **folder}
