"""The whole platform: the only file that wires one component to another.

Order: APIs before what needs them, grants before the schedule that relies on them, pools before the schedule that runs
on them. The pipeline's compiler is handed in, so that the platform knows nothing of pipelines but their compiled form.
"""

from collections.abc import Callable
from typing import Any

import pulumi

from contracts.pool_spec import NetworkAccess
from contracts.stack_outputs import ImageLock, PlatformFacts
from contracts.table_schemas import DRIFT_HOURLY, FEEDBACK, REQUESTS, TRAINING_EVENTS, training_events_query
from infra import access, naming, permissions, platform_facts, services
from infra.audit_logs import AuditRecords, DataAccessAudit
from infra.compiled_pipeline import CompiledPipeline
from infra.encryption import EncryptionKeys, Key
from infra.federation import GithubFederation
from infra.go_json import go_json
from infra.identity import PlatformIdentity
from infra.images import TrainingImages
from infra.naming import Names
from infra.network import Attached, PrivateNetwork
from infra.network import access as network_access
from infra.operations import Operations
from infra.registry import ImageRepository
from infra.schedule import PipelineSchedule
from infra.service_agents import ServiceAgents
from infra.services import EnabledServices
from infra.settings import Settings
from infra.stack_config import ScheduleSettings
from infra.storage import ArtifactStore
from infra.training_pool import TrainingPool
from infra.warehouse import DatasetSpec, Warehouse

CompilePipeline = Callable[[PlatformFacts], dict[str, Any]]


class Platform:
    """Everything that a stack declares. `outputs` has every field of `StackOutputs`."""

    def __init__(self, settings: Settings, *, compile_pipeline: CompilePipeline) -> None:
        self._settings = settings
        self._names = Names(project=settings.project, region=settings.region)
        self._labels = {"platform": "recsys-training", "environment": settings.environment}
        self._declare_foundation()
        self._declare_data()
        self._declare_pools()
        self._declare_pipeline(compile_pipeline)
        self._declare_operations()

    def _declare_foundation(self) -> None:
        self._services = EnabledServices("services", apis=self._apis())
        self._identity = PlatformIdentity(
            "identity",
            names=self._names,
            submitters=self._settings.submitters,
            roles=self._roles(),
            after=[self._services.by_api["iam"]],
        )
        self._agents = ServiceAgents(
            "agents",
            project=self._settings.project,
            identity=self._identity,
            joins_network=permissions.NETWORK_AGENT in self._roles(),
            after=[self._services.by_api["aiplatform"]],
        )
        self._keys = self._declare_keys()
        self._network = self._declare_network()
        if self._settings.federation.github_repository:
            GithubFederation(
                "github",
                project=self._settings.project,
                settings=self._settings.federation,
                principals=self._identity.principals,
                after=[self._services.by_api[api] for api in ("iam", *services.FEDERATION_APIS)],
            )

    def _apis(self) -> list[str]:
        federated = services.FEDERATION_APIS if self._settings.federation.github_repository else ()
        budget = services.BUDGET_APIS if self._settings.operations.billing_account else ()
        encryption = services.ENCRYPTION_APIS if self._settings.encryption.own_keys else ()
        network = services.NETWORK_APIS if self._settings.network.enabled else ()
        peering = services.PEERING_APIS if network and not self._settings.network.psc_interface else ()
        return [*services.APIS, *federated, *budget, *encryption, *network, *peering]

    def _roles(self) -> list[permissions.CustomRole]:
        """With those of Google's agents: to let machines into a network of ours, to keep audit logs."""
        network = self._settings.network
        joins = [permissions.NETWORK_AGENT] if network.enabled and network.psc_interface else []
        keeps = [permissions.RECORDS_WRITER] if self._settings.audit_logs.kept_days else []
        return [*permissions.ROLES, *joins, *keeps]

    def _declare_network(self) -> Attached | None:
        settings, apis = self._settings, self._services.by_api
        if not settings.network.enabled:
            return None
        needed = ("compute", *services.NETWORK_APIS, *services.PEERING_APIS)
        return PrivateNetwork(
            "network",
            names=self._names,
            settings=settings.network,
            agents=self._agents,
            protect=settings.protect,
            labels=self._labels,
            after=[apis[api] for api in needed if api in apis],
        ).attached

    def _declare_keys(self) -> dict[str, Key]:
        """By service; none where Google's own keys encrypt."""
        settings, apis = self._settings, self._services.by_api
        if not settings.encryption.own_keys:
            return {}
        return EncryptionKeys(
            "encryption",
            names=self._names,
            settings=settings.encryption,
            vertex_agent=self._agents.vertex.member,
            protect=settings.protect,
            labels=self._labels,
            after=[apis[api] for api in (*services.ENCRYPTION_APIS, "artifactregistry", "bigquery", "storage")],
        ).keys

    def _declare_data(self) -> None:
        settings, apis = self._settings, self._services.by_api
        who, names = self._identity.principals, self._names
        self._store = ArtifactStore(
            "artifacts",
            bucket_name=self._names.artifact_bucket,
            region=settings.region,
            retention=settings.retention,
            protect=settings.protect,
            grants=access.on_bucket(who, names),
            identity=self._identity,
            key=self._keys.get("storage"),
            labels=self._labels,
            after=[apis["storage"]],
        )
        DataAccessAudit(
            "audit-logs",
            project=settings.project,
            settings=settings.audit_logs,
            after=[apis["bigquery"], apis["logging"], apis["storage"]],
        )
        if settings.audit_logs.kept_days:
            AuditRecords(
                "audit-records",
                names=names,
                identity=self._identity,
                settings=settings.audit_logs,
                protect=settings.protect,
                key=self._keys.get("storage"),
                labels=self._labels,
                after=[apis["logging"], apis["storage"]],
            )
        self._warehouse = Warehouse(
            "warehouse",
            datasets=_datasets(settings),
            require_partition_filter=settings.require_partition_filter,
            location=settings.region,
            protect=settings.protect,
            grants=access.on_datasets(who),
            identity=self._identity,
            key=self._keys.get("bigquery"),
            labels=self._labels,
            after=[apis["bigquery"]],
        )
        self._repository = ImageRepository(
            "registry",
            repository_id=naming.REPOSITORY,
            location=settings.region,
            protect=settings.protect,
            settings=settings.registry,
            deployed=_deployed(settings),
            key=self._keys.get("artifactregistry"),
            grants=access.on_repository(who),
            identity=self._identity,
            labels=self._labels,
            after=[apis["artifactregistry"]],
        )

    def _declare_pools(self) -> None:
        """A persistent resource each, so that a change of one never replaces another (ADR 0004)."""
        settings = self._settings
        apis = [self._services.by_api["aiplatform"], self._services.by_api["compute"]]
        training_pools = {"training-pool": settings.training_pool} | {
            f"training-pool-{pool.persistent_resource_id}": pool for pool in settings.further_training_pools
        }
        self._training_pools = [
            TrainingPool(
                name,
                spec=pool.spec(),
                retiring=pool.retiring_spec(),
                location=settings.region,
                protect=settings.protect,
                key=self._keys.get("aiplatform"),
                network=self._network,
                after=apis,
            )
            for name, pool in training_pools.items()
        ]
        self._steps_pool = TrainingPool(
            "steps-pool",
            spec=settings.steps_pool.spec(),
            retiring=settings.steps_pool.retiring_spec(),
            location=settings.region,
            protect=False,  # CPU machines come back; only what may not is worth a refused plan
            key=self._keys.get("aiplatform"),
            network=self._network,
            after=apis,
        )

    def _declare_pipeline(self, compile_pipeline: CompilePipeline) -> None:
        """The spec names images by digest, so it is compiled once they are known: in a preview perhaps not at all."""
        self._images = TrainingImages(
            "images",
            source=self._settings.image_source,
            repository_url=self._names.repository_url,
            after=[self._repository.repository],
        )
        self._known = pulumi.Output.all(self._images.lock, network_access(self._network))
        spec_json = self._known.apply(lambda known: go_json(compile_pipeline(self._facts(*known))))
        self._pipeline = CompiledPipeline("pipeline", spec_json=spec_json, bucket=self._store.bucket.name)
        grants = [
            *self._identity.grants,
            *self._agents.grants,
            *self._store.grants,
            *self._warehouse.grants,
            *self._repository.grants,
        ]
        pools = [
            resource for pool in (*self._training_pools, self._steps_pool) for resource in pool.persistent_resources
        ]
        self._schedules = {
            schedule.name: PipelineSchedule(
                f"schedule-{schedule.name}",
                settings=schedule,
                display_name=f"{naming.SCHEDULE}-{schedule.name}",
                location=self._settings.region,
                spec_json=self._spec_for(schedule, spec_json, compile_pipeline),
                pipeline_root=self._names.folder(naming.RUNS),
                service_account=self._names.service_account,
                key=self._keys.get("aiplatform"),
                network=self._network,
                after=[*grants, *pools],
            )
            for schedule in self._settings.schedules
        }

    def _spec_for(
        self, schedule: ScheduleSettings, spec_json: pulumi.Output[str], compile_pipeline: CompilePipeline
    ) -> pulumi.Output[str]:
        """A schedule's own time budget is compiled in, since the training job's timeout follows from it; and its pool,
        since the jobs' machine does."""
        own: dict[str, Any] = {}
        minutes = schedule.parameters.get("max_minutes")
        if isinstance(minutes, int | float) and not isinstance(minutes, bool):
            own["max_minutes"] = float(minutes)
        further = [pool.persistent_resource_id for pool in self._settings.further_training_pools]
        if not own and schedule.run_on not in further:
            return spec_json

        def compiled(known: list[Any]) -> str:
            facts = self._facts(*known)
            named = {pool.name: pool for pool in facts.further_training_pools}
            pool = named.get(schedule.run_on, facts.training_pool)
            return go_json(compile_pipeline(facts.model_copy(update={**own, "training_pool": pool})))

        return self._known.apply(compiled)

    def _declare_operations(self) -> None:
        apis = self._services.by_api
        Operations(
            "operations",
            project=self._settings.project,
            project_number=self._agents.project_number,
            environment=self._settings.environment,
            settings=self._settings.operations,
            labels=self._labels,
            after=[api for name, api in apis.items() if name in ("logging", "monitoring", *services.BUDGET_APIS)],
        )

    def _facts(self, images: ImageLock, network: NetworkAccess) -> PlatformFacts:
        return platform_facts.facts(self._settings, self._names, images, network)

    @property
    def outputs(self) -> dict[str, pulumi.Input[Any]]:
        network = network_access(self._network)
        return {
            **platform_facts.known(self._settings, self._names),
            **{
                name: network.apply(lambda access, held=held: platform_facts.plain(platform_facts.within(held, access)))
                for name, held in platform_facts.pools(self._settings).items()
            },
            "images": self._images.lock.apply(ImageLock.model_dump),
            "stack": self._settings.stack,
            "pipeline_spec_uri": self._pipeline.path.apply(self._names.gs),
            "pipeline_spec_digest": self._pipeline.digest,
            "schedules": {name: schedule.declared for name, schedule in self._schedules.items()},
            "repository": self._names.repository_url,
            "endpoints": self._settings.endpoints.model_dump(),
        }


def _deployed(settings: Settings) -> list[str]:
    """The images by digest; none where they are built while the stack is deployed."""
    source = settings.image_source
    return list(source.model_dump().values()) if isinstance(source, ImageLock) else []


def _datasets(settings: Settings) -> list[DatasetSpec]:
    return [
        DatasetSpec(
            dataset_id=naming.DATASET_RECSYS,
            description="What was shown to users and what they did",
            tables=(REQUESTS, FEEDBACK),
            views={TRAINING_EVENTS: training_events_query(_feedback(settings))},
            expiry_days=settings.retention.logs_days,
        ),
        DatasetSpec(
            dataset_id=naming.DATASET_DRIFT,
            description="Drift statistics of the features",
            tables=(DRIFT_HOURLY,),
            expiry_days=settings.retention.drift_days,
        ),
    ]


def _feedback(settings: Settings) -> str:
    return f"{settings.project}.{naming.DATASET_RECSYS}.{FEEDBACK.name}"
