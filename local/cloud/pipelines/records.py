"""What is kept of a task while it runs and after: enough to show it and to go on after the cloud was killed."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from local.cloud.pipelines.values import Values


class TaskState(StrEnum):
    """Source: https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.pipelineJobs#State_1"""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    CANCEL_PENDING = "CANCEL_PENDING"
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"  # its outputs were in the cache
    NOT_TRIGGERED = "NOT_TRIGGERED"  # its condition is false, or a task that it needs did not succeed

    @property
    def final(self) -> bool:
        return self in _FINAL

    @property
    def well(self) -> bool:
        """Ended with its outputs in place."""
        return self in {TaskState.SUCCEEDED, TaskState.SKIPPED}


_FINAL = frozenset(
    {TaskState.SUCCEEDED, TaskState.CANCELLED, TaskState.FAILED, TaskState.SKIPPED, TaskState.NOT_TRIGGERED}
)


@dataclass
class TaskRecord:
    """One task of a run. `path` is its place in the run: the names (and, in loops, the numbers) from the root down.

    `job` is the custom job of the present attempt, `failed_jobs` those of earlier ones. `blocked` tells a task that was
    not triggered because of a failure from one whose condition is false. Times are RFC 3339.
    """

    path: str
    id: str
    parent_id: str
    name: str
    kind: str
    state: TaskState
    create_time: str
    start_time: str = ""
    end_time: str = ""
    error: dict[str, Any] | None = None
    attempts: int = 0
    not_before: float = 0.0
    job: str = ""
    failed_jobs: list[str] = field(default_factory=list)
    blocked: bool = False
    execution: str = ""
    inputs: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def of_json(body: Mapping[str, Any]) -> "TaskRecord":
        return TaskRecord(**{**body, "state": TaskState(body["state"])})

    def values_in(self) -> Values:
        return Values.of_json(self.inputs)

    def values_out(self) -> Values:
        return Values.of_json(self.outputs)
