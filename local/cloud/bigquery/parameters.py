"""Query parameters, as typed expressions.

Source: https://cloud.google.com/bigquery/docs/parameterized-queries
"""

from typing import Any

from sqlglot import exp

from local.cloud.bigquery.problems import invalid_query
from local.cloud.bigquery.schema import Field, duckdb_type, standard_type

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


def bind(query: exp.Expr, parameters: list[dict[str, Any]]) -> None:
    """Put values in the place of `@name` and `?`. Raises for a parameter that is not given."""
    named = {str(each["name"]).lower(): each for each in parameters if each.get("name")}
    positional = iter([each for each in parameters if not each.get("name")])
    for node in list(query.find_all(exp.Parameter, exp.Placeholder)):
        if isinstance(node, exp.Placeholder):
            given = next(positional, None)
            if given is None:
                raise invalid_query(
                    "Query parameter number is out of range: there are more ? than positional parameters"
                )
        else:
            if isinstance(node.this, exp.Parameter):
                raise invalid_query(f"Unrecognized name: @@{node.this.name}: system variables are not supported")
            given = named.get(node.name.lower())
            if given is None:
                raise invalid_query(f"Query parameter '{node.name}' not found")
        node.replace(_value(given.get("parameterType") or {}, given.get("parameterValue") or {}))


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
    literal = exp.null() if text is None else exp.Literal.string(str(text))
    if name == "BYTES" and text is not None:
        return exp.Anonymous(this="from_base64", expressions=[literal])
    return exp.Cast(this=literal, to=_type(kind))


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
