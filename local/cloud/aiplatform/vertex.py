"""Vertex AI of one cloud: the services, what they share, and their start and end."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local.cloud.admin import by_operator
from local.cloud.aiplatform.custom_jobs import CustomJobs
from local.cloud.aiplatform.log_entries import LogEntries
from local.cloud.aiplatform.metadata import Metadata
from local.cloud.aiplatform.models import Models
from local.cloud.aiplatform.persistent_resources import PersistentResources
from local.cloud.aiplatform.pipeline_jobs import PipelineJobs
from local.cloud.aiplatform.quotas import Quotas
from local.cloud.aiplatform.schedules import Schedules
from local.cloud.aiplatform.settings import SettingsStore
from local.cloud.aiplatform.tensorboards import Tensorboards
from local.cloud.aiplatform.training_pipelines import TrainingPipelines
from local.cloud.call import Call
from local.cloud.errors import invalid_argument, not_found
from local.cloud.jobs.images import ImageNotFoundError, RuntimeManifest
from local.cloud.jobs.launching import Surroundings
from local.cloud.jobs.runner import JobRunner
from local.cloud.jobs.spec import Job, JobUpdate, PoolSlot
from local.cloud.routing import Route, Service

if TYPE_CHECKING:
    from local.cloud.app import Cloud


class Vertex:
    """`runner` runs jobs; `pools`, `jobs` and the others are the resources. `host_limit`: replicas that run at once."""

    def __init__(self, cloud: "Cloud", *, host_limit: int | None = None) -> None:
        self._cloud = cloud
        objects = objects_folder(cloud)
        self._settings = SettingsStore(cloud.store)
        self._quotas = Quotas(cloud, self._settings)
        surroundings = Surroundings(
            find_image=cloud.images.find,
            report=self._report,
            environment=self._environment,
            objects=objects,
            pool_limit=self._limit,
            now=cloud.clock.now,
            provision=self._provision,
        )
        self.runner = JobRunner(
            cloud.root / "jobs", surroundings, host_limit=host_limit or max(4, 2 * (os.cpu_count() or 1))
        )
        self.pools = PersistentResources(cloud, self.runner, self._settings)
        self.jobs = CustomJobs(cloud, self.runner, self.pools, self._settings)
        self.entries = LogEntries(cloud, self.jobs, self.runner)
        self.metadata = Metadata(cloud)
        self.pipelines = PipelineJobs(cloud, self.jobs, self.metadata, folder=cloud.root / "pipelines", objects=objects)
        self.schedules = Schedules(cloud, self.pipelines)
        self.models = Models(cloud)
        self.training_pipelines = TrainingPipelines(cloud, self.jobs, self.models)
        self.tensorboards = Tensorboards(cloud)
        cloud.images.checks.append(check_manifest)
        cloud.on_start.append(self._start)
        cloud.on_clock_jump.append(self.runner.look_again)
        cloud.on_stop += [self.runner.stop, self.pipelines.runner.stop]

    def limit_requests(self) -> None:
        """Google's limits from now on: 600 requests and 60 submissions a minute."""
        self._settings.change({"requestsPerMinute": 600, "submissionsPerMinute": 60})

    def services(self) -> list[Service]:
        parts = (
            *(self.pools, self.jobs, self.metadata, self.pipelines),
            *(self.schedules, self.models, self.tensorboards, self.training_pipelines),
        )
        routes = [self._quotas.counted(route) for part in parts for route in part.routes()]
        routes += _ui_operations(self._cloud)
        return [
            Service("aiplatform", routes, prefixes=("/aiplatform",), versions={"v1": ("v1", "v1beta1")}),
            self.entries.service(),
            Service("local-aiplatform", self._commands(), prefixes=("/_local/aiplatform",), bare=False),
        ]

    def _commands(self) -> list[Route]:
        """No part of Google's API: for whoever runs this cloud."""
        return [
            Route("PUT", "/settings", by_operator(lambda call: self._settings.change(call.object()))),
            Route("GET", "/pools", by_operator(lambda _: {"pools": self.pools.ages()})),
            Route("POST", "/{name=projects/*/locations/*/persistentResources/*}:warm", self._warm),
        ]

    def _start(self) -> None:
        self.runner.start()
        self.pipelines.runner.start()
        self.jobs.recover()
        self.training_pipelines.recover()
        self.pipelines.recover()
        self.schedules.start()

    # The runner needs the resources, and they need the runner: these look them up when they are used.

    def _report(self, name: str, update: JobUpdate) -> None:
        self.jobs.report(name, update)

    def _environment(self, job: Job) -> dict[str, str]:
        return self.jobs.environment(job)

    def _limit(self, slot: PoolSlot) -> int:
        return self.pools.limit(slot)

    def _provision(self, job: Job) -> float | None:
        """How long a job's machines take: those that it has on demand, and those by which an autoscaled pool grows."""
        settings, demand = self._settings.now, job.demand()
        machines = {pool.machine for pool in job.pools if pool.replicas and pool.slot is None}
        if machines and self._cloud.faults.is_stocked_out(job.location, machines):
            return None
        grows = any(self.pools.grows_for(slot, count) for slot, count in demand.items() if slot)
        on_demand = settings.provisioning_seconds if machines else 0.0
        return max(on_demand, settings.pool_provisioning_seconds if grows else 0.0)

    def _warm(self, call: Call) -> dict[str, Any]:
        """Begin a warm process of `image` on each pool of a persistent resource, as its machines cache an image."""
        call.cloud.identity.require_operator(call.caller)
        name, image = call.params["name"], str(call.object().get("image", ""))
        resource = self.pools.find(name)
        if resource is None:
            raise not_found(f"The PersistentResource '{name}' does not exist.")
        try:
            for pool in resource["resourcePools"]:
                self.runner.warm(PoolSlot(resource["name"], pool["id"]), image)
        except ImageNotFoundError as error:
            raise invalid_argument([("image", str(error))]) from None
        return {}


def _ui_operations(cloud: "Cloud") -> list[Route]:
    """Operations as Google's generated clients ask for them: under /ui/, the first of the paths that the API has."""

    def twin(route: Route) -> Route:
        return Route(route.method, route.template.replace("/v1/", "/ui/", 1), route.handler)

    return [twin(route) for route in cloud.operations.routes() if route.template.startswith("/v1/{name=projects/")]


def objects_folder(cloud: "Cloud") -> Path:
    """The folder that holds objects as bucket/object."""
    return Path(str(cloud.objects.path_of("gs://bucket/object"))).parents[1]


def check_manifest(runtime: dict[str, Any]) -> None:
    """Refuse a runtime manifest that cannot be run."""
    try:
        RuntimeManifest.model_validate(runtime)
    except ValueError as error:
        raise invalid_argument([("runtime", str(error))]) from None
