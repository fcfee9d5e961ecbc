"""Query parameters, as typed expressions.

Source: https://cloud.google.com/bigquery/docs/parameterized-queries
"""

import base64
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from sqlglot import exp

from local.cloud.bigquery.problems import invalid_query
from local.cloud.bigquery.rows import datetime_text, decimal_text
from local.cloud.bigquery.schema import Field, duckdb_type, mode_of, standard_type

_NAMES = {
    "STRING",
    "BYTES",
    "INT64",
    "FLOAT64",
    "BOOL",
    "NUMERIC",
    "BIGNUMERIC",
    "TIMESTAMP",
    "DATETIME",
    "DATE",
    "TIME",
    "JSON",
    "GEOGRAPHY",
}


def bind(query: exp.Expr, parameters: list[dict[str, Any]], system: Mapping[str, str] = MappingProxyType({})) -> None:
    """Put values in the place of `@name`, `?` and `@@name`. Raises for a parameter that is not given."""
    named = {str(each["name"]).lower(): each for each in parameters if each.get("name")}
    positional = iter([each for each in parameters if not each.get("name")])
    for node in list(query.find_all(exp.Parameter, exp.Placeholder)):
        if isinstance(node.parent, exp.Parameter):
            continue  # the inside of @@name
        if isinstance(node, exp.Placeholder):
            given = next(positional, None)
            if given is None:
                raise invalid_query(
                    "Query parameter number is out of range: there are more ? than positional parameters"
                )
        else:
            if isinstance(node.this, exp.Parameter):
                _bind_system(node, system)
                continue
            given = named.get(node.name.lower())
            if given is None:
                raise invalid_query(f"Query parameter '{node.name}' not found")
        known = given.get("literal")
        node.replace(
            known.copy() if known else _value(given.get("parameterType") or {}, given.get("parameterValue") or {})
        )


def _bind_system(node: exp.Expr, system: Mapping[str, str]) -> None:
    """`@@row_count`, `@@error.message`."""
    whole, name = node, node.this.name.lower()
    if isinstance(node.parent, exp.Dot) and f"{name}." in "".join(system):
        whole, name = node.parent, f"{name}.{node.parent.expression.name.lower()}"
    if name not in system:
        raise invalid_query(f"Unrecognized name: @@{name}: the local cloud has {', '.join(sorted(system))}")
    text = exp.Literal.string(system[name])
    whole.replace(exp.cast(text, "BIGINT") if name == "row_count" else text)


def literal(field: Field, value: Any) -> exp.Expr:
    """A value of Python's as a typed expression: what a script's variable stands for."""
    kind = exp.DataType.build(duckdb_type(field), dialect="duckdb")
    if value is None and mode_of(field) != "REPEATED":
        return exp.Cast(this=exp.null(), to=kind)
    if mode_of(field) == "REPEATED":
        items = [literal({**field, "mode": "NULLABLE"}, each) for each in value or []]
        return exp.Cast(this=exp.Array(expressions=items), to=kind)
    if standard_type(field) == "STRUCT":
        pairs = [
            exp.PropertyEQ(
                this=exp.to_identifier(each["name"], quoted=True),
                expression=literal(each, (value or {}).get(each["name"])),
            )
            for each in field["fields"]
        ]
        return exp.Struct(expressions=pairs)
    if isinstance(value, bytes):
        return exp.FromBase64(this=exp.Literal.string(base64.b64encode(value).decode()))
    return exp.Cast(this=exp.Literal.string(_plain(value)), to=kind)


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return datetime_text(value) + ("+00" if value.tzinfo else "")
    return decimal_text(value) if isinstance(value, Decimal) else str(value)


def _value(kind: dict[str, Any], value: dict[str, Any]) -> exp.Expr:
    name = str(kind.get("type", "")).upper()
    if name == "ARRAY":
        inner = kind.get("arrayType") or {}
        items = value.get("arrayValues")
        array = exp.Array(expressions=[_value(inner, item) for item in items or []])
        return exp.Cast(this=array, to=_type(kind))
    if name == "STRUCT":
        types = {each["name"]: each["type"] for each in kind.get("structTypes") or []}
        values = value.get("structValues") or {}
        pairs = [
            exp.PropertyEQ(this=exp.to_identifier(key, quoted=True), expression=_value(of, values.get(key) or {}))
            for key, of in types.items()
        ]
        return exp.Struct(expressions=pairs)
    text = value.get("value")
    shown = exp.null() if text is None else exp.Literal.string(str(text))
    if name == "BYTES" and text is not None:
        return exp.FromBase64(this=shown)
    return exp.Cast(this=shown, to=_type(kind))


def _type(kind: dict[str, Any]) -> exp.DataType:
    return exp.DataType.build(duckdb_type(_field("v", kind)), dialect="duckdb")


def _field(name: str, kind: dict[str, Any]) -> Field:
    of = str(kind.get("type", "")).upper()
    if of == "ARRAY":
        return {**_field(name, kind.get("arrayType") or {}), "mode": "REPEATED"}
    if of == "STRUCT":
        return {
            "name": name,
            "type": "STRUCT",
            "fields": [_field(each["name"], each["type"]) for each in kind["structTypes"]],
        }
    field = {"name": name, "type": of}
    if standard_type(field) not in _NAMES:
        raise invalid_query(f"Query parameter type {of!r} is not one of {', '.join(sorted(_NAMES))}, ARRAY, STRUCT")
    return field
