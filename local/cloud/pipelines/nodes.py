"""A run as a tree: pipelines of tasks, loops of iterations, and at the leaves what executes.

Each node moves when it is asked to (`advance`), as far as it can without waiting, and keeps each change. After the
cloud was killed the same tree is built again from the spec; a node that has a record takes it up where it was.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from local.cloud.pipelines import conditions
from local.cloud.pipelines.inputs import Given, InputError, Scope, loop_items, task_inputs
from local.cloud.pipelines.placeholders import PlaceholderError
from local.cloud.pipelines.records import TaskRecord, TaskState
from local.cloud.pipelines.retries import wait_seconds
from local.cloud.pipelines.spec import runs_anyway, upstream
from local.cloud.pipelines.values import Values, parameter_types

if TYPE_CHECKING:
    from local.cloud.pipelines.run import Run

Verdict = Literal["wait", "run", "blocked", "idle"]
FAILED_PRECONDITION = 9


class Node(ABC):
    """One task, pipeline or iteration of a run."""

    def __init__(self, run: "Run", record: TaskRecord) -> None:
        self.run = run
        self.record = record

    @property
    def state(self) -> TaskState:
        return self.record.state

    @property
    def outputs(self) -> Values:
        return self.record.values_out()

    @abstractmethod
    def advance(self) -> bool:
        """Go on as far as possible now; whether anything has changed."""

    @abstractmethod
    def cancel(self) -> None:
        """Ask what runs to end."""


class Ended(Node):
    """A task that is over, or that never began."""

    def advance(self) -> bool:
        return False

    def cancel(self) -> None:
        pass


class Dag(Node):
    """A pipeline: the root, a nested one, a branch, or one iteration of a loop. `task` is what of the spec runs it."""

    def __init__(
        self,
        run: "Run",
        record: TaskRecord,
        component: Mapping[str, Any],
        inputs: Values,
        task: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(run, record)
        self._task = task or {}
        self._dag: Mapping[str, Any] = component["dag"]
        self._inputs = inputs
        self._children: dict[str, Node] = {}
        self._scope = Scope(inputs, lambda name: self._children[name].outputs, self._status_of)

    def advance(self) -> bool:
        if self.state.final:
            return False
        changed = self.state is TaskState.PENDING
        if changed:
            if self.run.time() < self.record.not_before and not self.run.cancelled:
                return False
            self.record.attempts += 1
            self.run.move(self.record, TaskState.RUNNING)
        moved = True
        while moved:
            moved = False
            for name, task in self._dag["tasks"].items():
                moved |= self._start(name, task) if name not in self._children else self._children[name].advance()
            changed |= moved
        return self._end() or changed

    def cancel(self) -> None:
        for child in self._children.values():
            if not child.state.final:
                child.cancel()

    def _start(self, name: str, task: Mapping[str, Any]) -> bool:
        verdict = self._verdict(task)
        if verdict == "wait" or not self.run.may_begin(self.record, name):
            return False
        record = self.run.record_of(self.record, name, task)
        self._children[name] = self._node(record, name, task, verdict)
        return True

    def _verdict(self, task: Mapping[str, Any]) -> Verdict:
        needs = upstream(task)
        if any(name not in self._children or not self._children[name].state.final for name in needs):
            return "wait"
        if runs_anyway(task):
            return "run"
        states = {name: self._children[name].record for name in needs}
        if any(each.state in {TaskState.FAILED, TaskState.CANCELLED} or each.blocked for each in states.values()):
            return "blocked"
        if any(needed and states[name].state is TaskState.NOT_TRIGGERED for name, needed in needs.items()):
            return "idle"
        return "blocked" if self.run.stops_starting else "run"

    def _node(self, record: TaskRecord, name: str, task: Mapping[str, Any], verdict: Verdict) -> Node:
        if record.state.final:
            return Ended(self.run, record)
        if verdict != "run":
            record.blocked = verdict == "blocked"
            self.run.move(record, TaskState.NOT_TRIGGERED)
            return Ended(self.run, record)
        component = self.run.spec.component(task)
        try:
            given = task_inputs(task, component, self._scope)
            if not self._triggered(record, task, component, given):
                self.run.move(record, TaskState.NOT_TRIGGERED)
                return Ended(self.run, record)
            return self.run.body(record, task, component, given)
        except (InputError, PlaceholderError, conditions.ConditionError) as error:
            self.run.fail(record, FAILED_PRECONDITION, f"Task {name!r} cannot start: {error}")
            return Ended(self.run, record)

    def _triggered(
        self, record: TaskRecord, task: Mapping[str, Any], component: Mapping[str, Any], given: Given
    ) -> bool:
        condition = task.get("triggerPolicy", {}).get("condition")
        if not condition:
            return True
        settled = given.settled(self.run.placeholders(record), parameter_types(component))
        return conditions.holds(condition, settled.parameters)

    def _end(self) -> bool:
        """End once nothing is left to run; whether it has ended."""
        children = self._children
        waiting = len(children) < len(self._dag["tasks"]) and not self.run.cancelled
        if waiting or any(not child.state.final for child in children.values()):
            return False
        failed = [name for name, child in children.items() if child.state is TaskState.FAILED]
        if failed:
            message = f"The DAG failed because some tasks failed. The failed tasks are: [{', '.join(failed)}]."
            self._fail_attempt(message)
        elif self.run.cancelled:
            self.run.move(self.record, TaskState.CANCELLED)
        else:
            self.record.outputs = self._collect().to_json()
            self.run.move(self.record, TaskState.SUCCEEDED)
        return True

    def _fail_attempt(self, message: str) -> None:
        """End, or begin anew with other tasks in place of those that there were, if there is an attempt left."""
        wait = wait_seconds(self._task, self.record.attempts)
        if wait is None or self.run.cancelled:
            self.run.fail(self.record, FAILED_PRECONDITION, message)
            return
        self.run.set_aside(self.record)
        self._children.clear()
        self.record.not_before = self.run.time() + wait
        self.run.move(self.record, TaskState.PENDING, {"code": FAILED_PRECONDITION, "message": message})

    def _collect(self) -> Values:
        """The outputs that the spec names, each from the first of its sources that has one."""
        declared = self._dag.get("outputs", {})
        found = Values()
        for name, source in declared.get("parameters", {}).items():
            selectors = source.get("valueFromOneof", {}).get("parameterSelectors") or [
                source.get("valueFromParameter", {})
            ]
            for selector in selectors:
                left = self._left_by(selector.get("producerSubtask", "")).parameters
                if selector.get("outputParameterKey") in left:
                    found.parameters[name] = left[selector["outputParameterKey"]]
                    break
        for name, source in declared.get("artifacts", {}).items():
            for selector in source.get("artifactSelectors", []):
                left = self._left_by(selector["producerSubtask"]).artifacts
                if selector["outputArtifactKey"] in left:
                    found.artifacts[name] = left[selector["outputArtifactKey"]]
                    break
        return found

    def _left_by(self, name: str) -> Values:
        child = self._children.get(name)
        return child.outputs if child and child.state.well else Values()

    def _status_of(self, name: str) -> dict[str, Any]:
        """The PipelineTaskFinalStatus of a task."""
        record = self._children[name].record
        state = "SUCCEEDED" if record.state.well else record.state.value
        error = {"error": record.error} if record.error else {"error": {}}
        return {"state": state, "pipelineJobResourceName": self.run.context.name, "pipelineTaskName": name, **error}


class Loop(Node):
    """A task that runs once for each item of a list, a limited number of them at a time."""

    def __init__(
        self,
        run: "Run",
        record: TaskRecord,
        task: Mapping[str, Any],
        component: Mapping[str, Any],
        items: list[Given],
    ) -> None:
        super().__init__(run, record)
        self._task = task
        self._component = component
        self._items = items
        self._limit = int(task.get("iteratorPolicy", {}).get("parallelismLimit") or 0) or len(items)
        self._iterations: list[Node] = []

    def advance(self) -> bool:
        if self.state.final:
            return False
        changed = self.state is TaskState.PENDING
        if changed:
            self.run.move(self.record, TaskState.RUNNING)
        for iteration in self._iterations:
            changed |= iteration.advance()
        while self._may_start():
            changed = True
            iteration = self._iteration(len(self._iterations))
            self._iterations.append(iteration)
            iteration.advance()
        return self._end() or changed

    def cancel(self) -> None:
        for iteration in self._iterations:
            if not iteration.state.final:
                iteration.cancel()

    def _may_start(self) -> bool:
        running = sum(not iteration.state.final for iteration in self._iterations)
        next_one = len(self._iterations)
        if next_one == len(self._items) or running >= self._limit or self.run.stops_starting:
            return False
        return self.run.may_begin(self.record, str(next_one))

    def _iteration(self, number: int) -> Node:
        record = self.run.record_of(self.record, str(number), self._task, name=f"{self.record.name}-{number}")
        if record.state.final:
            return Ended(self.run, record)
        try:
            return self.run.once(record, self._task, self._component, self._items[number])
        except (InputError, PlaceholderError) as error:
            self.run.fail(record, FAILED_PRECONDITION, f"Iteration {number} cannot start: {error}")
            return Ended(self.run, record)

    def _end(self) -> bool:
        unfinished = len(self._iterations) < len(self._items) and not self.run.cancelled and not self.run.stops_starting
        if unfinished or any(not iteration.state.final for iteration in self._iterations):
            return False
        failed = [each.record.name for each in self._iterations if each.state is TaskState.FAILED]
        if failed:
            message = f"The DAG failed because some tasks failed. The failed tasks are: [{', '.join(failed)}]."
            self.run.fail(self.record, FAILED_PRECONDITION, message)
        elif self.run.cancelled:
            self.run.move(self.record, TaskState.CANCELLED)
        elif len(self._iterations) < len(self._items):
            self.run.fail(
                self.record, FAILED_PRECONDITION, "The loop was ended by a failure elsewhere in the pipeline."
            )
        else:
            self.record.outputs = self._collect().to_json()
            self.run.move(self.record, TaskState.SUCCEEDED)
        return True

    def _collect(self) -> Values:
        """Of each output, the list over the iterations, in their order; artifacts of lists are one flat list."""
        declared = self._component.get("outputDefinitions", {})
        found = Values(
            {name: [] for name in declared.get("parameters", {})}, {name: [] for name in declared.get("artifacts", {})}
        )
        for iteration in self._iterations:
            left = iteration.outputs if iteration.state.well else Values()
            for name, value in left.parameters.items():
                found.parameters.setdefault(name, []).append(value)
            for name, artifacts in left.artifacts.items():
                found.artifacts.setdefault(name, []).extend(artifacts)
        return found


def loop_of(
    run: "Run", record: TaskRecord, task: Mapping[str, Any], component: Mapping[str, Any], given: Given
) -> Loop | None:
    """The loop that a task is, if it is one."""
    if not (task.get("parameterIterator") or task.get("artifactIterator")):
        return None
    settled = given.settled(run.placeholders(record), parameter_types(component))
    items = loop_items(task, settled, run.placeholders(record)) or []
    return Loop(run, record, task, component, [Given(values) for values in items])
