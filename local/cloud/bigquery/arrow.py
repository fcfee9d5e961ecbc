"""BigQuery's schemas and Arrow's.

Owns: the types, both ways. Source:
https://cloud.google.com/bigquery/docs/loading-data-cloud-storage-parquet#parquet_conversions
"""

from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from local.cloud.bigquery.problems import problem
from local.cloud.bigquery.schema import Field, mode_of, standard_type

_TYPES = {
    "STRING": pa.string(),
    "BYTES": pa.binary(),
    "INT64": pa.int64(),
    "FLOAT64": pa.float64(),
    "BOOL": pa.bool_(),
    "NUMERIC": pa.decimal128(38, 9),
    "BIGNUMERIC": pa.decimal128(38, 19),
    "TIMESTAMP": pa.timestamp("us", "UTC"),
    "DATETIME": pa.timestamp("us"),
    "DATE": pa.date32(),
    "TIME": pa.time64("us"),
    "JSON": pa.string(),
    "GEOGRAPHY": pa.string(),
}


def arrow_schema(fields: Iterable[Field]) -> pa.Schema:
    return pa.schema([arrow_field(each) for each in fields])


def arrow_field(field: Field) -> pa.Field:
    kind = standard_type(field)
    base = pa.struct([arrow_field(each) for each in field["fields"]]) if kind == "STRUCT" else _TYPES.get(kind)
    if base is None:
        raise problem("invalid", f"Field {field['name']} of type {kind} cannot be loaded or extracted")
    of = pa.list_(pa.field("item", base)) if mode_of(field) == "REPEATED" else base
    return pa.field(field["name"], of, nullable=mode_of(field) != "REQUIRED")


def fields_of(schema: pa.Schema) -> list[Field]:
    """The BigQuery schema of a file; a column that cannot be null is REQUIRED."""
    return [_field(each.name, each.type, nullable=each.nullable) for each in schema]


def _field(name: str, kind: pa.DataType, *, nullable: bool) -> Field:
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return {**_field(name, kind.value_type, nullable=True), "mode": "REPEATED"}
    mode = "NULLABLE" if nullable else "REQUIRED"
    if pa.types.is_struct(kind):
        inner = [kind.field(index) for index in range(kind.num_fields)]
        return {
            "name": name,
            "type": "RECORD",
            "mode": mode,
            "fields": [_field(e.name, e.type, nullable=e.nullable) for e in inner],
        }
    if pa.types.is_dictionary(kind):
        return _field(name, kind.value_type, nullable=nullable)
    return {"name": name, "type": _scalar(name, kind), "mode": mode}


def _scalar(name: str, kind: Any) -> str:
    for matches, found in _SCALARS:
        if matches(kind):
            return found
    if pa.types.is_timestamp(kind):
        return "TIMESTAMP" if kind.tz else "DATETIME"
    if pa.types.is_decimal(kind):
        return "NUMERIC" if kind.scale <= 9 and kind.precision - kind.scale <= 29 else "BIGNUMERIC"
    raise problem("invalid", f"Field {name} has a type that BigQuery does not load: {kind}")


_SCALARS = (
    (pa.types.is_string, "STRING"),
    (pa.types.is_large_string, "STRING"),
    (pa.types.is_integer, "INTEGER"),
    (pa.types.is_floating, "FLOAT"),
    (pa.types.is_boolean, "BOOLEAN"),
    (pa.types.is_binary, "BYTES"),
    (pa.types.is_large_binary, "BYTES"),
    (pa.types.is_fixed_size_binary, "BYTES"),
    (pa.types.is_date, "DATE"),
    (pa.types.is_time, "TIME"),
    (pa.types.is_null, "STRING"),
)
