"""Where the images of a stack come from: the one place that decides.

Either an ImageLock file names them by digest (`imagesLock` in the stack file: written by CI or by the local stack), or
they are built from this checkout and pushed while the stack is deployed. Does not own: building (infra/images.py).
"""

import re
import subprocess
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from contracts.problems import Problem
from contracts.stack_outputs import ImageLock
from infra.stack_config import config_key

_BY_DIGEST = re.compile(r"[a-z0-9.:-]+(/[a-z0-9._-]+)+@sha256:[0-9a-f]{64}")
_KEY = config_key("images_lock")


class Checkout(BaseModel):
    """A git checkout to build images from. `revision` tags them; uncommitted changes add "-dirty" to it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    revision: str


def image_source(lock_file: str, root: Path) -> tuple[ImageLock | Checkout | None, list[Problem]]:
    """The source that `lock_file` (a path relative to `root`, or "" to build) stands for, or why it cannot be used."""
    return _read_lock(lock_file, root) if lock_file else _checkout(root)


def _read_lock(lock_file: str, root: Path) -> tuple[ImageLock | None, list[Problem]]:
    fix = f'Run `make up STACK=local`, which writes it, or set {_KEY} to "" to build and push the images'
    try:
        lock = ImageLock.model_validate_json((root / lock_file).read_bytes())
    except ValidationError as error:
        found = (": ".join([*map(str, detail["loc"]), detail["msg"]]) for detail in error.errors())
        rule = f"must hold the images as JSON ({'; '.join(found)})"
        return None, [Problem(key=_KEY, value=lock_file, rule=rule, fix=fix)]
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        reason = getattr(error, "strerror", None) or error
        return None, [Problem(key=_KEY, value=lock_file, rule=f"must name a readable file ({reason})", fix=fix)]
    rule = "must be host/project/repository/name@sha256:… : jobs run images by digest only"
    return lock, [
        Problem(key=f"{lock_file}: {name}", value=image, rule=rule, fix=fix)
        for name, image in lock.model_dump().items()
        if not _BY_DIGEST.fullmatch(image)
    ]


def _checkout(root: Path) -> tuple[Checkout | None, list[Problem]]:
    try:
        revision = _git(root, "rev-parse", "HEAD")
        dirty = "-dirty" if _git(root, "status", "--porcelain") else ""
    except OSError as error:
        return None, [_no_checkout(root, str(error))]
    except subprocess.CalledProcessError as error:
        return None, [_no_checkout(root, error.stderr.strip())]
    return Checkout(revision=revision + dirty), []


def _no_checkout(root: Path, reason: str) -> Problem:
    rule = f"means to build from the checkout, but {root} is none ({reason})"
    return Problem(
        key=_KEY,
        value="",
        rule=rule,
        fix="Deploy from a git checkout with a commit, or name a file with the images' digests",
    )


def _git(root: Path, *command: str) -> str:
    return subprocess.run(["git", *command], cwd=root, check=True, capture_output=True, text=True).stdout.strip()
