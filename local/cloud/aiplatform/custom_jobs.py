"""Custom jobs as resources.

Owns: their REST methods, states and times, and what becomes of those that ran when the cloud died. Does not own: their
processes (jobs/).
Source: https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.customJobs
"""

import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local.cloud.aiplatform.accelerator_quotas import refuse_beyond_quota
from local.cloud.aiplatform.job_rules import check_encryption, check_job, require_running, seconds, slots_on
from local.cloud.aiplatform.machines import machine_size
from local.cloud.aiplatform.messages import canonical
from local.cloud.aiplatform.networks import may_attach
from local.cloud.aiplatform.persistent_resources import PersistentResources
from local.cloud.aiplatform.resources import (
    Collection,
    Resource,
    done,
    location_of,
    new_id,
    refuse_outside,
    without_output_only,
)
from local.cloud.aiplatform.settings import SettingsStore
from local.cloud.aiplatform.stock_images import stock_runtimes
from local.cloud.call import Call
from local.cloud.errors import ApiError, failed_precondition
from local.cloud.iam.enforcement import act_as
from local.cloud.identity import Principal
from local.cloud.jobs.images import RuntimeManifest
from local.cloud.jobs.runner import JobRunner
from local.cloud.jobs.spec import (
    DEFAULT_TIMEOUT_SECONDS,
    DEFAULT_WAIT_SECONDS,
    FINAL_STATES,
    Job,
    JobState,
    JobUpdate,
    MachineSize,
    PoolSlot,
    Strategy,
    image_of,
    worker_pool,
)
from local.cloud.metadata_server import metadata_host
from local.cloud.routing import Route

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_RUN = "aiplatform.CustomJob.run"
_MOST_RESTARTS = 3
_INTERNAL = 13

Listener = Callable[[Resource], None]


class CustomJobs(Collection):
    """`listeners` are told each new state of a job, after it is on disk."""

    def __init__(self, cloud: "Cloud", runner: JobRunner, pools: PersistentResources, settings: SettingsStore) -> None:
        super().__init__(cloud, "CustomJob")
        self._settings = settings
        self._runner = runner
        self._pools = pools
        self.listeners: list[Listener] = []

    def routes(self) -> list[Route]:
        parent = "/v1/{parent=projects/*/locations/*}/customJobs"
        name = "/v1/{name=projects/*/locations/*/customJobs/*}"
        may = "aiplatform.customJobs"
        return [
            Route("POST", parent, self._create, f"{may}.create"),
            Route("GET", parent, lambda call: self.page(call, "customJobs"), f"{may}.list"),
            Route("GET", name, lambda call: self.shown(self.get(call.params["name"])), f"{may}.get"),
            Route("POST", f"{name}:cancel", self._cancel, f"{may}.cancel"),
            Route("DELETE", name, self._delete, f"{may}.delete"),
        ]

    def submit(
        self, parent: str, body: Resource, *, short: str = "", runtimes: Mapping[str, RuntimeManifest] | None = None
    ) -> Resource:
        """Check a canonical `CustomJob` as the API does, keep it (with `short` for its id) and run it. `runtimes` stand
        for its images.
        """
        check_job(body)
        slots, account = self._place(parent, body, new=True)
        if not body["jobSpec"].get("persistentResourceId"):
            refuse_beyond_quota(self.cloud.store, parent, body["jobSpec"]["workerPoolSpecs"])
        wanted = without_output_only(body, "state", "error", "startTime", "endTime", "webAccessUris")
        job = self.create(f"{parent}/customJobs/{short or new_id()}", {**wanted, "state": JobState.PENDING.value})
        runtimes = {**self._stock(job, known=runtimes or {}), **(runtimes or {})}
        stand_ins = {image: runtime.model_dump() for image, runtime in runtimes.items()}
        self.cloud.store.put(_RUN, job["name"], {"restarts": 0, "runtimes": stand_ins})
        runnable = self._runnable(job, slots, account)
        self.cloud.store.when_committed(lambda: self._runner.submit(runnable, runtimes=runtimes))
        return job

    def cancel(self, name: str) -> None:
        """Ask a job to end. One that has ended stays as it is."""
        job = self.get(name)
        if job["state"] not in FINAL_STATES:
            self._runner.cancel(job["name"])

    def report(self, name: str, update: JobUpdate) -> None:
        """The runner's word on a job."""

        def change(job: Resource) -> None:
            job["state"] = update.state.value
            if update.state is JobState.RUNNING:
                job.setdefault("startTime", self.cloud.clock.timestamp())
            if update.state.final:
                job["endTime"] = self.cloud.clock.timestamp()
            if update.error:
                job["error"] = {"code": update.error.code, "message": update.error.message}

        if update.state.final:
            shutil.rmtree(self._stock_folder(name), ignore_errors=True)
        if self.find(name) is None:
            return  # deleted meanwhile
        job = self.update(name, change)
        if update.state.final:
            self.cloud.identity.revoke(name)
        for listener in self.listeners:
            listener(job)

    def environment(self, job: Job) -> dict[str, str]:
        """What points a job's Google clients at this cloud, as its own service account."""
        email = job.service_account or self._default_account(job.project)
        identity = self.cloud.identity.issue(job=job.name, email=email, project=job.project)
        host = metadata_host(self.cloud.url, identity.secret)
        return {
            "GCE_METADATA_HOST": host,
            "GCE_METADATA_IP": host,
            "STORAGE_EMULATOR_HOST": self.cloud.url,
            "BIGQUERY_EMULATOR_HOST": self.cloud.url,
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_AIPLATFORM": f"{self.cloud.url}/",
            "GOOGLE_CLOUD_PROJECT": job.project,
        }

    def recover(self) -> None:
        """At start: what ran when the cloud died starts again, as on a machine that was lost, up to three times."""
        for job in self.all():
            if job["state"] not in FINAL_STATES:
                self.cloud.identity.revoke(job["name"])
                self._recover(job)

    def _recover(self, job: Resource) -> None:
        name, state = job["name"], JobState(job["state"])
        run = self.cloud.store.get(_RUN, name) or {"restarts": 0, "runtimes": {}}
        if state is JobState.CANCELLING:
            self._end(name, JobState.CANCELLED, 1, "CANCELED")
            return
        if state is JobState.RUNNING:
            run["restarts"] += 1
            retries = 0 if job["jobSpec"].get("scheduling", {}).get("disableRetries") else _MOST_RESTARTS
            if run["restarts"] > retries:
                text = f"its machine was lost (the local cloud ended while it ran) after {retries} restarts"
                self._end(name, JobState.FAILED, _INTERNAL, f"Internal error occurred for the current attempt: {text}.")
                return
        try:
            slots, account = self._place(location_of(name), job, new=False)
        except Exception as error:
            self._end(name, JobState.FAILED, _INTERNAL, f"The job could not be started again: {error}")
            return
        self.cloud.store.put(_RUN, name, run)
        self.update(name, lambda each: each.update(state=JobState.PENDING.value))
        runtimes = {image: RuntimeManifest.model_validate(body) for image, body in run["runtimes"].items()}
        self._runner.submit(self._runnable(job, slots, account), runtimes=runtimes)

    def _stock(self, job: Resource, *, known: Mapping[str, RuntimeManifest]) -> dict[str, RuntimeManifest]:
        """What stands for the stock images of a job, where whoever submits it has said nothing of them."""
        images = {image_of(pool) for pool in job["jobSpec"]["workerPoolSpecs"]} - {"", *known}
        return stock_runtimes(images, self._stock_folder(job["name"]))

    def _stock_folder(self, name: str) -> Path:
        return self.cloud.root / "stock" / name.rsplit("/", 1)[-1]

    def _end(self, name: str, state: JobState, code: int, message: str) -> None:
        shutil.rmtree(self._stock_folder(name), ignore_errors=True)
        now = self.cloud.clock.timestamp()
        error = {"code": code, "message": message}
        job = self.update(name, lambda each: each.update(state=state.value, endTime=now, error=error))
        for listener in self.listeners:
            listener(job)

    def _create(self, call: Call) -> dict[str, Any]:
        body = canonical("CustomJob", call.object(), "custom_job")
        self.may_submit(call.caller, call.params["parent"], body)
        return self.shown(self.submit(call.params["parent"], body))

    def may_submit(self, caller: Principal, location: str, body: Resource) -> None:
        """What a job's creator needs beyond the right to create it: to act as the account that the job will run as, its
        own or its persistent resource's (ServiceAccountSpec). Raises PERMISSION_DENIED, and INVALID_ARGUMENT for a
        tensorboard of another location.
        """
        spec = body.get("jobSpec", {})
        act_as(self.cloud, caller, spec.get("serviceAccount") or self._account_of_pool(location, spec))
        if spec.get("tensorboard"):
            refuse_outside(self.cloud, "customJob.jobSpec.tensorboard", [spec["tensorboard"]], location)
        may_attach(self.cloud, location, spec, at="jobSpec.")

    def _account_of_pool(self, location: str, spec: Resource) -> str:
        """The account that jobs on the named persistent resource run as unless they name one; "" for the service's."""
        pool = self._pools.find(f"{location}/persistentResources/{spec.get('persistentResourceId', '')}") or {}
        rule = pool.get("resourceRuntimeSpec", {}).get("serviceAccountSpec", {})
        return rule.get("serviceAccount", "") if rule.get("enableCustomServiceAccount") else ""

    def _cancel(self, call: Call) -> dict[str, Any]:
        self.cancel(call.params["name"])
        return {}

    def _delete(self, call: Call) -> dict[str, Any]:
        job = self.get(call.params["name"])
        if job["state"] not in FINAL_STATES:
            raise failed_precondition(f"CustomJob {job['name']} is {job['state']}: cancel it before it is deleted.")
        self.remove(job["name"])
        self.cloud.store.delete(_RUN, job["name"])
        return done(call, "Delete", None)

    def _place(self, parent: str, body: Resource, *, new: bool) -> tuple[list[PoolSlot | None], str]:
        """The resource pool of each worker pool, and the service account that the job runs as ("" is Vertex AI's own).

        A persistent resource that does not enable custom accounts runs everything as Vertex AI's own. A new job needs
        it running; one that was accepted waits until it is.
        """
        spec = body["jobSpec"]
        account = spec.get("serviceAccount", "")
        if not spec.get("persistentResourceId"):
            return [None] * len(spec["workerPoolSpecs"]), account
        resource = self._pools.get(f"{parent}/persistentResources/{spec['persistentResourceId']}")
        if new:
            require_running(resource)
        check_encryption(body, resource)
        rule = resource.get("resourceRuntimeSpec", {}).get("serviceAccountSpec", {})
        account = (account or rule.get("serviceAccount", "")) if rule.get("enableCustomServiceAccount") else ""
        slots = slots_on(body, resource)
        if new and self._settings.now.refuse_when_busy:
            self._refuse_busy(spec, slots)
        return slots, account

    def _refuse_busy(self, spec: Resource, slots: list[PoolSlot | None]) -> None:
        wanted: Counter[PoolSlot] = Counter()
        for pool, slot in zip(spec["workerPoolSpecs"], slots, strict=True):
            wanted.update({slot: int(pool.get("replicaCount", 1))} if slot else {})
        for slot, count in wanted.items():
            free = self._pools.limit(slot) - self._runner.used(slot)
            if count > free:
                short = slot.resource.rsplit("/", 1)[-1]
                text = (
                    f"PersistentResource {short} is busy: {count} replicas of pool {slot.pool!r} wanted, {free} free."
                )
                raise ApiError(429, text)

    def _runnable(self, job: Resource, slots: list[PoolSlot | None], account: str) -> Job:
        found = _runnable(job, slots, account, self._size_of)
        by_digest = [replace(pool, image=self.cloud.images.resolved(pool.image)) for pool in found.pools]
        return replace(found, pools=tuple(by_digest))

    def _size_of(self, machine: str) -> MachineSize:
        size, most = machine_size(machine), self._settings.now.replica_memory_mb
        return replace(size, memory_bytes=most << 20) if most else size

    def _default_account(self, project: str) -> str:
        """The service agent that a job without an account of its own runs as."""
        return f"service-{self.cloud.projects.number_of(project)}@gcp-sa-aiplatform-cc.iam.gserviceaccount.com"


def _runnable(job: Resource, slots: list[PoolSlot | None], account: str, size_of: Callable[[str], MachineSize]) -> Job:
    spec = job["jobSpec"]
    scheduling = spec.get("scheduling", {})
    pools = [
        worker_pool(pool, slot, size_of(pool.get("machineSpec", {}).get("machineType", "")))
        for pool, slot in zip(spec["workerPoolSpecs"], slots, strict=True)
    ]
    wait = scheduling.get("maxWaitDuration")
    return Job(
        name=job["name"],
        pools=tuple(pools),
        spec=spec,
        service_account=account,
        base_output_directory=spec.get("baseOutputDirectory", {}).get("outputUriPrefix", ""),
        timeout_seconds=seconds(scheduling["timeout"]) if scheduling.get("timeout") else DEFAULT_TIMEOUT_SECONDS,
        disable_retries=scheduling.get("disableRetries", False),
        restart_on_worker_restart=scheduling.get("restartJobOnWorkerRestart", False),
        strategy=Strategy.of(scheduling.get("strategy", "")),
        max_wait_seconds=seconds(wait) if wait is not None else DEFAULT_WAIT_SECONDS,
    )
