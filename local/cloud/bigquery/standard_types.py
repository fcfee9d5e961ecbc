"""StandardSqlDataType: the types of a routine's arguments, as text and as GoogleSQL's parser has them.

Source: https://cloud.google.com/bigquery/docs/reference/rest/v2/StandardSqlDataType
"""

from typing import Any

from sqlglot import exp
from sqlglot.errors import ParseError

from local.cloud.bigquery.problems import problem
from local.cloud.bigquery.schema import Field, mode_of, standard_type

_KINDS = ("STRING", "BYTES", "INT64", "FLOAT64", "BOOL", "NUMERIC", "BIGNUMERIC", "TIMESTAMP", "DATETIME", "DATE")
_KINDS += ("TIME", "JSON", "GEOGRAPHY", "INTERVAL")


def type_text(kind: dict[str, Any]) -> str:
    """Raises for a type that GoogleSQL has not."""
    name = str(kind.get("typeKind") or "").upper()
    if name == "ARRAY":
        return f"ARRAY<{type_text(kind.get('arrayElementType') or {})}>"
    if name == "STRUCT":
        fields = (kind.get("structType") or {}).get("fields") or []
        members = [f"`{each['name']}` {type_text(each.get('type') or {})}" for each in fields]
        return f"STRUCT<{', '.join(members)}>"
    if name not in _KINDS:
        raise problem("invalid", f"typeKind {kind.get('typeKind')!r} is not one of {', '.join(_KINDS)}, ARRAY, STRUCT")
    return name


def data_type(kind: dict[str, Any]) -> exp.DataType:
    try:
        return exp.DataType.build(type_text(kind), dialect="bigquery")
    except ParseError:
        raise problem("invalid", f"{kind!r} is no type of GoogleSQL") from None


def standard_of(field: Field) -> dict[str, Any]:
    """Of a column or an argument."""
    if mode_of(field) == "REPEATED":
        return {"typeKind": "ARRAY", "arrayElementType": standard_of({**field, "mode": "NULLABLE"})}
    if standard_type(field) != "STRUCT":
        return {"typeKind": standard_type(field)}
    fields = [{"name": each["name"], "type": standard_of(each)} for each in field["fields"]]
    return {"typeKind": "STRUCT", "structType": {"fields": fields}}
