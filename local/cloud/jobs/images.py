"""How an image is run on this host.

An image is not pulled: whoever built it registers a `RuntimeManifest` that says which interpreter, folder and
environment stand for it here. A digest that nobody registered is an image that cannot be pulled.
"""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator

_BY_DIGEST = re.compile(r"[^@\s]+@(?P<digest>sha256:[0-9a-f]{64})")

FindImage = Callable[[str], Mapping[str, Any] | None]


class RuntimeManifest(BaseModel):
    """What stands for an image on this host. `preload` names the modules that a warm process imports once for all."""

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
                f"preload {clients!r}: google-auth reads the metadata server's address when it is imported, so a job "
                "forked from such a process would have another's identity. Leave google.* out, import it inside the job"
            )
        return modules


class ImageNotFoundError(LookupError):
    """The image is not registered; the text is what a failed pull says."""


def runtime_of(image: str, find: FindImage) -> RuntimeManifest:
    """The runtime of an image by digest. `find` returns its record, {"runtime": …}; raises `ImageNotFoundError`."""
    match = _BY_DIGEST.fullmatch(image)
    if not match:
        raise ImageNotFoundError(
            f"Failed to pull image {image!r}: no registered image has this name and tag. Register it, or name it by "
            "its digest (@sha256:…). Stock images are known by name: python, alpine, bash, busybox, debian, ubuntu"
        )
    record = find(image)
    if record is None:
        raise ImageNotFoundError(
            f"Failed to pull image {image!r}: manifest for {match['digest']} is not found in the registry. "
            "Push (register) the image before a job names it"
        )
    return RuntimeManifest.model_validate(record["runtime"])


def digest_of(image: str) -> str:
    """The short digest that names an image in file names."""
    match = _BY_DIGEST.fullmatch(image)
    return match["digest"][7:19] if match else re.sub(r"[^A-Za-z0-9]+", "-", image)


def search_path(interpreter: str) -> str:
    """PATH of a job: the image's interpreter first, then the host's system folders, nothing of the operator's."""
    system = ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin", "/opt/homebrew/bin"]
    return os.pathsep.join([str(Path(interpreter).parent), *system])
