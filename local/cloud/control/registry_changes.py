"""What is changed inside a repository of Artifact Registry: tags are set and moved, versions and packages deleted.

Owns: the calls. Does not own: which images there are (images.py), or how they are shown (registry.py). An image whose
version is deleted can no longer be run.
Source: https://cloud.google.com/artifact-registry/docs/reference/rest/v1/projects.locations.repositories.packages
"""

from typing import TYPE_CHECKING, Any

from local.cloud.call import Call
from local.cloud.errors import already_exists, failed_precondition, invalid_argument, not_found
from local.cloud.routing import Route

if TYPE_CHECKING:
    from local.cloud.app import Cloud
    from local.cloud.control.registry import Contents

_PROTO = "google.devtools.artifactregistry.v1"


def change_routes(cloud: "Cloud", contents: "Contents", base: str) -> list[Route]:
    changes = RegistryChanges(cloud, contents)
    package, may = f"{base}/packages/*", "artifactregistry"
    versions, tags = f"{package}/versions", f"{package}/tags"
    return [
        Route("DELETE", f"/v1/{{name={package}}}", changes.delete_package, f"{may}.packages.delete"),
        Route("DELETE", f"/v1/{{name={versions}/*}}", changes.delete_version, f"{may}.versions.delete"),
        Route("POST", f"/v1/{{parent={package}}}/versions:batchDelete", changes.delete_many, f"{may}.versions.delete"),
        Route("POST", f"/v1/{{parent={package}}}/tags", changes.create_tag, f"{may}.tags.create"),
        Route("PATCH", f"/v1/{{name={tags}/*}}", changes.update_tag, f"{may}.tags.update"),
        Route("DELETE", f"/v1/{{name={tags}/*}}", changes.delete_tag, f"{may}.tags.delete"),
    ]


class RegistryChanges:
    def __init__(self, cloud: "Cloud", contents: "Contents") -> None:
        self._cloud = cloud
        self._contents = contents

    def delete_package(self, call: Call) -> dict[str, Any]:
        name = call.params["name"]
        with self._cloud.store.transaction():
            images = self._contents.of_package(name)
            if not images:
                raise not_found(f"Package '{name}' was not found")
            for image in images:
                self._cloud.images.forget(image["image"])
            return self._done(name)

    def delete_version(self, call: Call) -> dict[str, Any]:
        with self._cloud.store.transaction():
            self._delete(call.params["name"], force=call.flag("force"))
            return self._done(call.params["name"])

    def delete_many(self, call: Call) -> dict[str, Any]:
        """As with `force`: tags of the versions go too."""
        body = call.object()
        with self._cloud.store.transaction():
            for name in body.get("names") or []:
                if not body.get("validateOnly"):
                    self._delete(name, force=True)
            return self._done(call.params["parent"])

    def create_tag(self, call: Call) -> dict[str, Any]:
        tag = call.query.get("tagId") or call.query.get("tag_id") or ""
        if not tag:
            raise invalid_argument([("tagId", "an id for the new tag is required")])
        package = call.params["parent"]
        with self._cloud.store.transaction():
            if any(tag in image["tags"] for image in self._contents.of_package(package)):
                raise already_exists(f"Tag '{package}/tags/{tag}' already exists")
            return self._point(package, tag, call.object().get("version", ""))

    def update_tag(self, call: Call) -> dict[str, Any]:
        package, _, tag = call.params["name"].partition("/tags/")
        with self._cloud.store.transaction():
            self._holder(package, tag)
            return self._point(package, tag, call.object().get("version", ""))

    def delete_tag(self, call: Call) -> dict[str, Any]:
        package, _, tag = call.params["name"].partition("/tags/")
        with self._cloud.store.transaction():
            held = self._holder(package, tag)
            self._cloud.images.tag(held["image"], [each for each in held["tags"] if each != tag])
        return {}

    def _holder(self, package: str, tag: str) -> dict[str, Any]:
        for image in self._contents.of_package(package):
            if tag in image["tags"]:
                return image
        raise not_found(f"Tag '{package}/tags/{tag}' was not found")

    def _version(self, package: str, digest: str) -> dict[str, Any]:
        for image in self._contents.of_package(package):
            if image["digest"] == digest:
                return image
        raise not_found(f"Version '{package}/versions/{digest}' was not found")

    def _point(self, package: str, tag: str, version: str) -> dict[str, Any]:
        target = self._version(package, version.rpartition("/versions/")[2])
        for image in self._contents.of_package(package):
            others = [each for each in image["tags"] if each != tag]
            self._cloud.images.tag(image["image"], [*others, tag] if image["image"] == target["image"] else others)
        shown = self._contents.tags(package)
        return next(each for name, each in shown.items() if name.endswith(f"/tags/{tag}"))

    def _delete(self, name: str, *, force: bool) -> None:
        package, _, digest = name.partition("/versions/")
        image = self._version(package, digest)
        if image["tags"] and not force:
            tags = ", ".join(image["tags"])
            raise failed_precondition(f"Version '{name}' has the tags {tags}: delete them first, or pass force")
        self._cloud.images.forget(image["image"])

    def _done(self, name: str) -> dict[str, Any]:
        parent = name.partition("/repositories/")[0]
        return self._cloud.operations.done(
            parent,
            {},
            kind="artifactregistry.repositories",
            response_type="google.protobuf.Empty",
            metadata_type=f"{_PROTO}.OperationMetadata",
        )
