"""What a task is given: from its pipeline's inputs, from the tasks before it, from the spec itself."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from local.cloud.pipelines.placeholders import Bindings
from local.cloud.pipelines.values import Artifact, Values, WrongTypeError, adapted, parameter_types

_SELECTOR = re.compile(r"parseJson\(string_value\)((?:\[(?:\"[^\"]*\"|'[^']*'|\d+)\])*)")


class InputError(ValueError):
    """An input that cannot be had."""


@dataclass(frozen=True)
class Scope:
    """Where a task stands: its pipeline's own inputs, what the tasks beside it left, and how they ended."""

    inputs: Values
    outputs_of: Callable[[str], Values]
    status_of: Callable[[str], dict[str, Any]]


@dataclass(frozen=True)
class Given:
    """A task's inputs. `templates` names the parameters whose values the spec wrote: they may hold placeholders."""

    values: Values
    templates: frozenset[str] = frozenset()

    def settled(self, pipeline: Mapping[str, Any], types: Mapping[str, str]) -> Values:
        """The values with their placeholders resolved as far as that needs no container."""
        bindings = Bindings(pipeline, self.values.parameters, types, self.templates)
        parameters = {name: _typed(name, bindings.parameter(name), types) for name in self.values.parameters}
        return Values(parameters, self.values.artifacts)


def task_inputs(task: Mapping[str, Any], component: Mapping[str, Any], scope: Scope) -> Given:
    """The inputs of a task that starts now. Raises InputError for one that it needs and cannot have."""
    declared = component.get("inputDefinitions", {}).get("parameters", {})
    types = parameter_types(component)
    parameters = {name: each["defaultValue"] for name, each in declared.items() if "defaultValue" in each}
    templates = set(parameters)
    for name, source in task.get("inputs", {}).get("parameters", {}).items():
        value, written = _parameter(name, source, scope)
        if value is None:
            if name not in parameters and not declared.get(name, {}).get("isOptional") and "runtimeValue" not in source:
                _require(name, source)
            continue
        parameters[name] = value if written else _typed(name, _selected(name, value, source), types)
        (templates.add if written else templates.discard)(name)
    artifacts = {}
    for name, source in task.get("inputs", {}).get("artifacts", {}).items():
        found = _artifacts(source, scope)
        if found is not None:
            artifacts[name] = found
        elif not component.get("inputDefinitions", {}).get("artifacts", {}).get(name, {}).get("isOptional"):
            _require(name, source)
    return Given(Values(parameters, artifacts), frozenset(templates))


def loop_items(task: Mapping[str, Any], values: Values, pipeline: Mapping[str, Any]) -> list[Values] | None:
    """The inputs of each iteration of a loop; None where the task is no loop."""
    over = task.get("parameterIterator")
    if over:
        source = over["items"]
        items = (
            values.parameters.get(source["inputParameter"]) if "inputParameter" in source else source.get("raw", "[]")
        )
        if isinstance(items, str):
            items = json.loads(Bindings(pipeline, values.parameters).embedded(items))
        if not isinstance(items, list):
            raise InputError(f"a loop needs a list, not {items!r}")
        return [Values(values.parameters | {over["itemInput"]: item}, values.artifacts) for item in items]
    over = task.get("artifactIterator")
    if not over:
        return None
    found = values.artifacts.get(over["items"]["inputArtifact"], [])
    return [Values(values.parameters, values.artifacts | {over["itemInput"]: [artifact]}) for artifact in found]


def _parameter(name: str, source: Mapping[str, Any], scope: Scope) -> tuple[Any, bool]:
    """The value that a source gives, None if it has none; True where the spec wrote it."""
    if "runtimeValue" in source:
        written = source["runtimeValue"]
        if "runtimeParameter" in written:
            return scope.inputs.parameters.get(written["runtimeParameter"]), False
        return written.get("constant", _former_constant(written.get("constantValue"))), True
    if "componentInputParameter" in source:
        return scope.inputs.parameters.get(source["componentInputParameter"]), False
    if "taskOutputParameter" in source:
        output = source["taskOutputParameter"]
        return scope.outputs_of(output["producerTask"]).parameters.get(output["outputParameterKey"]), False
    if "taskFinalStatus" in source:
        return scope.status_of(source["taskFinalStatus"]["producerTask"]), False
    raise InputError(f"input parameter {name!r} has a source that is not known: {sorted(source)}")


def _artifacts(source: Mapping[str, Any], scope: Scope) -> list[Artifact] | None:
    if "componentInputArtifact" in source:
        return scope.inputs.artifacts.get(source["componentInputArtifact"])
    output = source["taskOutputArtifact"]
    return scope.outputs_of(output["producerTask"]).artifacts.get(output["outputArtifactKey"])


def _selected(name: str, value: Any, source: Mapping[str, Any]) -> Any:
    """Part of a value, where the spec selects one: `parseJson(string_value)["a"]`."""
    selector = source.get("parameterExpressionSelector")
    if not selector:
        return value
    match = _SELECTOR.fullmatch(selector)
    if not match:
        raise InputError(f"input parameter {name!r}: the selector {selector!r} is not known")
    value = json.loads(value) if isinstance(value, str) else value
    for key in re.findall(r"\[([^\]]*)\]", match[1]):
        try:
            value = value[int(key)] if key.isdigit() else value[key[1:-1]]
        except (KeyError, IndexError, TypeError):
            raise InputError(f"input parameter {name!r}: {value!r} has no {key}") from None
    return value


def _typed(name: str, value: Any, types: Mapping[str, str]) -> Any:
    try:
        return adapted(value, types.get(name, ""))
    except WrongTypeError as error:
        raise InputError(f"input parameter {name!r}: {error}") from None


def _require(name: str, source: Mapping[str, Any]) -> None:
    """Refuse to run without an input that a task before this one should have left."""
    output = source.get("taskOutputParameter") or source.get("taskOutputArtifact")
    if output:
        key = output.get("outputParameterKey") or output.get("outputArtifactKey")
        raise InputError(f"input {name!r} is missing: task {output['producerTask']!r} left no output {key!r}")


def _former_constant(value: Mapping[str, Any] | None) -> Any:
    """A constant as schema 2.0.0 writes it: {"intValue": "1"}."""
    if not value:
        return None
    if "intValue" in value:
        return int(value["intValue"])
    return value.get("doubleValue", value.get("stringValue"))
