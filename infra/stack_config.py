"""The keys of a stack file, typed. Every `Pulumi.<stack>.yaml` has every one of them; there are no defaults.

Owns names, types and the pool spec that follows from them. Does not own: what a value may be (infra/rules.py), reading
(infra/settings.py).
"""

from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from contracts.pool_spec import Autoscaling, DiskSpec, MachineSpec, PoolSpec
from infra import naming

NAMESPACE = "recsys-training"


class _Section(BaseModel):
    """Strict: a number in quotes, 1 for true or a key in another spelling is a mistake, and is told as one."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, alias_generator=to_camel)


class PoolSettings(_Section):
    """A persistent resource. minReplicas = maxReplicas keeps its size fixed; otherwise it scales between the two.
    `hibernated`: there is none, and jobs run on demand on its machine.

    `retiring_generation` is the predecessor that is kept until its jobs have ended, "" if there is none.
    """

    persistent_resource_id: str
    generation: str
    retiring_generation: str
    hibernated: bool
    machine_type: str
    accelerator_type: str
    accelerator_count: int
    boot_disk_type: str
    boot_disk_size_gb: int
    replicas: int
    min_replicas: int
    max_replicas: int

    @property
    def name(self) -> str:
        return naming.persistent_resource(self.persistent_resource_id, self.generation)

    @property
    def retiring_name(self) -> str:
        """ "" if no pool is retiring."""
        retiring = self.retiring_generation
        return retiring and naming.persistent_resource(self.persistent_resource_id, retiring)

    def retiring_spec(self) -> PoolSpec | None:
        """Of the retiring pool only the name is known for sure: what it was made of is in the state."""
        if not self.retiring_generation:
            return None
        return self._spec(self.retiring_name)

    def spec(self) -> PoolSpec:
        """What is created, and what a job on it must name; no name while it is hibernated."""
        return self._spec("" if self.hibernated else self.name)

    def _spec(self, name: str) -> PoolSpec:
        scales = self.min_replicas < self.max_replicas
        return PoolSpec(
            name=self.persistent_resource_id,
            persistent_resource_id=name,
            pool_id=naming.RESOURCE_POOL,
            machine=MachineSpec(
                machine_type=self.machine_type,
                accelerator_type=self.accelerator_type,
                accelerator_count=self.accelerator_count,
            ),
            disk=DiskSpec(boot_disk_type=self.boot_disk_type, boot_disk_size_gb=self.boot_disk_size_gb),
            replica_count=self.replicas,
            autoscaling=Autoscaling(min_replica_count=self.min_replicas, max_replica_count=self.max_replicas)
            if scales
            else None,
        )


class ScheduleSettings(_Section):
    """`start_time` and `end_time` are RFC 3339, "" for now and for never; `max_runs` 0 is without end.

    `run_on`: pool (the training pool), the persistentResourceId of a further one, on-demand, spot or flex-start.
    `parameters` are the pipeline's, typed.
    """

    name: str
    cron: str
    time_zone: str
    start_time: str
    end_time: str
    max_runs: int
    paused: bool
    max_concurrent_runs: int
    allow_queueing: bool
    run_on: str
    parameters: dict[str, Any]


class RetentionSettings(_Section):
    """`versions_days`: how long an overwritten or deleted object can be brought back; `soft_delete_days`: how long what
    is gone for good, the bucket included, can be (0: not at all)."""

    staging_days: int
    checkpoints_days: int
    versions_days: int
    soft_delete_days: int
    logs_days: int
    drift_days: int


class RegistrySettings(_Section):
    """`kept_versions` of each image stay however old they are; older ones go once no tag names them."""

    immutable_tags: bool
    kept_versions: int
    untagged_days: int


class FederationSettings(_Section):
    """Whose GitHub workflows deploy without a key; `github_repository` "" for none."""

    github_repository: str
    branch: str


class EncryptionSettings(_Section):
    """`own_keys`: with keys of the project's own in place of Google's."""

    own_keys: bool
    rotation_days: int


class NetworkSettings(_Section):
    """A network of the project's own, where `enabled`: pools have an interface in its subnetwork (`psc_interface`), or
    are peered with it and have addresses of `peering_range` ("" for no peering)."""

    enabled: bool
    subnet_range: str
    psc_interface: bool
    peering_range: str
    google_apis: str
    nat: bool
    flow_log_percent: int


class AuditLogSettings(_Section):
    """Which accesses to buckets and datasets are logged. `kept_days` 0: not beyond Cloud Logging's own 30 days;
    otherwise in a bucket of their own, where `locked_days` (0 for none) nobody can change or delete them, and `locked`
    makes that irrevocable."""

    data_reads: bool
    data_writes: bool
    kept_days: int
    locked_days: int
    locked: bool


class OperationsSettings(_Section):
    """0 hours: not watched. `billing_account` "" for no budget; `monthly_budget` is in the account's currency."""

    emails: tuple[str, ...]
    no_success_hours: int
    idle_pool_hours: int
    billing_account: str
    monthly_budget: int


class TrainingSettings(_Section):
    experiment: str
    model_name: str
    max_minutes: float


class StackConfig(BaseModel):
    """`config_key` names each field's key."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    project: str
    region: str
    state_backend: str
    environment: str
    images_lock: str
    training_pool: PoolSettings
    further_training_pools: tuple[PoolSettings, ...]
    steps_pool: PoolSettings
    schedules: tuple[ScheduleSettings, ...]
    retention: RetentionSettings
    require_partition_filter: bool
    registry: RegistrySettings
    protect: bool
    submitters: tuple[str, ...]
    federation: FederationSettings
    encryption: EncryptionSettings
    network: NetworkSettings
    audit_logs: AuditLogSettings
    operations: OperationsSettings
    training: TrainingSettings

    @property
    def pools(self) -> tuple[PoolSettings, ...]:
        """All of them, the steps' last."""
        return (self.training_pool, *self.further_training_pools, self.steps_pool)


def config_key(field: str) -> str:
    """The key in the stack file of a field of `StackConfig`."""
    namespace = "gcp" if field in ("project", "region") else NAMESPACE
    return f"{namespace}:{to_camel(field)}"
