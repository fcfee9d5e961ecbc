"""Cloud Storage: the JSON API v1 with uploads and downloads, and objects by the XML API, on plain files.

Owns: buckets, objects, their versions and policies. Does not own: folders, caches; of the XML API it has
single objects only.
"""

from typing import TYPE_CHECKING, Any

from local.cloud.routing import Route, Service
from local.cloud.storage.access_controls import access_control_routes
from local.cloud.storage.bucket_api import BucketApi, default_policy
from local.cloud.storage.buckets import Buckets
from local.cloud.storage.bulk_restore import BulkRestores
from local.cloud.storage.deleted_buckets import DeletedBuckets
from local.cloud.storage.hmac_keys import project_routes
from local.cloud.storage.managed_folders import managed_folder_routes
from local.cloud.storage.notifications import notification_routes
from local.cloud.storage.object_api import ObjectApi
from local.cloud.storage.objects import Objects
from local.cloud.storage.sweep import Sweep
from local.cloud.storage.uploads import UploadApi
from local.cloud.storage.xml_api import XmlApi

if TYPE_CHECKING:
    from local.cloud.app import Cloud

__all__ = ["Objects", "open_objects", "services"]

_SWEEP_SECONDS = 60.0


def open_objects(cloud: "Cloud") -> Objects:
    """The objects under the cloud's root, whole again if the last process died."""
    objects = Objects(cloud.root, cloud.store, cloud.clock, Buckets(cloud.store, cloud.clock, cloud.projects))
    objects.files.claim = cloud.faults.claim_disk
    objects.recover()
    return objects


def services(cloud: "Cloud") -> list[Service]:
    cloud.access.sources["buckets"] = lambda name: _bindings(cloud, name)
    uploads = UploadApi(cloud.objects, cloud.clock)
    sweep = Sweep(cloud.objects, uploads, cloud.clock)
    deleted = DeletedBuckets(cloud.objects, cloud.policies)
    for due in (sweep.run, deleted.sweep):
        cloud.on_start.append(lambda due=due: cloud.background.every(_SWEEP_SECONDS, due, "storage-sweep"))
    cloud.unrouted = XmlApi(cloud, uploads).match
    beside = [
        *access_control_routes(cloud),
        *notification_routes(cloud),
        *managed_folder_routes(cloud),
        *project_routes(cloud),
    ]
    return [
        Service("storage", [*routes(cloud, uploads), *beside], prefixes=("/storage/v1",), bare=False),
        Service("storage-download", download_routes(cloud), prefixes=("/download/storage/v1",), bare=False),
        Service(
            "storage-upload",
            upload_routes(uploads),
            prefixes=("/upload/storage/v1", "/resumable/upload/storage/v1"),
            bare=False,
        ),
    ]


def _bindings(cloud: "Cloud", name: str) -> list[dict[str, Any]]:
    """Of a bucket's policy, which has a default."""
    owner = cloud.objects.buckets.owner(name.rsplit("/", 1)[-1])
    if owner is None:
        return []
    held = cloud.policies.in_force(name)
    return default_policy(owner)["bindings"] if held is None else held


def routes(cloud: "Cloud", uploads: UploadApi) -> list[Route]:
    buckets, objects = BucketApi(cloud.objects, cloud.policies, cloud.projects), ObjectApi(cloud.objects)
    restores = BulkRestores(cloud, objects)
    copy_to = "/b/{sourceBucket}/o/{sourceObject}/copyTo/b/{destinationBucket}/o/{destinationObject}"
    rewrite_to = "/b/{sourceBucket}/o/{sourceObject}/rewriteTo/b/{destinationBucket}/o/{destinationObject}"
    return [
        Route("POST", "/b", buckets.insert, "storage.buckets.create"),
        Route("GET", "/b", buckets.list, "storage.buckets.list"),
        Route("GET", "/b/{bucket}", buckets.get),  # it asks for what is needed of one that is deleted, too
        Route("POST", "/b/{bucket}/restore", buckets.restore),
        Route("PATCH", "/b/{bucket}", buckets.patch, "storage.buckets.update"),
        Route("PUT", "/b/{bucket}", buckets.update, "storage.buckets.update"),
        Route("DELETE", "/b/{bucket}", buckets.delete, "storage.buckets.delete"),
        Route("GET", "/b/{bucket}/iam", buckets.get_policy, "storage.buckets.getIamPolicy"),
        Route("PUT", "/b/{bucket}/iam", buckets.set_policy, "storage.buckets.setIamPolicy"),
        Route("GET", "/b/{bucket}/iam/testPermissions", buckets.test_permissions),
        Route("POST", "/b/{bucket}/lockRetentionPolicy", buckets.lock_retention, "storage.buckets.update"),
        Route("GET", "/b/{bucket}/storageLayout", buckets.storage_layout, "storage.objects.list"),
        Route("GET", "/b/{bucket}/anywhereCaches", buckets.anywhere_caches, "storage.anywhereCaches.list"),
        Route("POST", "/b/{bucket}/o", uploads.insert_metadata),
        Route("GET", "/b/{bucket}/o", objects.list, "storage.objects.list"),
        Route("GET", "/b/{bucket}/o/{object}", objects.get, "storage.objects.get"),
        Route("PATCH", "/b/{bucket}/o/{object}", objects.patch, "storage.objects.update"),
        Route("PUT", "/b/{bucket}/o/{object}", objects.update, "storage.objects.update"),
        Route("DELETE", "/b/{bucket}/o/{object}", objects.delete, "storage.objects.delete"),
        Route("POST", "/b/{bucket}/o/{object}/compose", objects.compose),
        Route("POST", "/b/{bucket}/o/bulkRestore", restores.start, "storage.objects.restore"),
        Route("GET", "/b/{bucket}/operations", restores.list, "storage.bucketOperations.list"),
        Route("GET", "/b/{bucket}/operations/{operation}", restores.get, "storage.bucketOperations.get"),
        Route("POST", "/b/{bucket}/operations/{operation}/cancel", restores.cancel, "storage.bucketOperations.cancel"),
        Route("POST", "/b/{bucket}/o/{object}/restore", objects.restore, "storage.objects.restore"),
        Route("POST", "/b/{bucket}/o/{source}/moveTo/o/{destination}", objects.move),
        Route("POST", copy_to, objects.copy),
        Route("POST", rewrite_to, objects.rewrite),
    ]


def download_routes(cloud: "Cloud") -> list[Route]:
    return [Route("GET", "/b/{bucket}/o/{object}", ObjectApi(cloud.objects).download, "storage.objects.get")]


def upload_routes(uploads: UploadApi) -> list[Route]:
    """What they need depends on the object, whose name may be in the body: the handlers ask for it. To go on with an
    upload takes its address alone, which is a secret of whom began it.
    """
    return [
        Route("POST", "/b/{bucket}/o", uploads.insert, streams=True),
        Route("PUT", "/b/{bucket}/o", uploads.resume, streams=True, public=True),
        Route("DELETE", "/b/{bucket}/o", uploads.cancel, streams=True, public=True),
    ]
