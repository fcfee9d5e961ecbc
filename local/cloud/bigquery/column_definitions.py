"""Columns as a statement defines them, as the API's fields."""

from sqlglot import exp

from local.cloud.bigquery.options import options_of
from local.cloud.bigquery.problems import invalid_query, unsupported
from local.cloud.bigquery.schema import Field

_TYPES = {
    exp.DataType.Type.BIGINT: "INTEGER",
    exp.DataType.Type.INT: "INTEGER",
    exp.DataType.Type.DOUBLE: "FLOAT",
    exp.DataType.Type.FLOAT: "FLOAT",
    exp.DataType.Type.TEXT: "STRING",
    exp.DataType.Type.VARCHAR: "STRING",
    exp.DataType.Type.BINARY: "BYTES",
    exp.DataType.Type.VARBINARY: "BYTES",
    exp.DataType.Type.BOOLEAN: "BOOLEAN",
    exp.DataType.Type.DECIMAL: "NUMERIC",
    exp.DataType.Type.BIGDECIMAL: "BIGNUMERIC",
    exp.DataType.Type.TIMESTAMPTZ: "TIMESTAMP",
    exp.DataType.Type.TIMESTAMP: "DATETIME",
    exp.DataType.Type.DATETIME: "DATETIME",
    exp.DataType.Type.DATE: "DATE",
    exp.DataType.Type.TIME: "TIME",
    exp.DataType.Type.JSON: "JSON",
    exp.DataType.Type.GEOGRAPHY: "GEOGRAPHY",
}


def field_defined(column: exp.ColumnDef) -> Field:
    """A column's definition as the API's field."""
    kind = column.args.get("kind")
    if not isinstance(kind, exp.DataType):
        raise invalid_query(f"Column {column.name} has no type")
    field = field_typed(column.name, kind)
    for constraint in column.args.get("constraints") or []:
        if isinstance(constraint.kind, exp.NotNullColumnConstraint):
            field["mode"] = "REQUIRED"
        elif isinstance(constraint.kind, exp.Properties):
            field |= {key: value for key, value in options_of(constraint.kind).items() if key == "description"}
    return field


def field_typed(name: str, kind: exp.DataType) -> Field:
    if kind.this == exp.DataType.Type.ARRAY:
        return {**field_typed(name, kind.expressions[0]), "mode": "REPEATED"}
    if kind.this == exp.DataType.Type.STRUCT:
        return {
            "name": name,
            "type": "RECORD",
            "mode": "NULLABLE",
            "fields": [field_defined(each) for each in kind.expressions],
        }
    found = _TYPES.get(kind.this)
    if found is None:
        raise unsupported(f"the type {kind.sql('bigquery')}")
    return {"name": name, "type": found, "mode": "NULLABLE"}
