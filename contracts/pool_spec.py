"""The warm pool and the rules by which Vertex AI lets a job run on it.

Owns: the machine and disk that a pool is made of, and a job's match with it. The pool and each job are built from the
same `PoolSpec`, so they cannot disagree. Does not own: which machines exist (infra/machines.py).

Source: https://cloud.google.com/vertex-ai/docs/training/persistent-resource-train
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from contracts.problems import Problem


class _Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MachineSpec(_Spec):
    """A Compute Engine machine type with its accelerators; no accelerator is type "" and count 0."""

    machine_type: str
    accelerator_type: str = ""
    accelerator_count: int = 0

    def as_api(self) -> dict[str, Any]:
        """The `MachineSpec` message with snake_case keys; unset accelerators are left out."""
        spec: dict[str, Any] = {"machine_type": self.machine_type}
        if self.accelerator_count:
            spec |= {"accelerator_type": self.accelerator_type, "accelerator_count": self.accelerator_count}
        return spec


class DiskSpec(_Spec):
    """A replica's boot disk. Always written out: Google's documented defaults disagree between pages."""

    boot_disk_type: str
    boot_disk_size_gb: int

    def as_api(self) -> dict[str, Any]:
        return {"boot_disk_type": self.boot_disk_type, "boot_disk_size_gb": self.boot_disk_size_gb}


class Autoscaling(_Spec):
    min_replica_count: int
    max_replica_count: int


class NetworkAccess(_Spec):
    """How machines reach a network of the project's own: peered with `network`, or with an interface in the
    `attachment`'s subnetwork; both "" where they reach none.
    """

    network: str = ""  # projects/NUMBER/global/networks/NAME
    attachment: str = ""  # the name of a network attachment in the same region

    def as_api(self) -> dict[str, Any]:
        """The fields of a pool, a job or a run that say so, with snake_case keys; {} for no network."""
        if self.attachment:
            return {"psc_interface_config": {"network_attachment": self.attachment}}
        return {"network": self.network} if self.network else {}


class PoolSpec(_Spec):
    """A persistent resource with one resource pool: what is created, and what a job on it must name.

    `name` is what schedules and submissions call it: the same through all of its generations, and while it sleeps.
    """

    name: str
    persistent_resource_id: str  # "" while the pool is hibernated: there is none, and jobs run on demand
    pool_id: str
    machine: MachineSpec
    disk: DiskSpec
    replica_count: int
    autoscaling: Autoscaling | None = None
    network: NetworkAccess = NetworkAccess()

    @property
    def max_replica_count(self) -> int:
        """The most replicas that jobs can hold at once."""
        return self.autoscaling.max_replica_count if self.autoscaling else self.replica_count

    def worker_pool_spec(self, *, container: dict[str, Any], replica_count: int = 1) -> dict[str, Any]:
        """One `WorkerPoolSpec` (snake_case keys) that runs `container` on this pool's machine and disk."""
        return {
            "machine_spec": self.machine.as_api(),
            "disk_spec": self.disk.as_api(),
            "replica_count": replica_count,
            "container_spec": container,
        }


class JobRequest(_Spec):
    """What a job asks for, as far as a pool cares. `persistent_resource_id` "" means on demand."""

    machine: MachineSpec
    disk: DiskSpec
    replica_count: int = 1
    persistent_resource_id: str = ""
    service_account: str = ""
    strategy: Literal["STANDARD", "SPOT", "FLEX_START"] = "STANDARD"
    network: NetworkAccess = NetworkAccess()


def match_problems(job: JobRequest, pool: PoolSpec) -> list[Problem]:
    """Why Vertex AI would reject `job` on `pool`; an empty list where it would accept it."""
    if not job.persistent_resource_id:
        return []
    on_demand = "Leave it out to take the pool's, or pass persistent_resource_id= (empty) to run on demand"
    problems = []
    if job.persistent_resource_id != pool.persistent_resource_id:
        rule = f"the stack's pool is {pool.persistent_resource_id!r}"
        if not pool.persistent_resource_id:
            rule = "the stack's pool is hibernated: there is none"
        problems.append(_problem("persistent_resource_id", job.persistent_resource_id, rule, on_demand))
    asked = job.machine.model_dump() | job.disk.model_dump()
    held = pool.machine.model_dump() | pool.disk.model_dump()
    for key, value in asked.items():
        if value != held[key]:
            rule = f"a job on pool {pool.persistent_resource_id!r} must have the pool's {key}, {held[key]!r}"
            problems.append(_problem(key, value, rule, on_demand))
    if not 1 <= job.replica_count <= pool.max_replica_count:
        rule = f"pool {pool.persistent_resource_id!r} has at most {pool.max_replica_count} replica(s)"
        problems.append(
            _problem("replica_count", job.replica_count, rule, "Ask for fewer replicas or enlarge the pool")
        )
    if not job.service_account:
        rule = "a job on a pool that enforces custom service accounts must name one"
        problems.append(_problem("service_account", "", rule, "Pass the stack's service_account output"))
    if job.network != pool.network:
        rule = f"a job on pool {pool.persistent_resource_id!r} must be in the pool's network, {pool.network.as_api()!r}"
        problems.append(_problem("network", job.network.as_api(), rule, "Bring the stack up again: make up"))
    if job.strategy != "STANDARD":
        rule = "a persistent resource has no Spot and no flex-start capacity"
        problems.append(_problem("strategy", job.strategy, rule, on_demand))
    return problems


def _problem(key: str, value: object, rule: str, fix: str) -> Problem:
    return Problem(key=key, value=value, rule=rule, fix=fix)
