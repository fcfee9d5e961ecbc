"""The engine's tables: made for a schema, and brought to a changed one."""

from typing import TYPE_CHECKING, Any

from local.cloud.bigquery.partitions import INGESTED, is_ingestion_time
from local.cloud.bigquery.references import TableRef
from local.cloud.bigquery.schema import Field, column_definition, duckdb_type, find_field, mode_of, quoted
from local.cloud.bigquery.schema_changes import mismatch, refuse_incompatible
from local.cloud.bigquery.warehouse import Warehouse

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def make(warehouse: Warehouse, cursor: "DuckDBPyConnection", fields: list[Field], resource: dict[str, Any]) -> str:
    """A table that is partitioned by the time of ingestion has a column for it that no schema shows."""
    physical = warehouse.new_physical()
    columns = ", ".join(column_definition(each) for each in fields)
    if is_ingestion_time(resource):
        unit = resource["timePartitioning"]["type"].lower()
        columns += f", {quoted(INGESTED)} TIMESTAMPTZ default date_trunc('{unit}', now())"
    cursor.execute(f"create table {quoted(physical)} ({columns})")
    return physical


def reschema(
    warehouse: Warehouse,
    cursor: "DuckDBPyConnection",
    ref: TableRef,
    record: dict[str, Any],
    fields: list[Field],
) -> str:
    """Bring the engine's table to a changed schema. Raises for a change that BigQuery does not make."""
    physical, held = record["physical"], record["resource"].get("schema", {}).get("fields", [])
    if not physical:
        return make(warehouse, cursor, fields, record["resource"]) if fields else ""
    for each in held:
        refuse_incompatible(ref, each, find_field(fields, each["name"]))
    name = quoted(physical)
    for each in fields:
        old = find_field(held, each["name"])
        if old is None:
            if mode_of(each) == "REQUIRED":
                raise mismatch(ref, f"Cannot add required fields to an existing schema. (field: {each['name']})")
            cursor.execute(f"alter table {name} add column {quoted(each['name'])} {duckdb_type(each)}")
        elif duckdb_type(old) != duckdb_type(each):
            cursor.execute(f"alter table {name} alter {quoted(old['name'])} type {duckdb_type(each)}")
        elif mode_of(old) == "REQUIRED" and mode_of(each) == "NULLABLE":
            cursor.execute(f"alter table {name} alter {quoted(old['name'])} drop not null")
    return physical
