"""The custom jobs of pipeline tasks, and what stands for their images.

A task's job is made as any other, by the REST API's own rules. Its image is run by its registered manifest, a stock
image (`python:3.11`, which KFP gives to components that name no other) by what stands for it (stock_images.py). Any
other image is one that cannot be pulled.
"""

import contextlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local.cloud.aiplatform.custom_jobs import CustomJobs
from local.cloud.aiplatform.messages import canonical
from local.cloud.aiplatform.stock_images import TASK_SITE, stock_runtime
from local.cloud.errors import ApiError
from local.cloud.iam.enforcement import object_of_uri
from local.cloud.iam.known_accounts import DOMAIN
from local.cloud.identity import Principal
from local.cloud.jobs.images import ImageNotFoundError, RuntimeManifest, runtime_of
from local.cloud.pipelines.records import TaskRecord
from local.cloud.pipelines.surroundings import JobRefusedError, JobView

if TYPE_CHECKING:
    from local.cloud.app import Cloud


class TaskJobs:
    """The jobs of one run's tasks, in the run's own location, made as the run's account."""

    def __init__(
        self, cloud: "Cloud", jobs: CustomJobs, *, location: str, folder: Path, objects: Path, account: str, root: str
    ) -> None:
        self._cloud = cloud
        self._jobs = jobs
        self._location = location
        self._folder = folder
        self._objects = objects
        self._principal = Principal(account)
        self._root = root

    def submit(self, body: dict[str, Any], *, task: TaskRecord) -> str:
        try:
            job = canonical("CustomJob", body, "custom_job")
            self._check_root()
            if task.kind == "customJob":
                self._check_access(job)
            runtimes = {image: runtime for image in _images(job) if (runtime := self._runtime(image, job, task))}
            return self._jobs.submit(self._location, job, runtimes=runtimes)["name"]
        except ApiError as error:
            raise JobRefusedError(error.message, error.rpc_status()["code"]) from None

    def _check_root(self) -> None:
        """Every task leaves what it made under the run's root, as the run's account. A default account is Google's own
        to look after. Source: https://cloud.google.com/vertex-ai/docs/pipelines/configure-project
        """
        if self._root.startswith("gs://") and self._principal.email.endswith(DOMAIN):
            for permission in ("storage.objects.get", "storage.objects.create"):
                self._cloud.access.require(self._principal, permission, object_of_uri(f"{self._root.rstrip('/')}/run"))

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
        runtime = stock_runtime(image, self._folder / task.id)
        if runtime is None and _runs_kfp(job):
            with contextlib.suppress(ImageNotFoundError):
                runtime = runtime_of(image, self._cloud.images.find)
        if runtime is None:
            return None
        path = list(dict.fromkeys([*runtime.pythonpath, str(TASK_SITE)]))
        mount = {"KFP_GCS_MOUNT": f"{self._objects}/"}
        return runtime.model_copy(update={"pythonpath": path, "env": {**runtime.env, **mount}, "preload": []})


def _images(job: dict[str, Any]) -> set[str]:
    pools = job.get("jobSpec", {}).get("workerPoolSpecs", [])
    return {pool["containerSpec"]["imageUri"] for pool in pools if pool.get("containerSpec", {}).get("imageUri")}


def _runs_kfp(job: dict[str, Any]) -> bool:
    """Whether a job runs a KFP component, which finds artifacts where buckets are mounted."""
    containers = [pool.get("containerSpec", {}) for pool in job.get("jobSpec", {}).get("workerPoolSpecs", [])]
    words = [word for each in containers for word in [*each.get("command", []), *each.get("args", [])]]
    return any("kfp.dsl.executor_main" in word for word in words)
