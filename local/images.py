"""The trainer's and the steps' images on a laptop without Docker: their files copied aside under a digest.

Owns: what belongs to each image and its digest. A job runs the copy, never the checkout, so that an edit during a run
changes nothing, as with a real image. Does not own: how a manifest is run (local/cloud/jobs).
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from contracts.stack_outputs import ImageLock, StackOutputs
from local.layout import Layout
from local.server import Address


@dataclass(frozen=True)
class ImageContent:
    """`context` holds what is copied, relative to the project's root; `python_path` is where its packages lie."""

    name: str
    context: tuple[str, ...]
    python_path: str
    preload: tuple[str, ...]


CONTENTS = {
    "trainer": ImageContent(
        name="recsys-train",
        context=("trainer/requirements.txt", "trainer/Dockerfile", "trainer/train"),
        python_path="trainer",
        preload=("numpy", "pyarrow.parquet", "torch", "torch._dynamo", "train.main", "train.evaluate"),
    ),
    "steps": ImageContent(
        name="recsys-steps",
        context=("contracts", "pipeline"),
        python_path=".",
        preload=("pyarrow.parquet", "pydantic", "pipeline.steps"),
    ),
}


def register(layout: Layout, address: Address, repository: str) -> ImageLock:
    """Copy the images' files aside, make them runnable in the cloud, and write the lock file that the stack reads."""
    for role, image in _images(layout, repository).items():
        content = CONTENTS[role]
        folder = _copied(layout, content, image.rpartition(":")[2])
        body = {"image": image, "runtime": _runtime(content, folder), "tags": [_git_sha(layout.root)]}
        address.call("PUT", "/_local/images", body, seconds=60)
    return lock(layout, repository)


def lock(layout: Layout, repository: str) -> ImageLock:
    """Write the lock file: the digests that the checkout's files have now. Needs no cloud."""
    images = _images(layout, repository)
    layout.home.mkdir(exist_ok=True)
    _write(layout.image_lock, json.dumps(images, indent=1) + "\n")
    return ImageLock(**images)


def _images(layout: Layout, repository: str) -> dict[str, str]:
    return {
        role: f"{repository}/{content.name}@sha256:{_digest(layout.root, content)}"
        for role, content in CONTENTS.items()
    }


def warm(address: Address, outputs: StackOutputs) -> None:
    """Begin each image's warm process on the pool that its jobs run on, so that a first run does not wait for it."""
    trained_on = [(pool, outputs.images.trainer) for pool in outputs.training_pools]
    for pool, image in (*trained_on, (outputs.steps_pool, outputs.images.steps)):
        if not pool.persistent_resource_id:  # hibernated
            continue
        where = f"projects/{outputs.project}/locations/{outputs.region}/persistentResources"
        address.call("POST", f"/_local/aiplatform/{where}/{pool.persistent_resource_id}:warm", {"image": image})


def _runtime(content: ImageContent, folder: Path) -> dict:
    return {
        "interpreter": sys.executable,
        "workdir": str(folder / content.python_path),
        "pythonpath": [str(folder / content.python_path)],
        "env": {"GIT_SHA": (folder / "GIT_SHA").read_text()},
        "preload": list(content.preload),
    }


def _copied(layout: Layout, content: ImageContent, digest: str) -> Path:
    folder = layout.images / digest
    if folder.exists():
        return folder
    draft = layout.images / f"{digest}.{os.getpid()}"
    shutil.rmtree(draft, ignore_errors=True)
    for source in _files(layout.root, content):
        target = draft / source.relative_to(layout.root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    (draft / "GIT_SHA").write_text(_git_sha(layout.root))
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(draft)], check=True)
    draft.rename(folder)
    return folder


def _digest(root: Path, content: ImageContent) -> str:
    digest = hashlib.sha256()
    for path in _files(root, content):
        digest.update(f"{path.relative_to(root)}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _files(root: Path, content: ImageContent) -> Iterator[Path]:
    for entry in content.context:
        path = root / entry
        found = [path] if path.is_file() else sorted(path.rglob("*"))
        yield from (file for file in found if file.is_file() and "__pycache__" not in file.parts)


def _git_sha(root: Path) -> str:
    """The commit of the checkout, "-dirty" added where it has changes; "unknown" outside a git checkout."""
    try:
        sha = _git(root, "rev-parse", "HEAD")
        return sha + ("-dirty" if _git(root, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(root: Path, *command: str) -> str:
    return subprocess.run(["git", *command], cwd=root, check=True, capture_output=True, text=True).stdout.strip()


def _write(path: Path, text: str) -> None:
    draft = path.with_suffix(f".{os.getpid()}")
    draft.write_text(text)
    draft.replace(path)
