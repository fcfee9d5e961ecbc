"""The custom jobs of pipeline tasks, and what stands for their images.

A task's job is made as any other, by the REST API's own rules. Its image is run by its registered manifest. The stock
Python images of Docker Hub (`python:3.11`, `python:3.12-slim`, …), which KFP gives to components that name no other,
need no registration: the cloud's own interpreter stands for them, in an environment of the task's own, so that what a
component installs by pip goes there and nowhere else. Any other image is one that cannot be pulled.
"""

import ensurepip
import importlib.util
import re
import shutil
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local.cloud.aiplatform.custom_jobs import CustomJobs
from local.cloud.aiplatform.messages import canonical
from local.cloud.errors import ApiError
from local.cloud.identity import Principal
from local.cloud.jobs.images import ImageNotFoundError, RuntimeManifest, runtime_of
from local.cloud.pipelines.records import TaskRecord
from local.cloud.pipelines.surroundings import JobRefusedError, JobView

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_STOCK_PYTHON = re.compile(r"(?:[\w.-]+(?::\d+)?/)*(?:library/)?python(?::3[\w.-]*)?(?:@sha256:[0-9a-f]{64})?")
_MOUNT = Path(__file__).resolve().parents[1] / "pipelines" / "kfp_mount"


class TaskJobs:
    """The jobs of one run's tasks, in the run's own location, made as the run's account."""

    def __init__(
        self, cloud: "Cloud", jobs: CustomJobs, *, location: str, folder: Path, objects: Path, account: str
    ) -> None:
        self._cloud = cloud
        self._jobs = jobs
        self._location = location
        self._folder = folder
        self._objects = objects
        self._principal = Principal(account)

    def submit(self, body: dict[str, Any], *, task: TaskRecord) -> str:
        try:
            job = canonical("CustomJob", body, "custom_job")
            if task.kind == "customJob":
                self._check_access(job)
            runtimes = {image: runtime for image in _images(job) if (runtime := self._runtime(image, job, task))}
            return self._jobs.submit(self._location, job, runtimes=runtimes)["name"]
        except ApiError as error:
            raise JobRefusedError(error.message, error.rpc_status()["code"]) from None

    def _check_access(self, job: dict[str, Any]) -> None:
        """What the run's account needs where its task creates a job; a plain container's job is the service's own."""
        self._cloud.access.require(self._principal, "aiplatform.customJobs.create", self._location)
        self._jobs.may_submit(self._principal, self._location, job)

    def view(self, name: str) -> JobView | None:
        job = self._jobs.find(name)
        return JobView(job["state"], job.get("error")) if job else None

    def cancel(self, name: str) -> None:
        self._jobs.cancel(name)

    def clean(self) -> None:
        """Remove the environments of the run's tasks."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _runtime(self, image: str, job: dict[str, Any], task: TaskRecord) -> RuntimeManifest | None:
        """What stands for an image, where that is not simply its registered manifest."""
        if _STOCK_PYTHON.fullmatch(image):
            runtime = stock_python(self._folder / task.id)
        elif _runs_kfp(job):
            try:
                runtime = runtime_of(image, self._cloud.images.find)
            except ImageNotFoundError:
                return None
        else:
            return None
        mount = {"KFP_GCS_MOUNT": f"{self._objects}/"}
        return runtime.model_copy(
            update={"pythonpath": [*runtime.pythonpath, str(_MOUNT)], "env": {**runtime.env, **mount}, "preload": []}
        )


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
    pip = commands / "pip"
    pip.write_text('#!/bin/sh\nexec "$(dirname "$0")/python" -m pip "$@"\n')
    pip.chmod(0o755)
    env = {"PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    return RuntimeManifest(interpreter=str(commands / "python"), workdir=str(folder), env=env)


def _bundled_pip() -> list[str]:
    """The wheel of pip that comes with Python, for an interpreter that has no pip installed."""
    if importlib.util.find_spec("pip"):
        return []
    return [str(wheel) for wheel in Path(ensurepip.__file__).parent.glob("_bundled/pip-*.whl")]


def _images(job: dict[str, Any]) -> set[str]:
    pools = job.get("jobSpec", {}).get("workerPoolSpecs", [])
    return {pool["containerSpec"]["imageUri"] for pool in pools if pool.get("containerSpec", {}).get("imageUri")}


def _runs_kfp(job: dict[str, Any]) -> bool:
    """Whether a job runs a KFP component, which finds artifacts where buckets are mounted."""
    containers = [pool.get("containerSpec", {}) for pool in job.get("jobSpec", {}).get("workerPoolSpecs", [])]
    words = [word for each in containers for word in [*each.get("command", []), *each.get("args", [])]]
    return any("kfp.dsl.executor_main" in word for word in words)
