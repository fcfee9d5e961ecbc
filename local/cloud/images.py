"""Container images that this cloud can run, by digest.

Owns: which digests are known, in which repository, and the manifest that says how each is run here. Does not own:
what a manifest means (jobs/), or the Artifact Registry API that lists them (control/).
"""

import re
from collections.abc import Callable
from typing import Any

from local.cloud.clock import Clock
from local.cloud.errors import invalid_argument
from local.cloud.store import Store

_KIND = "image"
_PACKAGE = (
    r"(?P<host>[a-z0-9-]+-docker\.pkg\.dev)/(?P<project>[^/@\s]+)/(?P<repository>[a-z][a-z0-9-]{0,62})"
    r"/(?P<package>[a-z0-9]+(?:[._/-][a-z0-9]+)*)"
)
_IMAGE = re.compile(_PACKAGE + r"@(?P<digest>sha256:[0-9a-f]{64})")
_TAGGED = re.compile(_PACKAGE + r"(?::(?P<tag>[\w][\w.-]{0,127}))?", re.ASCII)


class Images:
    """`checks` are run on each manifest before it is kept; one raises ApiError for a manifest that cannot be run."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self.checks: list[Callable[[dict[str, Any]], object]] = []

    def register(self, image: str, runtime: dict[str, Any], tags: list[str] | None = None) -> dict[str, Any]:
        """Make `host/project/repository/package@sha256:…` runnable; again with another runtime replaces it."""
        named = _IMAGE.fullmatch(image) if isinstance(image, str) else None
        if named is None:
            rule = "is not LOCATION-docker.pkg.dev/PROJECT/REPOSITORY/PACKAGE@sha256:DIGEST"
            raise invalid_argument([("image", f"{image!r} {rule}")])
        for check in self.checks:
            check(runtime)
        held = self.find(image) or {"uploadTime": self._clock.timestamp()}
        location = named["host"].removesuffix("-docker.pkg.dev")
        repository = f"projects/{named['project']}/locations/{location}/repositories/{named['repository']}"
        body = {
            "image": image,
            "runtime": runtime,
            "repository": repository,
            "package": named["package"],
            "digest": named["digest"],
            "tags": sorted({*held.get("tags", []), *(tags or [])}),
            "uploadTime": held["uploadTime"],
            "updateTime": self._clock.timestamp(),
        }
        return self._store.put(_KIND, image, body, parent=repository)

    def find(self, image: str) -> dict[str, Any] | None:
        """The record of an image by digest; None is what a registry calls an unknown manifest."""
        return self._store.get(_KIND, image)

    def tag(self, image: str, tags: list[str]) -> None:
        """Let these be the image's tags."""
        held = self.find(image)
        if held and sorted(set(tags)) != held["tags"]:
            body = held | {"tags": sorted(set(tags)), "updateTime": self._clock.timestamp()}
            self._store.put(_KIND, image, body, parent=held["repository"])

    def resolved(self, image: str) -> str:
        """The image by digest of one that is named by a tag (by none: `latest`); as it is where nothing has the tag."""
        named = _TAGGED.fullmatch(image)
        if named is None:
            return image
        location, tag = named["host"].removesuffix("-docker.pkg.dev"), named["tag"] or "latest"
        repository = f"projects/{named['project']}/locations/{location}/repositories/{named['repository']}"
        tagged = [each for each in self.of_repository(repository) if each["package"] == named["package"]]
        holders = [each for each in tagged if tag in each["tags"]]
        return max(holders, key=lambda each: each["updateTime"])["image"] if holders else image

    def forget(self, image: str) -> None:
        self._store.delete(_KIND, image)

    def of_repository(self, repository: str) -> list[dict[str, Any]]:
        return [body for _, body in self._store.list(_KIND, repository)]
