"""Parameter values: their types, their text, and the values that a component is given or leaves.

A compiled spec travels as JSON, where every number is a double: an integer may arrive as 3.0 at any level of nesting
and is made an integer again wherever a component declares one.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Artifact = dict[str, Any]  # a RuntimeArtifact: name, type, uri, metadata

_PLAIN_TYPES: Mapping[str, type] = {"STRING": str, "BOOLEAN": bool, "LIST": list, "STRUCT": dict}
_MISSING: Mapping[str, Any] = {"STRUCT": {}, "LIST": [], "BOOLEAN": False}


@dataclass
class Values:
    """What goes into a component, or comes out of it. Every artifact is a list: most have one, a collected one more."""

    parameters: dict[str, Any] = field(default_factory=dict)
    artifacts: dict[str, list[Artifact]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {"parameters": self.parameters, "artifacts": self.artifacts}

    @staticmethod
    def of_json(body: Mapping[str, Any]) -> "Values":
        return Values(dict(body.get("parameters", {})), dict(body.get("artifacts", {})))


class WrongTypeError(ValueError):
    """A value that is not of the declared type."""


def coerced(value: Any, kind: str) -> Any:
    """`value` as a JSON number, string, … of the declared type. Raises WrongTypeError for what is none."""
    if kind == "NUMBER_INTEGER" and _is_number(value) and float(value).is_integer():
        return int(value)
    if kind == "NUMBER_DOUBLE" and _is_number(value):
        return float(value)
    if kind in {"NUMBER_INTEGER", "NUMBER_DOUBLE"} or not isinstance(value, _PLAIN_TYPES.get(kind, object)):
        raise WrongTypeError(f"{value!r} is not of type {kind}")
    return value


def adapted(value: Any, kind: str) -> Any:
    """As `coerced`, but a value that does not fit is read from its text or becomes its text, as between components."""
    try:
        return coerced(value, kind)
    except WrongTypeError:
        if kind == "STRING":
            return text_of(value)
        return parsed(value, kind) if isinstance(value, str) else value


def parsed(text: str, kind: str) -> Any:
    """The value that a component wrote to an output file. Raises WrongTypeError for what is not of the type."""
    if kind == "STRING":
        return text
    try:
        if kind == "BOOLEAN":
            return {"true": True, "false": False, "1": True, "0": False}[text.strip().lower()]
        return coerced(json.loads(text), kind)
    except (KeyError, ValueError):
        raise WrongTypeError(f"{text[:200]!r} is not of type {kind}") from None


def text_of(value: Any) -> str:
    """A value as it stands in a command line: strings as they are, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def missing(kind: str) -> Any:
    """What an optional parameter without any value reads as in a command line."""
    return _MISSING.get(kind, "")


def parameter_types(component: Mapping[str, Any], side: str = "inputDefinitions") -> dict[str, str]:
    """The declared type of each parameter of a component; of schema 2.0.0's `type`, its present name."""
    former = {"INT": "NUMBER_INTEGER", "DOUBLE": "NUMBER_DOUBLE", "STRING": "STRING"}
    declared = component.get(side, {}).get("parameters", {})
    return {name: each.get("parameterType") or former.get(each.get("type", ""), "") for name, each in declared.items()}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
