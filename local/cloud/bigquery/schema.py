"""BigQuery's types, and what they are in DuckDB and Arrow.

Owns: the correspondence. A schema is the API's: a list of fields {name, type, mode, fields}.
Source: https://cloud.google.com/bigquery/docs/reference/rest/v2/tables#TableFieldSchema
"""

import re
from typing import Any

from local.cloud.validation import Violations

Field = dict[str, Any]

_STANDARD = {
    "INTEGER": "INT64",
    "FLOAT": "FLOAT64",
    "BOOLEAN": "BOOL",
    "RECORD": "STRUCT",
    "DECIMAL": "NUMERIC",
    "BIGDECIMAL": "BIGNUMERIC",
}
_LEGACY = {"INT64": "INTEGER", "FLOAT64": "FLOAT", "BOOL": "BOOLEAN", "STRUCT": "RECORD"}
_DUCKDB = {
    "STRING": "VARCHAR",
    "BYTES": "BLOB",
    "INT64": "BIGINT",
    "FLOAT64": "DOUBLE",
    "BOOL": "BOOLEAN",
    "NUMERIC": "DECIMAL(38,9)",
    "BIGNUMERIC": "DECIMAL(38,19)",
    "TIMESTAMP": "TIMESTAMPTZ",
    "DATETIME": "TIMESTAMP",
    "DATE": "DATE",
    "TIME": "TIME",
    "JSON": "JSON",
    "GEOGRAPHY": "VARCHAR",
    "INTERVAL": "INTERVAL",
}
_OF_DUCKDB = {
    "bigint": "INT64",
    "integer": "INT64",
    "smallint": "INT64",
    "tinyint": "INT64",
    "ubigint": "INT64",
    "uinteger": "INT64",
    "usmallint": "INT64",
    "utinyint": "INT64",
    "hugeint": "INT64",
    "uhugeint": "INT64",
    "double": "FLOAT64",
    "float": "FLOAT64",
    "boolean": "BOOL",
    "decimal": "NUMERIC",
    "varchar": "STRING",
    "enum": "STRING",
    "uuid": "STRING",
    "blob": "BYTES",
    "timestamp with time zone": "TIMESTAMP",
    "timestamp": "DATETIME",
    "timestamp_s": "DATETIME",
    "timestamp_ms": "DATETIME",
    "timestamp_ns": "DATETIME",
    "date": "DATE",
    "time": "TIME",
    "json": "JSON",
    "interval": "INTERVAL",
    "sqlnull": "INT64",
    '"null"': "INT64",
    "null": "INT64",
}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,299}")
_RESERVED = ("_TABLE_", "_FILE_", "_PARTITION", "_ROW_TIMESTAMP", "__ROOT__", "_COLIDENTIFIER")
_MOST_NUMERIC_SCALE = 18  # of the product of two NUMERIC, which is NUMERIC
_MODES = ("NULLABLE", "REQUIRED", "REPEATED")
_MOST_DEPTH = 15
_MOST_COLUMNS = 10_000


def standard_type(field: Field) -> str:
    """The GoogleSQL name of a field's type: INT64 for INTEGER."""
    kind = str(field.get("type", "")).upper()
    return _STANDARD.get(kind, kind)


def mode_of(field: Field) -> str:
    return str(field.get("mode") or "NULLABLE").upper()


def check_schema(found: Violations, fields: list[Field], where: str = "schema.fields", depth: int = 1) -> None:
    """Note what BigQuery does not take of a schema."""
    found.unless(depth <= _MOST_DEPTH, where, f"records nest deeper than the {_MOST_DEPTH} levels allowed")
    found.unless(
        len(fields) <= _MOST_COLUMNS, where, f"{len(fields)} columns are more than the {_MOST_COLUMNS} allowed"
    )
    names: set[str] = set()
    for index, field in enumerate(fields):
        here = f"{where}[{index}]"
        name = field.get("name")
        rule = "must begin with a letter or '_' and hold at most 300 letters, digits and '_'"
        found.matches(_NAME.pattern, name, f"{here}.name", rule)
        reserved = str(name).upper().startswith(_RESERVED)
        found.unless(not reserved, f"{here}.name", f"{name!r} begins with a reserved prefix")
        found.unless(str(name).lower() not in names, f"{here}.name", f"{name!r} is there twice")
        names.add(str(name).lower())
        found.one_of((*_DUCKDB, "STRUCT"), standard_type(field), f"{here}.type")
        found.one_of(_MODES, mode_of(field), f"{here}.mode")
        if standard_type(field) == "STRUCT":
            found.unless(field.get("fields"), f"{here}.fields", f"record {name!r} has no fields")
            check_schema(found, field.get("fields") or [], f"{here}.fields", depth + 1)


def duckdb_type(field: Field) -> str:
    """The type of a column; a REPEATED field is a list."""
    kind = standard_type(field)
    if kind == "STRUCT":
        inner = ", ".join(f"{quoted(each['name'])} {duckdb_type(each)}" for each in field["fields"])
        base = f"STRUCT({inner})"
    else:
        base = _DUCKDB[kind]
    return f"{base}[]" if mode_of(field) == "REPEATED" else base


def column_definition(field: Field) -> str:
    """Of a CREATE TABLE."""
    required = " NOT NULL" if mode_of(field) == "REQUIRED" else ""
    return f"{quoted(field['name'])} {duckdb_type(field)}{required}"


def quoted(name: str) -> str:
    """An identifier of DuckDB."""
    return '"' + name.replace('"', '""') + '"'


def field_of(name: str, kind: Any) -> Field:
    """The field of a query's result, of a DuckDBPyType, as the API names its type (INTEGER, not INT64)."""
    if kind.id in ("list", "array"):
        inner = field_of(name, kind.children[0][1])
        return {**inner, "mode": "REPEATED"}
    if kind.id in ("struct", "map"):
        inner = [field_of(child, of) for child, of in kind.children] if kind.id == "struct" else _map_fields(kind)
        field: Field = {"name": name, "type": "RECORD", "mode": "NULLABLE", "fields": inner}
        return field | ({"mode": "REPEATED"} if kind.id == "map" else {})
    standard = "JSON" if str(kind) == "JSON" else _OF_DUCKDB.get(kind.id)
    if standard == "NUMERIC" and dict(kind.children)["scale"] > _MOST_NUMERIC_SCALE:
        standard = "BIGNUMERIC"
    if standard is None:
        raise ValueError(f"column {name!r} has type {kind}, which is none of BigQuery's")
    return {"name": name, "type": _LEGACY.get(standard, standard), "mode": "NULLABLE"}


def _map_fields(kind: Any) -> list[Field]:
    (_, key), (_, value) = kind.children
    return [field_of("key", key), field_of("value", value)]


def same_type(one: Field, other: Field) -> bool:
    """Whether two fields hold the same values; names of types, modes and descriptions aside."""
    return duckdb_type(one) == duckdb_type(other)


def find_field(fields: list[Field], name: str) -> Field | None:
    """Column names do not differ by case."""
    return next((field for field in fields if field["name"].lower() == name.lower()), None)
