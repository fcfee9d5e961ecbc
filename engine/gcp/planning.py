"""What a resource will look like after an operation, from its prior outputs, the program's inputs and the field table.

The rules are Terraform's, as the bridged provider applies them: what is configured wins; what is not keeps its prior
value if the service may set it (UNKNOWN before creation), and is null if not.
"""

from __future__ import annotations

from engine.gcp.comparing import changes
from engine.gcp.fields import Field
from engine.gcp.sameness import same
from engine.values import UNKNOWN, Properties, Unknown, Value


def planned(fields: tuple[Field, ...], prior: Properties | None, inputs: Properties) -> Properties:
    """The planned outputs; `prior` is None before creation. Neither argument holds secrets."""
    return {
        field.name: _planned_field(field, inputs.get(field.name), (prior or {}).get(field.name), creating=prior is None)
        for field in fields
    }


def _planned_field(field: Field, given: Value, prior: Value, *, creating: bool) -> Value:
    given = field.default if given is None else given
    if field.mode == "out" or given is None:
        if not creating and not field.computed and field.same and same(field.same, prior, None):
            return prior
        unset = UNKNOWN if creating else prior
        return unset if field.computed else None
    if isinstance(given, Unknown) or field.kind == "raw":
        return given
    if field.same and (not creating or field.same.startswith("default-")) and same(field.same, prior, given):
        return prior
    return _planned_nested(field, given, prior) if field.nested else given


def _planned_nested(field: Field, given: Value, prior: Value) -> Value:
    return _planned_object(field, given, prior) if field.kind == "obj" else _planned_list(field, given, prior)


def _planned_object(field: Field, given: Value, prior: Value) -> Value:
    if not isinstance(given, dict):
        return given
    return planned(field.fields, prior if isinstance(prior, dict) else None, given)


def _planned_list(field: Field, given: Value, prior: Value) -> Value:
    if not isinstance(given, list):
        return given
    before = [item for item in prior if isinstance(item, dict)] if isinstance(prior, list) else []
    if field.kind == "objs":
        padded = [*before, *([None] * len(given))]
        return [_planned_object(field, item, old) for item, old in zip(given, padded, strict=False)]
    result: list[Value] = []
    for item in given:
        match = next((old for old in before if isinstance(item, dict) and _fits(field, item, old)), None)
        if match is not None:
            before.remove(match)
        result.append(_planned_object(field, item, match))
    return result


def _fits(field: Field, item: Properties, old: Properties) -> bool:
    """Whether an element of a set is the old one: all that is configured of it is as it was."""
    kept = {
        inner.name: old.get(inner.name) if inner.computed and item.get(inner.name) is None else item.get(inner.name)
        for inner in field.fields
    }
    return next(changes(field.fields, old, kept), None) is None
