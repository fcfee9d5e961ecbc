"""The images that jobs may run, by digest, and how each is run on this host.

An image is not pulled: whoever built it registers a `RuntimeManifest` that says which interpreter, folder and environment stand
for it here. A digest that nobody registered is an image that cannot be pulled.
"""

import json
import os
import re
import threading
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, field_validator

_BY_DIGEST = re.compile(r"(?P<repository>[^@\s]+)@(?P<digest>sha256:[0-9a-f]{64})")


class RuntimeManifest(BaseModel):
    """What stands for an image on this host. `preload` names the modules that a warm process imports once for all jobs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    interpreter: str
    workdir: str
    pythonpath: list[str] = []
    env: dict[str, str] = {}
    entrypoint: list[str] = []
    preload: list[str] = []

    @field_validator("interpreter", "workdir")
    @classmethod
    def _absolute(cls, path: str) -> str:
        if not Path(path).is_absolute():
            raise ValueError(
                f"{path!r} is not an absolute path: a manifest must not depend on where the cloud was started"
            )
        return path

    @field_validator("preload")
    @classmethod
    def _no_google_clients(cls, modules: list[str]) -> list[str]:
        clients = [name for name in modules if name == "google" or name.startswith("google.")]
        if clients:
            raise ValueError(
                f"preload {clients!r}: google-auth reads the metadata server's address when it is imported, so a job forked from "
                "such a process would have another job's identity. Leave google.* out and import it inside the job"
            )
        return modules


class ImageNotFoundError(LookupError):
    """The image is not registered; the text is what a failed pull says."""


class ImageRegistry:
    """The registered images. Each `put` is on disk before it returns."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._runtimes: dict[str, RuntimeManifest] = {}
        if path.exists():
            stored: Mapping[str, object] = json.loads(path.read_text())
            self._runtimes = {image: RuntimeManifest.model_validate(runtime) for image, runtime in stored.items()}

    def put(self, image: str, runtime: RuntimeManifest) -> None:
        """Register `image` (host/path@sha256:…); an earlier manifest of the same image is replaced."""
        if not _BY_DIGEST.fullmatch(image):
            raise ValueError(
                f"image {image!r} must be named by digest: host/project/repository/name@sha256:<64 hex digits>"
            )
        with self._lock:
            self._runtimes[image] = runtime
            self._save()

    def get(self, image: str) -> RuntimeManifest:
        """The runtime of `image`; raises `ImageNotFoundError`."""
        match = _BY_DIGEST.fullmatch(image)
        if not match:
            raise ImageNotFoundError(
                f"Failed to pull image {image!r}: tags are not resolved here. Name the image by its digest (@sha256:…)"
            )
        with self._lock:
            runtime = self._runtimes.get(image)
        if runtime is None:
            raise ImageNotFoundError(
                f"Failed to pull image {image!r}: manifest for {match['digest']} is not found in the registry. "
                "Push (register) the image before a job names it"
            )
        return runtime

    def all(self) -> dict[str, RuntimeManifest]:
        with self._lock:
            return dict(self._runtimes)

    def _save(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_suffix(".tmp")
        draft.write_text(
            json.dumps({image: runtime.model_dump() for image, runtime in self._runtimes.items()}, indent=1)
        )
        draft.replace(self._path)


def digest_of(image: str) -> str:
    """The short digest that names an image in logs and file names."""
    match = _BY_DIGEST.fullmatch(image)
    return match["digest"][7:19] if match else re.sub(r"[^A-Za-z0-9]+", "-", image)


def search_path(interpreter: str) -> str:
    """PATH of a job: the image's interpreter first, then the host's system folders, nothing of the operator's."""
    system = ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin", "/opt/homebrew/bin"]
    return os.pathsep.join([str(Path(interpreter).parent), *system])
