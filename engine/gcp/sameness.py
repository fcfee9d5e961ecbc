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


def _last_segments(old: Value, new: Value) -> bool:
    """Each name of a list is the one at its place in the other."""
    if not (isinstance(old, list) and isinstance(new, list)) or len(old) != len(new):
        return False
    return all(mine == theirs or _last_segment(mine, theirs) for mine, theirs in zip(old, new, strict=True))


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


def _trimmed(old: Value, new: Value) -> bool:
    return isinstance(old, str) and isinstance(new, str) and old.strip() == new.strip()


def _default(value: str) -> Callable[[Value, Value], bool]:
    """An absent value is the service's own default."""
    return lambda old, new: {old or "", new or ""} == {"", value}


def _shuffled(old: Value, new: Value) -> bool:
    return isinstance(old, list) and isinstance(new, list) and sorted(map(str, old)) == sorted(map(str, new))


def _everywhere(old: Value, new: Value) -> bool:
    """A firewall rule without sources is one for the whole Internet."""
    return list(old or []) == ["0.0.0.0/0"] and not new


def _trailing_slash(old: Value, new: Value) -> bool:
    return isinstance(old, str) and isinstance(new, str) and old.rstrip("/") == new.rstrip("/")


def _last_three(old: Value, new: Value) -> bool:
    """`projects/P/locations/L/keyRings/R` may be written `P/L/R`."""
    if not (isinstance(old, str) and isinstance(new, str)):
        return False
    names = {"projects", "locations", "keyRings", ""}
    return [part for part in old.split("/") if part not in names] == [
        part for part in new.split("/") if part not in names
    ]


def _dashboard(old: Value, new: Value) -> bool:
    """What the service adds to a dashboard, such as its name and etag, is no difference."""
    try:
        return _without_added(json.loads(old), json.loads(new)) == json.loads(new)
    except (TypeError, ValueError):
        return False


def _without_added(old: Value, new: Value) -> Value:
    """The old JSON without the members that the new one lacks, at every depth."""
    if isinstance(old, dict) and isinstance(new, dict):
        return {key: _without_added(item, new[key]) for key, item in old.items() if new.get(key) is not None}
    if isinstance(old, list) and isinstance(new, list):
        kept = [_without_added(mine, theirs) for mine, theirs in zip(old, new, strict=False)]
        return kept + old[len(kept) :]
    return old


RULES: dict[str, Callable[[Value, Value], bool]] = {
    "fold": _fold,
    "bucket": _bucket,
    "last-segment": _last_segment,
    "last-segments": _last_segments,
    "project": _project,
    "member": _member,
    "seconds": _seconds,
    "off": _off,
    "table-schema": _table_schema,
    "trimmed": _trimmed,
    "shuffled": _shuffled,
    "everywhere": _everywhere,
    "trailing-slash": _trailing_slash,
    "key-ring": _last_three,
    "dashboard": _dashboard,
    "default-180s": _default("180s"),
    "default-external": _default("EXTERNAL"),
    "default-ipv4": _default("IPV4"),
    "default-month": _default("MONTH"),
    "default-reduce-none": _default("REDUCE_NONE"),
}


def same(rule: str, old: Value, new: Value) -> bool:
    if isinstance(old, Unknown) or isinstance(new, Unknown):
        return False
    return RULES[rule](old, new)
