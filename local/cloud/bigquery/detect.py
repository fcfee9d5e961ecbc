"""The schema of data that comes without one.

Source: https://cloud.google.com/bigquery/docs/schema-detect
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from local.cloud.bigquery.schema import Field
from local.cloud.bigquery.values import timestamp

_INTEGER = re.compile(r"[+-]?\d{1,19}")
_FLOAT = re.compile(r"[+-]?(\d+\.\d*|\.\d+|\d+)([eE][+-]?\d+)?|nan|inf|-inf", re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}")
_BAD_IN_NAME = re.compile(r"[^A-Za-z0-9_]")


def detected(rows: Sequence[dict[str, Any]], names: Sequence[str] = ()) -> list[Field]:
    """The narrowest type of each column that holds all of its values."""
    columns = dict.fromkeys([*names, *(name for row in rows for name in row)])
    return [_field(name, [row[name] for row in rows if row.get(name) not in (None, "")]) for name in columns]


def kind_of(text: str) -> str:
    """Of one cell of a text file."""
    if text.lower() in ("true", "false"):
        return "BOOLEAN"
    if _INTEGER.fullmatch(text):
        return "INTEGER"
    if _FLOAT.fullmatch(text):
        return "FLOAT"
    if _DATE.fullmatch(text):
        return "DATE"
    try:
        timestamp(text)
    except ValueError:
        return "STRING"
    return "TIMESTAMP"


def _field(name: str, values: list[Any]) -> Field:
    column = _BAD_IN_NAME.sub("_", name)
    column = column if re.match(r"[A-Za-z_]", column) else f"_{column}"
    if any(isinstance(value, list) for value in values):
        inner = [each for value in values if isinstance(value, list) for each in value]
        return {**_field(name, inner), "mode": "REPEATED"}
    if any(isinstance(value, dict) for value in values):
        records = [value for value in values if isinstance(value, dict)]
        return {"name": column, "type": "RECORD", "mode": "NULLABLE", "fields": detected(records)}
    return {"name": column, "type": _common(map(_kind, values)), "mode": "NULLABLE"}


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "BOOLEAN"
    if isinstance(value, int):
        return "INTEGER"
    return "FLOAT" if isinstance(value, float) else kind_of(str(value))


def _common(kinds: Iterable[str]) -> str:
    found = set(kinds)
    if len(found) == 1:
        return found.pop()
    if found and found <= {"INTEGER", "FLOAT"}:
        return "FLOAT"
    return "TIMESTAMP" if found and found <= {"DATE", "TIMESTAMP"} else "STRING"
