"""What differs between the prior outputs of a resource and the planned ones, and which differences replace it.

An absent value, an empty one and a zero count as equal, as in Terraform.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from engine.gcp.fields import Field
from engine.gcp.sameness import same
from engine.paths import Path
from engine.values import Asset, Ciphertext, Properties, Unknown, Value


@dataclass(frozen=True)
class Change:
    """A difference at a path: `kind` is add, delete or update."""

    path: Path
    kind: str
    replace: bool

    @property
    def key(self) -> str:
        return str(self.path[0])


def changes(fields: tuple[Field, ...], prior: Properties, plan: Properties, path: Path = ()) -> Iterator[Change]:
    for field in fields:
        yield from _field_changes(field, prior.get(field.name), plan.get(field.name), (*path, field.name))


def empty(value: Value) -> bool:
    """Whether Terraform sees nothing there."""
    return value is None or (not isinstance(value, Unknown | Asset) and value in ("", 0, False, [], {}))


def _absent(value: Value) -> bool:
    """Whether nothing is said: zero and false are something, empty texts and collections are not."""
    return empty(value) and (value is None or not isinstance(value, bool | int | float))


def _kind(old: Value, new: Value) -> str:
    if _absent(old):
        return "add"
    return "delete" if _absent(new) else "update"


def _field_changes(field: Field, old: Value, new: Value, path: Path) -> Iterator[Change]:
    if isinstance(old, Ciphertext) or (empty(old) and empty(new)):
        return
    if isinstance(new, Unknown):
        if not isinstance(old, Unknown):
            yield Change(path, "update", field.replace)
        return
    if field.same and same(field.same, old, new):
        return
    yield from _COMPARERS.get(field.kind, _scalar)(field, old, new, path)


def _scalar(field: Field, old: Value, new: Value, path: Path) -> Iterator[Change]:
    if old != new and str(old) != str(new):
        yield Change(path, _kind(old, new), field.replace)


def _map(field: Field, old: Value, new: Value, path: Path) -> Iterator[Change]:
    before, after = old or {}, new or {}
    if not (isinstance(before, dict) and isinstance(after, dict)):
        yield Change(path, "update", field.replace)
        return
    for key in sorted({*before, *after}):
        if key not in before:
            yield Change((*path, key), "add", field.replace)
        elif key not in after:
            yield Change((*path, key), "delete", field.replace)
        elif before[key] != after[key] and str(before[key]) != str(after[key]):
            yield Change((*path, key), "update", field.replace)


def _object(field: Field, old: Value, new: Value, path: Path) -> Iterator[Change]:
    if isinstance(old, dict) and isinstance(new, dict):
        yield from changes(field.fields, old, new, path)
    elif isinstance(old, dict) or isinstance(new, dict):
        inner = [change.replace for change in changes(field.fields, old or {}, new or {}, path)]
        yield Change(path, _kind(old, new), field.replace or any(inner))


def _list(field: Field, old: Value, new: Value, path: Path) -> Iterator[Change]:
    before, after = old or [], new or []
    for index in range(max(len(before), len(after))):
        here = (*path, index)
        if index >= len(before):
            yield Change(here, "add", field.replace)
        elif index >= len(after):
            yield Change(here, "delete", field.replace)
        elif field.nested and isinstance(before[index], dict) and isinstance(after[index], dict):
            yield from changes(field.fields, before[index], after[index], here)
        elif isinstance(after[index], Unknown) or before[index] != after[index]:
            yield Change(here, "update", field.replace)


def _set(field: Field, old: Value, new: Value, path: Path) -> Iterator[Change]:
    before = {_canonical(field, item): item for item in old or []}
    after = {_canonical(field, item): (index, item) for index, item in enumerate(new or [])}
    gone = [item for key, item in before.items() if key not in after]
    come = [(index, item) for key, (index, item) in after.items() if key not in before]
    if field.nested and len(before) == len(after) == len(gone) == 1 and isinstance(come[0][1], dict):
        yield from changes(field.fields, gone[0], come[0][1], (*path, 0))
        return
    if field.nested:
        for _, item in come if gone else ():
            nearest = min(gone, key=lambda candidate: sum(1 for _ in changes(field.fields, candidate, item)))
            inner = any(change.replace for change in changes(field.fields, nearest, item))
            yield Change(path, "update", field.replace or inner)
    if gone and not come:
        yield from (Change((*path, (old or []).index(item)), "delete", field.replace) for item in gone)
    elif come and not (field.nested and gone):
        kind = "update" if gone else "add"
        yield from (Change((*path, index), kind, field.replace) for index, _ in come)


def _canonical(field: Field, item: Value) -> str:
    """A text that is equal for equal elements of a set."""
    if isinstance(item, Unknown):
        return f"unknown {id(item)}"
    if field.nested and isinstance(item, dict):
        return json.dumps(_trimmed(field.fields, item), sort_keys=True, default=repr)
    return json.dumps(item, sort_keys=True, default=repr)


def _trimmed(fields: tuple[Field, ...], item: Properties) -> Properties:
    result: Properties = {}
    for field in fields:
        value = item.get(field.name)
        if empty(value):
            continue
        if field.kind == "obj" and isinstance(value, dict):
            value = _trimmed(field.fields, value)
        elif field.unordered and isinstance(value, list):
            value = sorted(_canonical(field, inner) for inner in value)
        elif field.kind == "objs" and isinstance(value, list):
            value = [_trimmed(field.fields, inner) if isinstance(inner, dict) else inner for inner in value]
        if not empty(value):
            result[field.name] = value
    return result


_COMPARERS = {
    "map": _map,
    "obj": _object,
    "objs": _list,
    "strs": _list,
    "floats": _list,
    "objset": _set,
    "strset": _set,
}
