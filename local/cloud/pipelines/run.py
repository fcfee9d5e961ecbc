"""One run of a pipeline: a tree of nodes that advances when something outside has changed.

Owns: the run's state and the bookkeeping of its tasks. It has no thread and no clock of its own: whoever holds it calls
`advance` when a job has changed, and again at `wake_at`.
"""

import json
import secrets
from collections.abc import Iterable, Mapping
from typing import Any

from local.cloud.clock import rfc3339
from local.cloud.pipelines.executor_io import mounted
from local.cloud.pipelines.inputs import Given
from local.cloud.pipelines.leaf import Leaf
from local.cloud.pipelines.nodes import Dag, Node, loop_of
from local.cloud.pipelines.records import TaskRecord, TaskState
from local.cloud.pipelines.spec import PipelineSpec
from local.cloud.pipelines.surroundings import RunContext, Surroundings
from local.cloud.pipelines.values import Values, parameter_types

_WORKSPACE = "{{$.workspace_path}}"
_ASIDE = "#"  # no task's name has it


class Run:
    """`records` are those of an earlier life of the run, which goes on from them."""

    def __init__(
        self, spec: PipelineSpec, context: RunContext, around: Surroundings, records: Iterable[TaskRecord] = ()
    ) -> None:
        self.spec = spec
        self.context = context
        self.around = around
        self.cancelled = False
        self._records = {record.path: record for record in records}
        self._failing = self._has_failed()
        root = self._records.get("") or self._new("", "", context.id, "dag")
        if _WORKSPACE in json.dumps(spec.body):
            around.path_of(f"{context.folder}/workspace").mkdir(parents=True, exist_ok=True)
        self._root = Dag(self, root, spec.root, Values(dict(context.parameters), dict(context.artifacts)))

    @property
    def state(self) -> TaskState:
        return self._root.state

    @property
    def error(self) -> dict[str, Any] | None:
        return self._root.record.error

    @property
    def stops_starting(self) -> bool:
        """Whether a failure keeps further tasks from starting."""
        return self._failing and self.context.fail_fast

    @property
    def records(self) -> list[TaskRecord]:
        return list(self._records.values())

    def advance(self) -> None:
        """Go on until nothing more can be done now."""
        while self._root.advance():
            pass

    def cancel(self) -> None:
        """Start nothing more, and ask what runs to end."""
        self.cancelled = True
        self._root.cancel()

    def wake_at(self) -> float | None:
        """When the next retry is due, in seconds since 1970."""
        due = [
            each.not_before for each in self._records.values() if each.state is TaskState.PENDING and each.not_before
        ]
        return min(due, default=None)

    def jobs(self) -> set[str]:
        """The custom jobs that the run waits for."""
        return {record.job for record in self._records.values() if record.job and not record.state.final}

    # What the nodes use.

    def may_begin(self, parent: TaskRecord, step: str) -> bool:
        """Whether a task may be begun: when the run is cancelled, only one that an earlier life has left running."""
        return not self.cancelled or _path(parent, step) in self._records

    def record_of(self, parent: TaskRecord, step: str, task: Mapping[str, Any], *, name: str = "") -> TaskRecord:
        """The record of a task below another: the one that there was, or a new one."""
        path = _path(parent, step)
        if path in self._records:
            return self._records[path]
        component = self.spec.component(task)
        kind = "dag" if "dag" in component else self.spec.kind(component)
        return self._new(path, parent.id, name or step, kind)

    def body(self, record: TaskRecord, task: Mapping[str, Any], component: Mapping[str, Any], given: Given) -> Node:
        """What runs a task that is triggered."""
        return loop_of(self, record, task, component, given) or self.once(record, task, component, given)

    def once(self, record: TaskRecord, task: Mapping[str, Any], component: Mapping[str, Any], given: Given) -> Node:
        """What runs a task once."""
        if "dag" in component:
            settled = given.settled(self.placeholders(record), parameter_types(component))
            record.inputs = settled.to_json()
            return Dag(self, record, component, settled, task)
        return Leaf(self, record, task, component, given)

    def placeholders(self, record: TaskRecord) -> dict[str, Any]:
        """The placeholders of the run, and of one of its tasks."""
        context = self.context
        return {
            "pipeline_job_name": context.id,
            "pipeline_job_resource_name": context.name,
            "pipeline_job_uuid": self._root_id(),
            "pipeline_job_create_time_utc": context.create_time,
            "pipeline_job_schedule_time_utc": context.schedule_time or context.create_time,
            "pipeline_root": context.root,
            "pipeline_service_account": context.service_account,
            "pipeline_network": context.network,
            "pipeline_encryption_key_name": context.kms_key,
            "pipeline_persistent_resource_id": context.persistent_resource,
            "pipeline_google_cloud_project_id": context.project,
            "pipeline_google_cloud_project_number": context.project_number,
            "pipeline_google_cloud_location": context.location,
            "workspace_path": mounted(f"{context.folder}/workspace"),
            "pipeline_task_name": record.name,
            "pipeline_task_uuid": record.id,
        }

    def move(self, record: TaskRecord, state: TaskState, error: dict[str, Any] | None = None) -> None:
        """Take a task into a state and keep that."""
        now = self.now()
        record.state = state
        record.error = error
        record.history.append({"updateTime": now, "state": state.value, **({"error": error} if error else {})})
        if state not in {TaskState.PENDING, TaskState.NOT_TRIGGERED}:
            record.start_time = record.start_time or now
            if not record.execution:
                record.execution = self.around.lineage.begin(record)
        if state.final:
            record.end_time = now
            self._failing |= state is TaskState.FAILED
            if record.execution:
                self.around.lineage.end(record)
        self.around.save(record)

    def begin(self, record: TaskRecord) -> None:
        """A task's job is on its way."""
        if not record.execution:
            record.execution = self.around.lineage.begin(record)
        self.around.save(record)

    def set_aside(self, record: TaskRecord) -> None:
        """The tasks below one that begins anew: they stay on record as its earlier attempt's, and count no more."""
        below, aside = f"{record.path}/", f"{record.path}{_ASIDE}{record.attempts}/"
        for path in [path for path in self._records if path.startswith(below)]:
            gone = self._records.pop(path)
            gone.path = aside + path.removeprefix(below)
            self._records[gone.path] = gone
            self.around.save(gone)
        self._failing = self._has_failed()

    def fail(self, record: TaskRecord, code: int, message: str) -> None:
        self.move(record, TaskState.FAILED, {"code": code, "message": message})

    def now(self) -> str:
        return rfc3339(self.around.now())

    def time(self) -> float:
        return self.around.now().timestamp()

    def _has_failed(self) -> bool:
        return any(each.state is TaskState.FAILED and _ASIDE not in path for path, each in self._records.items())

    def _root_id(self) -> str:
        return self._records[""].id

    def _new(self, path: str, parent_id: str, name: str, kind: str) -> TaskRecord:
        now = self.now()
        identity = str(secrets.randbelow(8 * 10**18) + 10**18)
        history = [{"updateTime": now, "state": TaskState.PENDING.value}]
        record = TaskRecord(path, identity, parent_id, name, kind, TaskState.PENDING, now, history=history)
        self._records[path] = record
        self.around.save(record)
        return record


def _path(parent: TaskRecord, step: str) -> str:
    return f"{parent.path}/{step}" if parent.path else step
