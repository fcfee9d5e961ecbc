"""A compiled PipelineSpec: its parts, and what is wrong with it before it runs.

Source: https://github.com/kubeflow/pipelines/blob/master/api/v2alpha1/pipeline_spec.proto
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from local.cloud.pipelines import conditions
from local.cloud.pipelines.values import WrongTypeError, coerced, parameter_types

SCHEMA_VERSIONS = ("2.0.0", "2.1.0")
RUN_ANYWAY = "ALL_UPSTREAM_TASKS_COMPLETED"


@dataclass(frozen=True)
class PipelineSpec:
    """The parts of a spec by name. Build it with `read`, which refuses what could not run."""

    body: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.body.get("pipelineInfo", {}).get("name", "")

    @property
    def root(self) -> Mapping[str, Any]:
        return self.body["root"]

    def component(self, task: Mapping[str, Any]) -> Mapping[str, Any]:
        """The component that a task refers to."""
        return self.body["components"][task["componentRef"]["name"]]

    def executor(self, component: Mapping[str, Any]) -> Mapping[str, Any]:
        return self.body["deploymentSpec"]["executors"][component["executorLabel"]]

    def kind(self, component: Mapping[str, Any]) -> str:
        """Whether a component's executor is an importer or a container."""
        return "importer" if "importer" in self.executor(component) else "container"


def problems_of(body: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Why a spec cannot run: the place and the reason of each; an empty list where it can."""
    found: list[tuple[str, str]] = []
    version = body.get("schemaVersion")
    if version not in SCHEMA_VERSIONS:
        found.append(("pipelineSpec.schemaVersion", f"{version!r} is not one of {', '.join(SCHEMA_VERSIONS)}"))
    if not body.get("pipelineInfo", {}).get("name"):
        found.append(("pipelineSpec.pipelineInfo.name", "is required"))
    root = body.get("root") or {}
    if not root.get("dag", {}).get("tasks"):
        found.append(("pipelineSpec.root.dag.tasks", "a pipeline needs at least one task"))
        return found
    for place, component in [("root", root), *sorted(body.get("components", {}).items())]:
        found += _component_problems(
            body, component, f"pipelineSpec.{place if place == 'root' else f'components[{place!r}]'}"
        )
    return found


def bound_parameters(root: Mapping[str, Any], given: Mapping[str, Any]) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """The root's input parameters: given values and defaults, of the declared types; and what is wrong with them."""
    declared = root.get("inputDefinitions", {}).get("parameters", {})
    types = parameter_types(root)
    found: list[tuple[str, str]] = []
    values: dict[str, Any] = {}
    for name in sorted(given.keys() - declared.keys()):
        known = ", ".join(sorted(declared)) or "none"
        found.append(
            (f"runtimeConfig.parameterValues[{name!r}]", f"the pipeline has no such parameter; it has {known}")
        )
    for name, definition in declared.items():
        value = given.get(name, definition.get("defaultValue"))
        if value is None:
            if not definition.get("isOptional"):
                found.append((f"runtimeConfig.parameterValues[{name!r}]", "is required and has no default"))
            continue
        try:
            values[name] = coerced(value, types[name])
        except WrongTypeError as error:
            found.append((f"runtimeConfig.parameterValues[{name!r}]", str(error)))
    return values, found


def upstream(task: Mapping[str, Any]) -> dict[str, bool]:
    """The tasks that one waits for: True where it needs what they leave, False where only their end matters."""
    needs = dict.fromkeys(task.get("dependentTasks", []), False)
    for producer, needed in _producers(task):
        needs[producer] = needs.get(producer, False) or needed
    return needs


def runs_anyway(task: Mapping[str, Any]) -> bool:
    """Whether a task runs even if what it waits for has failed: an exit handler's, or one that ignores failure."""
    return task.get("triggerPolicy", {}).get("strategy") == RUN_ANYWAY


def _producers(task: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    inputs = task.get("inputs", {})
    for source in [*inputs.get("parameters", {}).values(), *inputs.get("artifacts", {}).values()]:
        for kind in ("taskOutputParameter", "taskOutputArtifact"):
            if kind in source:
                yield source[kind]["producerTask"], True
        if "taskFinalStatus" in source:
            yield source["taskFinalStatus"]["producerTask"], False


def _component_problems(body: Mapping[str, Any], component: Mapping[str, Any], at: str) -> Iterator[tuple[str, str]]:
    if "dag" in component:
        yield from _dag_problems(body, component["dag"].get("tasks", {}), f"{at}.dag.tasks")
        return
    label = component.get("executorLabel")
    if label not in body.get("deploymentSpec", {}).get("executors", {}):
        yield f"{at}.executorLabel", f"{label!r} is no executor of the deploymentSpec"


def _dag_problems(body: Mapping[str, Any], tasks: Mapping[str, Any], at: str) -> Iterator[tuple[str, str]]:
    for name, task in tasks.items():
        component = task.get("componentRef", {}).get("name")
        if component not in body.get("components", {}):
            yield f"{at}[{name!r}].componentRef.name", f"{component!r} is no component of the pipeline"
        for producer in upstream(task):
            if producer not in tasks:
                yield f"{at}[{name!r}]", f"waits for {producer!r}, which is no task beside it"
        condition = task.get("triggerPolicy", {}).get("condition")
        try:
            if condition:
                conditions.parse(condition)
        except conditions.ConditionError as error:
            yield f"{at}[{name!r}].triggerPolicy.condition", str(error)
    circle = _circle(tasks)
    if circle:
        yield at, f"tasks wait for each other: {', '.join(circle)}"


def _circle(tasks: Mapping[str, Any]) -> list[str]:
    """The tasks that can never start, since each waits for another of them."""
    waiting = {name: {each for each in upstream(task) if each in tasks} for name, task in tasks.items()}
    while free := [name for name, needs in waiting.items() if not needs]:
        for name in free:
            del waiting[name]
        for needs in waiting.values():
            needs.difference_update(free)
    return sorted(waiting)
