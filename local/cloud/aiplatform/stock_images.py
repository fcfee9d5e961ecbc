"""Stock images: those that everybody's components name and nobody registers.

The plain Python images (Docker Hub's `python`, Red Hat's `python-3xx`, Google's pipeline components and prebuilt
training containers) are run by the
cloud's own interpreter, whatever version they ask for, in an environment of the task's own: what a component installs
goes there and nowhere else. The plain system images (alpine, bash, busybox, debian, ubuntu, Red Hat's `ubi`) are run by
this host's shell and commands. Owns: which images these are. Any other image has to be registered
(local/cloud/images.py).
"""

import ensurepip
import importlib.util
import os
import re
import shutil
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from pathlib import Path

from local.cloud.jobs.images import RuntimeManifest

TASK_SITE = Path(__file__).resolve().parents[1] / "pipelines" / "task_site"
_DOCKER_HUB = r"(?:(?:index\.)?docker\.io/|public\.ecr\.aws/docker/|mirror\.gcr\.io/)?(?:library/)?"
_COMPONENTS = r"gcr\.io/ml-pipeline/google-cloud-pipeline-components"
_PREBUILT = r"(?:(?:us|europe|asia)-docker\.pkg\.dev/vertex-ai|gcr\.io/cloud-aiplatform)/training/[\w.-]+"
_RED_HAT = r"registry\.(?:access\.)?redhat\.(?:com|io)/"
_VERSION = r"(?::[\w.-]+)?(?:@sha256:[0-9a-f]{64})?"
_PYTHON = re.compile(
    rf"(?:{_DOCKER_HUB}python(?!:2\b)|{_COMPONENTS}|{_PREBUILT}|{_RED_HAT}(?:ubi\d+|rhel\d+)/python-3\d+(?:-minimal)?){_VERSION}",
    re.ASCII,
)
_SYSTEM = re.compile(
    rf"(?:{_DOCKER_HUB}(?:alpine|bash|busybox|debian|ubuntu)|(?:ghcr\.io/containerd/|quay\.io/prometheus/)busybox"
    rf"|{_RED_HAT}ubi\d+/ubi(?:-minimal|-micro)?){_VERSION}",
    re.ASCII,
)
_WITH_DASH = re.compile(r"\b(debian|ubuntu)\b")
# How this host reaches a package index. An address with a password in it is not handed to jobs.
_INDEX_SETTINGS = (
    *("PIP_CERT", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"),
    *("PIP_TRUSTED_HOST", "PIP_PROXY", "PIP_DEFAULT_TIMEOUT"),
)


def is_stock(image: str) -> bool:
    return bool(_PYTHON.fullmatch(image) or _SYSTEM.fullmatch(image))


def stock_runtime(image: str, folder: Path) -> RuntimeManifest | None:
    """What stands for a stock image, with `folder` for its environment; None for any other image."""
    if _PYTHON.fullmatch(image):
        return stock_python(folder)
    return stock_system(image, folder) if _SYSTEM.fullmatch(image) else None


def stock_system(image: str, folder: Path) -> RuntimeManifest:
    """An empty folder, no Python, and a shell named `sh` that knows `[[` where the image's does."""
    commands = folder / "bin"
    commands.mkdir(parents=True, exist_ok=True)
    bash = shutil.which("bash")
    if bash and not _WITH_DASH.search(image) and not (commands / "sh").is_symlink():
        (commands / "sh").symlink_to(bash)
    return RuntimeManifest(interpreter=str(commands / "no-python-in-this-image"), workdir=str(folder))


def stock_runtimes(images: Iterable[str], folder: Path) -> dict[str, RuntimeManifest]:
    """What stands for those of a job's images that are stock, each in a folder of its own below `folder`."""
    found = {image: stock_runtime(image, folder / str(number)) for number, image in enumerate(sorted(set(images)))}
    return {image: runtime for image, runtime in found.items() if runtime is not None}


def stock_python(folder: Path) -> RuntimeManifest:
    """A fresh environment over the cloud's interpreter: its packages can be imported, new ones are installed apart."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = folder / "lib" / version / "site-packages"
    packages.mkdir(parents=True, exist_ok=True)
    commands = folder / "bin"
    commands.mkdir(exist_ok=True)
    base = Path(sys.base_prefix) / "bin"
    (folder / "pyvenv.cfg").write_text(f"home = {base}\ninclude-system-site-packages = false\n")
    for name in ("python", "python3", version):
        link = commands / name
        if not link.is_symlink():
            link.symlink_to(Path(sys.executable).resolve())
    known = dict.fromkeys([sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *_bundled_pip()])
    (packages / "host.pth").write_text("\n".join(known) + "\n")
    for name in ("pip", "pip3"):
        pip = commands / name
        pip.write_text('#!/bin/sh\nexec "$(dirname "$0")/python" -m pip "$@"\n')
        pip.chmod(0o755)
    env = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "TASK_PACKAGES": str(packages), **_installing(os.environ)}
    python = str(commands / "python")
    return RuntimeManifest(interpreter=python, workdir=str(folder), pythonpath=[str(TASK_SITE)], env=env)


def _installing(operator: Mapping[str, str]) -> dict[str, str]:
    """What tells a task's pip, and uv in its place where this host has it, how to reach the package index."""
    settings = {name: operator[name] for name in _INDEX_SETTINGS if name in operator and "@" not in operator[name]}
    uv = Path(sys.executable).parent / "uv"
    found = str(uv) if uv.exists() else shutil.which("uv")
    if found is None:
        return settings
    cache = operator.get("UV_CACHE_DIR") or str(
        Path(operator.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "uv"
    )
    return {**settings, "TASK_UV": found, "TASK_UV_CACHE": cache}


def _bundled_pip() -> list[str]:
    """The wheel of pip that comes with Python, for an interpreter that has no pip installed."""
    if importlib.util.find_spec("pip"):
        return []
    return [str(wheel) for wheel in Path(ensurepip.__file__).parent.glob("_bundled/pip-*.whl")]
