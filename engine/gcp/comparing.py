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


def _kind(old: Value, new: Value) -> str:
    """Only what is not there at all is added: an empty text is updated."""
    if old is None:
        return "add"
    return "delete" if new is None else "update"


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
    elif not before:
        yield Change(path, "add", field.replace)
    else:
        yield from _entries(field, before, after, path)


def _entries(field: Field, before: Properties, after: Properties, path: Path) -> Iterator[Change]:
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


def _whole(field: Field, items: list[Value], kind: str, path: Path) -> Iterator[Change]:
    """A collection that comes or goes as a whole."""
    blank: Properties = {}
    replace = field.replace or any(
        change.replace
        for item in items
        if field.nested and isinstance(item, dict)
        for change in changes(field.fields, blank, item)
    )
    yield Change(path, kind, replace)


def _list(field: Field, old: Value, new: Value, path: Path) -> Iterator[Change]:
    before, after = old or [], new or []
    if not before or not after:
        yield from _whole(field, before or after, "delete" if before else "add", path)
        return
    for index in range(max(len(before), len(after))):
        here = (*path, index)
        if index >= len(before):
            yield Change(here, "add", field.replace)
        elif index >= len(after):
            yield Change(here, "delete", field.replace)
        else:
            yield from _element(field, before[index], after[index], here)


def _element(field: Field, old: Value, new: Value, path: Path) -> Iterator[Change]:
    if field.nested and isinstance(old, dict) and isinstance(new, dict):
        yield from changes(field.fields, old, new, path)
    elif isinstance(new, Unknown) or old != new:
        yield Change(path, "update", field.replace)


def _set(field: Field, old: Value, new: Value, path: Path) -> Iterator[Change]:
    """What goes has its place in the state, what comes its place in the program; where both have the same, the one
    became the other. Of elements that hold blocks the provider cannot say which is which.
    """
    before, after = old or [], new or []
    if not before or not after:
        yield from _whole(field, before or after, "delete" if before else "add", path)
        return
    known, wanted = ({_canonical(field, item) for item in items} for items in (before, after))
    gone = {index: item for index, item in enumerate(before) if _canonical(field, item) not in wanted}
    come = {index: item for index, item in enumerate(after) if _canonical(field, item) not in known}
    if gone.keys() != come.keys() and gone and come and any(inner.nested for inner in field.fields):
        yield from _whole(field, [*gone.values(), *come.values()], "update", path)
        return
    for index in sorted({*gone, *come}):
        here = (*path, index)
        if index in gone and index in come:
            yield from _element(field, gone[index], come[index], here)
        else:
            kind, item = ("delete", gone[index]) if index in gone else ("add", come[index])
            yield from _whole(field, [item], kind, here)


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
