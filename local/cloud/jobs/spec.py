"""What a custom job asks for, read from its REST form, and what it has come to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

DEFAULT_TIMEOUT_SECONDS = (
    7 * 24 * 3600.0
)  # https://cloud.google.com/vertex-ai/docs/reference/rest/v1/CustomJobSpec#Scheduling


_EXECUTOR = Path(__file__).with_name("python_package.py")
DEFAULT_WAIT_SECONDS = 24 * 3600.0  # maxWaitDuration, of FLEX_START alone


class Strategy(StrEnum):
    """How a job's machines are found; the deprecated names stand for their successors."""

    STANDARD = "STANDARD"
    SPOT = "SPOT"
    FLEX_START = "FLEX_START"

    @classmethod
    def of(cls, name: str) -> "Strategy":
        return cls(name) if name in {each.value for each in cls} else cls.SPOT if name == "LOW_COST" else cls.STANDARD


class JobState(StrEnum):
    QUEUED = "JOB_STATE_QUEUED"
    PENDING = "JOB_STATE_PENDING"
    RUNNING = "JOB_STATE_RUNNING"
    SUCCEEDED = "JOB_STATE_SUCCEEDED"
    FAILED = "JOB_STATE_FAILED"
    CANCELLING = "JOB_STATE_CANCELLING"
    CANCELLED = "JOB_STATE_CANCELLED"

    @property
    def final(self) -> bool:
        return self in {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED}


FINAL_STATES = frozenset(state.value for state in JobState if state.final)


@dataclass(frozen=True)
class JobError:
    """A `google.rpc.Status`: the code's number and a text."""

    code: int
    message: str


@dataclass(frozen=True)
class JobUpdate:
    state: JobState
    error: JobError | None = None


@dataclass(frozen=True)
class PoolSlot:
    """Where a worker pool's replicas stand on a persistent resource: its resource name and the pool's id in it."""

    resource: str
    pool: str


@dataclass(frozen=True)
class MachineSize:
    """What a replica may use of this host; 0 is all there is."""

    cpus: int = 0
    memory_bytes: int = 0


@dataclass(frozen=True)
class WorkerPool:
    """One entry of `workerPoolSpecs`. `slot` is None where the replicas run on demand."""

    replicas: int
    image: str
    command: list[str]
    args: list[str]
    env: dict[str, str]
    slot: PoolSlot | None = None
    machine: str = ""
    size: MachineSize = MachineSize()


@dataclass(frozen=True)
class Job:
    """A custom job as it is run. `spec` is its `jobSpec`, told to the replicas in CLUSTER_SPEC."""

    name: str  # projects/P/locations/L/customJobs/ID
    pools: tuple[WorkerPool, ...]
    spec: Mapping[str, Any] = field(default_factory=dict)
    service_account: str = ""
    base_output_directory: str = ""
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
    disable_retries: bool = False
    restart_on_worker_restart: bool = False
    strategy: Strategy = Strategy.STANDARD
    max_wait_seconds: float = DEFAULT_WAIT_SECONDS  # 0 is for ever

    @property
    def id(self) -> str:
        return self.name.rsplit("/", 1)[-1]

    @property
    def project(self) -> str:
        return self.name.split("/")[1]

    @property
    def location(self) -> str:
        return self.name.split("/")[3]

    def demand(self) -> dict[PoolSlot | None, int]:
        """How many replicas it needs of each pool; None is on demand."""
        demand: dict[PoolSlot | None, int] = {}
        for pool in self.pools:
            demand[pool.slot] = demand.get(pool.slot, 0) + pool.replicas
        return demand


def worker_pool(spec: Mapping[str, Any], slot: PoolSlot | None, size: MachineSize) -> WorkerPool:
    """A worker pool of a validated `WorkerPoolSpec` (camelCase keys). An empty one keeps its place, without any."""
    program = spec.get("containerSpec") or _as_container(spec.get("pythonPackageSpec", {}))
    return WorkerPool(
        replicas=int(spec.get("replicaCount", 1)) if spec else 0,
        image=program.get("imageUri", ""),
        command=list(program.get("command", [])),
        args=list(program.get("args", [])),
        env={entry["name"]: entry.get("value", "") for entry in program.get("env", [])},
        slot=slot,
        machine=spec.get("machineSpec", {}).get("machineType", ""),
        size=size,
    )


def image_of(spec: Mapping[str, Any]) -> str:
    """The image of a `WorkerPoolSpec`, "" for an empty one."""
    program = spec.get("containerSpec") or _as_container(spec.get("pythonPackageSpec", {}))
    return program.get("imageUri", "")


def _as_container(package: Mapping[str, Any]) -> dict[str, Any]:
    """The `ContainerSpec` that does what a `PythonPackageSpec` asks of its executor image."""
    if not package:
        return {}
    files = [f"/gcs/{uri.removeprefix('gs://')}" for uri in package["packageUris"]]
    return {
        "imageUri": package["executorImageUri"],
        "command": ["python", str(_EXECUTOR), *files, "--", package["pythonModule"]],
        "args": package.get("args", []),
        "env": package.get("env", []),
    }
