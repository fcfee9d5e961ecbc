"""Between a resource's properties and Google's JSON: request bodies out of planned outputs, outputs out of answers."""

from __future__ import annotations

from typing import Any

from engine.gcp.comparing import empty
from engine.gcp.fields import Field
from engine.gcp.labels import read_labels
from engine.values import Properties, Unknown, Value, has_unknown


def put(body: dict[str, Any], path: str, value: Any) -> None:
    """Set the member at a dotted path."""
    *above, last = path.split(".")
    for name in above:
        body = body.setdefault(name, {})
    body[last] = value


def get(body: Any, path: str) -> Any:
    """The member at a dotted path; None if any part is missing."""
    for name in path.split("."):
        if not isinstance(body, dict):
            return None
        body = body.get(name)
    return body


def expand(fields: tuple[Field, ...], values: Properties, *, top: bool = True) -> dict[str, Any]:
    """A request's body: what is known and not empty. The service's own top-level outputs stay out unless `sent`."""
    body: dict[str, Any] = {}
    for field in fields:
        if field.api == "-" or (top and field.mode == "out" and not field.sent):
            continue
        value = values.get(field.name)
        if isinstance(value, Unknown) or value is None or (not field.nested and has_unknown(value)):
            continue
        if empty(value) and not field.sent:
            continue
        value = expand_value(field, value)
        if field.sent or value not in ({}, []):
            put(body, field.api, value)
    return body


def expand_value(field: Field, value: Value) -> Any:
    if field.kind == "obj" and isinstance(value, dict):
        return expand(field.fields, value, top=False)
    if field.kind in ("objs", "objset"):
        return [expand(field.fields, item, top=False) for item in value if isinstance(item, dict)]
    return str(value) if field.kind == "int64" else value


def flatten(fields: tuple[Field, ...], answer: Any, known: Properties, *, top: bool = True) -> Properties:
    """The outputs in an answer. `known` (planned or prior outputs) gives what the API never tells, and which empty
    values were null.
    """
    outputs = _flatten_members(fields, answer, known, top=top)
    if top and "effectiveLabels" in outputs:
        read_labels(outputs, known)
    return outputs


def _flatten_members(fields: tuple[Field, ...], answer: Any, known: Properties, *, top: bool) -> Properties:
    outputs: Properties = {}
    for field in fields:
        kept = known.get(field.name)
        if field.api == "-" or field.unread:
            outputs[field.name] = None if isinstance(kept, Unknown) else kept
        else:
            outputs[field.name] = flatten_value(field, get(answer, field.api), kept, top=top)
    return outputs


def flatten_value(field: Field, value: Any, known: Value, *, top: bool) -> Value:
    if field.kind == "obj":
        return (
            flatten(field.fields, value, known if isinstance(known, dict) else {}, top=False)
            if isinstance(value, dict)
            else None
        )
    if field.kind in ("objs", "objset"):
        return _flatten_list(field, value, known)
    if value is None or (value in ({}, []) and empty(known) and not field.computed):
        return _absent(field, top=top)
    return _typed(field.kind, value)


def _typed(kind: str, value: Any) -> Value:
    """A value of Google's JSON in the property's own type."""
    if kind in ("int", "int64"):
        return int(value)
    if kind == "str" and not isinstance(value, str):
        return str(value).lower() if isinstance(value, bool) else str(value)
    return value


def _flatten_list(field: Field, value: Any, known: Value) -> Value:
    items = value if isinstance(value, list) else [value] if isinstance(value, dict) else []
    before = known if isinstance(known, list) else []
    padded = [*before, *([None] * len(items))]
    return [
        flatten(field.fields, item, old if isinstance(old, dict) else {}, top=False)
        for item, old in zip(items, padded, strict=False)
    ]


def _absent(field: Field, *, top: bool) -> Value:
    """What the provider records for a property that an answer lacks."""
    if field.null or field.kind in ("map", "raw"):
        return None
    if field.kind in ("strs", "strset", "floats"):
        return None if top and not field.computed else []
    return field.zero
