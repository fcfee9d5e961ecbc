"""Artifact Registry: repositories, and the images in them that this cloud can run.

Owns: the repositories. Images come by registration (images.py), since there is no registry to push to: packages,
versions, tags and Docker images are views of them. Source:
https://cloud.google.com/artifact-registry/docs/reference/rest
"""

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from local.cloud.call import Call
from local.cloud.control.registry_changes import change_routes
from local.cloud.errors import not_found
from local.cloud.paging import page_of
from local.cloud.resources import Resources
from local.cloud.routing import Route
from local.cloud.validation import Violations

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_FORMATS = ("APT", "DOCKER", "GENERIC", "GO", "KFP", "MAVEN", "NPM", "PYTHON", "RUBY", "YUM")
_MODES = ("STANDARD_REPOSITORY", "VIRTUAL_REPOSITORY", "REMOTE_REPOSITORY")
_TAG_STATES = ("TAGGED", "UNTAGGED", "ANY")
_DURATION = r"[0-9]+(\.[0-9]{1,9})?s"
_PROTO = "google.devtools.artifactregistry.v1"


def registry_routes(cloud: "Cloud") -> list[Route]:
    repositories, contents = Repositories(cloud), Contents(cloud)
    permission = "artifactregistry"
    base = "projects/*/locations/*/repositories/*"
    return [
        *repositories.routes(),
        Route("GET", f"/v1/{{parent={base}}}/dockerImages", contents.list_docker, f"{permission}.dockerimages.list"),
        Route("GET", f"/v1/{{name={base}/dockerImages/*}}", contents.get_docker, f"{permission}.dockerimages.get"),
        Route("GET", f"/v1/{{parent={base}}}/packages", contents.list_packages, f"{permission}.packages.list"),
        Route("GET", f"/v1/{{name={base}/packages/*}}", contents.get_package, f"{permission}.packages.get"),
        Route(
            "GET", f"/v1/{{parent={base}/packages/*}}/versions", contents.list_versions, f"{permission}.versions.list"
        ),
        Route("GET", f"/v1/{{name={base}/packages/*/versions/*}}", contents.get_version, f"{permission}.versions.get"),
        Route("GET", f"/v1/{{parent={base}/packages/*}}/tags", contents.list_tags, f"{permission}.tags.list"),
        Route("GET", f"/v1/{{name={base}/packages/*/tags/*}}", contents.get_tag, f"{permission}.tags.get"),
        *change_routes(cloud, contents, base),
    ]


class Repositories(Resources):
    kind = "artifactregistry.repositories"
    collection = "repositories"
    id_parameter = "repositoryId"
    message = f"{_PROTO}.Repository"
    output = ("name", "createTime", "updateTime", "sizeBytes", "satisfiesPzi", "satisfiesPzs", "registryUri")
    immutable = ("format", "kmsKeyName", "mode")
    policies_by = "GET"

    def check(self, found: Violations, resource_id: str, body: dict[str, Any]) -> None:
        rule = "must begin with a letter and hold at most 63 lowercase letters, digits and hyphens, the last no hyphen"
        found.matches(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", resource_id, "repositoryId", rule)
        found.one_of(_FORMATS, body.get("format"), "format")
        found.one_of(_MODES, body.get("mode") or _MODES[0], "mode")
        found.labels(body.get("labels"), "labels")
        size = len(str(body.get("description") or "").encode())
        found.unless(size <= 1024, "description", f"{size} bytes are more than the 1024 allowed")
        for key, policy in (body.get("cleanupPolicies") or {}).items():
            _check_cleanup(found, policy, f"cleanupPolicies[{key!r}]")

    def fill(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        now = self.cloud.clock.timestamp()
        _, project, _, location, _, repository = name.split("/")
        scanning = {
            "enablementState": "SCANNING_DISABLED",
            "enablementStateReason": "API not enabled",
            "lastEnableTime": now,
        }
        return {
            **_with_policy_ids(body),
            "name": name,
            "mode": body.get("mode") or _MODES[0],
            "createTime": now,
            "updateTime": now,
            "registryUri": f"{location}-{body['format'].lower()}.pkg.dev/{project}/{repository}",
            "satisfiesPzi": True,
            "sizeBytes": "0",
            "vulnerabilityScanningConfig": scanning | (body.get("vulnerabilityScanningConfig") or {}),
        }

    def refill(self, old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
        return _with_policy_ids(super().refill(old, new))

    def removed(self, resource: dict[str, Any]) -> None:
        for image in self.cloud.images.of_repository(resource["name"]):
            self.cloud.images.forget(image["image"])

    def answer(self, call: Call, method: str, resource: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """Create and delete are answered by an operation, PATCH by the repository itself, as documented."""
        if method == "patch":
            return resource
        parent = resource["name"].rpartition("/repositories/")[0]
        response, kind = ({}, "google.protobuf.Empty") if method == "delete" else (resource, self.message)
        return self.cloud.operations.done(
            parent, response, kind=self.kind, response_type=kind, metadata_type=f"{_PROTO}.OperationMetadata"
        )


class Contents:
    """Views of the images that are registered under a repository."""

    def __init__(self, cloud: "Cloud") -> None:
        self._cloud = cloud

    def list_docker(self, call: Call) -> dict[str, Any]:
        shown = [(each["name"], each) for each in map(_docker_image, self.images(call.params["parent"]))]
        return page_of(call, "dockerImages", sorted(shown, key=lambda pair: pair[0]))

    def get_docker(self, call: Call) -> dict[str, Any]:
        name = call.params["name"]
        repository, _, wanted = name.partition("/dockerImages/")
        for image in self.images(repository):
            if f"{image['package']}@{image['digest']}" == unquote(wanted):
                return _docker_image(image)
        raise not_found(f"Docker image '{name}' was not found")

    def list_packages(self, call: Call) -> dict[str, Any]:
        return self._page(call, "packages", self._packages(call.params["parent"]))

    def get_package(self, call: Call) -> dict[str, Any]:
        return self._one(call, self._packages(call.params["name"].partition("/packages/")[0]))

    def list_versions(self, call: Call) -> dict[str, Any]:
        return self._page(call, "versions", self._versions(call.params["parent"]))

    def get_version(self, call: Call) -> dict[str, Any]:
        return self._one(call, self._versions(call.params["name"].partition("/versions/")[0]))

    def list_tags(self, call: Call) -> dict[str, Any]:
        return self._page(call, "tags", self.tags(call.params["parent"]))

    def get_tag(self, call: Call) -> dict[str, Any]:
        return self._one(call, self.tags(call.params["name"].partition("/tags/")[0]))

    def images(self, repository: str) -> list[dict[str, Any]]:
        if self._cloud.store.get(Repositories.kind, repository) is None:
            raise not_found(f"Repository '{repository}' was not found")
        return self._cloud.images.of_repository(repository)

    def _packages(self, repository: str) -> dict[str, dict[str, Any]]:
        packages: dict[str, dict[str, Any]] = {}
        for image in self.images(repository):
            name = f"{repository}/packages/{quote(image['package'], safe='')}"
            held = packages.setdefault(name, {"name": name, "createTime": image["uploadTime"], "updateTime": ""})
            held["createTime"] = min(held["createTime"], image["uploadTime"])
            held["updateTime"] = max(held["updateTime"], image["updateTime"])
        return packages

    def of_package(self, package: str) -> list[dict[str, Any]]:
        repository, _, name = package.partition("/packages/")
        return [image for image in self.images(repository) if image["package"] == unquote(name)]

    def _versions(self, package: str) -> dict[str, dict[str, Any]]:
        versions = {}
        package = _encoded(package)
        for image in self.of_package(package):
            name = f"{package}/versions/{image['digest']}"
            times = {"createTime": image["uploadTime"], "updateTime": image["updateTime"]}
            tags = [{"name": f"{package}/tags/{tag}", "version": name} for tag in image["tags"]]
            versions[name] = {"name": name, **times} | ({"relatedTags": tags} if tags else {})
        return versions

    def tags(self, package: str) -> dict[str, dict[str, Any]]:
        versions = self._versions(package).values()
        return {tag["name"]: tag for version in versions for tag in version.get("relatedTags", [])}

    def _page(self, call: Call, field: str, items: dict[str, dict[str, Any]]) -> dict[str, Any]:
        return page_of(call, field, sorted(items.items()))

    def _one(self, call: Call, items: dict[str, dict[str, Any]]) -> dict[str, Any]:
        name = call.params["name"]
        found = items.get(name) or items.get(_encoded(name))
        if found is None:
            raise not_found(f"'{name}' was not found")
        return found


def _encoded(name: str) -> str:
    """A name with its package's slashes escaped, as the API writes them; a path's own escapes have been undone."""
    repository, found, rest = name.partition("/packages/")
    for collection in ("/versions/", "/tags/"):
        package, middle, last = rest.partition(collection)
        if middle:
            return f"{repository}{found}{quote(unquote(package), safe='')}{middle}{last}"
    return f"{repository}{found}{quote(unquote(rest), safe='')}"


def _docker_image(image: dict[str, Any]) -> dict[str, Any]:
    package = f"{image['package']}@{image['digest']}"
    shown = {
        "name": f"{image['repository']}/dockerImages/{quote(package, safe='@:')}",
        "uri": image["image"],
        "uploadTime": image["uploadTime"],
        "updateTime": image["updateTime"],
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
    }
    return shown | ({"tags": image["tags"]} if image["tags"] else {})


def _with_policy_ids(repository: dict[str, Any]) -> dict[str, Any]:
    policies = repository.get("cleanupPolicies")
    if not policies:
        return repository
    return repository | {"cleanupPolicies": {key: {**policy, "id": key} for key, policy in policies.items()}}


def _check_cleanup(found: Violations, policy: dict[str, Any], where: str) -> None:
    found.one_of(("KEEP", "DELETE"), policy.get("action"), f"{where}.action")
    ways = [key for key in ("condition", "mostRecentVersions") if key in policy]
    found.unless(len(ways) == 1, where, "a policy has a condition or mostRecentVersions, one of the two")
    condition = policy.get("condition") or {}
    found.one_of(_TAG_STATES, condition.get("tagState") or "ANY", f"{where}.condition.tagState")
    for key in ("olderThan", "newerThan"):
        if key in condition:
            found.matches(_DURATION, condition[key], f"{where}.condition.{key}", "is not a duration such as 86400s")
