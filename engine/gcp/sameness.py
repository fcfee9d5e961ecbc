"""Rules by which two values of a property count as equal although they differ: what the provider calls suppressed
differences.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from engine.values import Unknown, Value


def _fold(old: Value, new: Value) -> bool:
    return isinstance(old, str) and isinstance(new, str) and old.lower() == new.lower()


def _bucket(old: Value, new: Value) -> bool:
    """`b/NAME`, which IAM reads back, is the bucket NAME."""
    return isinstance(old, str) and isinstance(new, str) and old.removeprefix("b/") == new.removeprefix("b/")


def _last_segment(old: Value, new: Value) -> bool:
    """A relative or full resource name is the short name at its end."""
    if not (isinstance(old, str) and isinstance(new, str)) or not old or not new:
        return False
    if "/" in old and "/" in new:
        return old.removeprefix("https://").endswith(new) or new.removeprefix("https://").endswith(old)
    return old.rsplit("/", 1)[-1] == new.rsplit("/", 1)[-1]


def _project(old: Value, new: Value) -> bool:
    return (
        isinstance(old, str) and isinstance(new, str) and old.removeprefix("projects/") == new.removeprefix("projects/")
    )


def _member(old: Value, new: Value) -> bool:
    """IAM folds the case of accounts; of principals and the whole of `principalSet:` it does not."""
    if not (isinstance(old, str) and isinstance(new, str)):
        return False
    return normal_member(old) == normal_member(new)


def normal_member(member: str) -> str:
    kind, colon, rest = member.partition(":")
    if kind == "deleted":
        inner, _, account = rest.partition(":")
        return f"deleted:{inner}:{account.lower()}"
    if kind in ("principal", "principalSet", "principalHierarchy", "iamMember"):
        return member
    return f"{kind}{colon}{rest.lower()}"


def _seconds(old: Value, new: Value) -> bool:
    """`30d` and `2592000s` are one duration."""
    first, second = _duration(old), _duration(new)
    return first is not None and first == second


def _duration(value: Value) -> float | None:
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    if not isinstance(value, str) or not value or value[-1] not in units:
        return None
    try:
        return float(value[:-1]) * units[value[-1]]
    except ValueError:
        return None


def _off(old: Value, new: Value) -> bool:
    """An absent block is one whose switch is off."""

    def off(value: Value) -> bool:
        return not value or (isinstance(value, dict) and not any(value.values()))

    return off(old) and off(new)


_ALIKE_TYPES = {"INT64": "INTEGER", "FLOAT64": "FLOAT", "BOOL": "BOOLEAN"}


def column_type(name: Value) -> str:
    upper = str(name).upper()
    return _ALIKE_TYPES.get(upper, upper)


def column_mode(mode: Value) -> str:
    return str(mode).upper() if mode else "NULLABLE"


def _table_schema(old: Value, new: Value) -> bool:
    """BigQuery reorders and fills in a schema: columns are compared by name, types by meaning, defaults count as
    given.
    """
    try:
        before, after = json.loads(old or "[]") or [], json.loads(new or "[]") or []
    except (TypeError, ValueError):
        return False
    return _same_columns(before, after)


def _same_columns(old: Value, new: Value) -> bool:
    if not (isinstance(old, list) and isinstance(new, list)) or len(old) != len(new):
        return False

    def by_name(columns: list[Value]) -> list[Value]:
        return sorted(columns, key=lambda column: str(column.get("name")))

    return all(_same_column(mine, theirs) for mine, theirs in zip(by_name(old), by_name(new), strict=True))


def _same_column(old: dict[str, Value], new: dict[str, Value]) -> bool:
    keys = set(old) | set(new)
    if "foreignTypeDefinition" in keys:
        keys -= {"type", "fields"}
    return all(_same_attribute(key, old.get(key), new.get(key)) for key in keys)


def _same_attribute(key: str, old: Value, new: Value) -> bool:
    return old == new or (key in _ATTRIBUTES and _ATTRIBUTES[key](old, new))


def _no_tags(value: Value) -> bool:
    return not value or (isinstance(value, dict) and not any(value.values()))


_ATTRIBUTES: dict[str, Callable[[Value, Value], bool]] = {
    "mode": lambda old, new: column_mode(old) == column_mode(new),
    "type": lambda old, new: column_type(old) == column_type(new),
    "description": lambda old, new: not old and not new,
    "collation": lambda _, new: not new,
    "policyTags": lambda old, new: _no_tags(old) and _no_tags(new),
    "dataGovernanceTagsInfo": lambda old, new: _no_tags(old) and _no_tags(new),
    "fields": _same_columns,
}

RULES: dict[str, Callable[[Value, Value], bool]] = {
    "fold": _fold,
    "bucket": _bucket,
    "last-segment": _last_segment,
    "project": _project,
    "member": _member,
    "seconds": _seconds,
    "off": _off,
    "table-schema": _table_schema,
}


def same(rule: str, old: Value, new: Value) -> bool:
    if isinstance(old, Unknown) or isinstance(new, Unknown):
        return False
    return RULES[rule](old, new)
