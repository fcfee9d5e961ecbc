"""Columns that statements add to a table, rename and drop."""

from typing import TYPE_CHECKING, Any

from local.cloud.bigquery.engine_tables import reschema
from local.cloud.bigquery.problems import problem
from local.cloud.bigquery.references import TableRef
from local.cloud.bigquery.schema import Field, find_field, quoted
from local.cloud.bigquery.table_rules import check_table
from local.cloud.bigquery.tables import TABLE, Tables

if TYPE_CHECKING:
    import duckdb


def add_columns(tables: Tables, ref: TableRef, fields: list[Field], cursor: "duckdb.DuckDBPyConnection") -> None:
    record = tables.get(ref)
    held = record["resource"].get("schema", {}).get("fields", [])
    record["physical"] = reschema(tables.warehouse, cursor, ref, record, [*held, *fields])
    record["resource"]["schema"] = {"fields": [*held, *fields]}
    tables.warehouse.put(TABLE, ref.name, record)


def rename_column(tables: Tables, ref: TableRef, name: str, to: str, cursor: "duckdb.DuckDBPyConnection") -> None:
    record, held, old = _free_column(tables, ref, name, "renamed")
    if find_field(held, to) is not None:
        raise problem("invalidQuery", f"Column already exists: {to}")
    cursor.execute(f"alter table {quoted(record['physical'])} rename column {quoted(old['name'])} to {quoted(to)}")
    record["resource"]["schema"] = {"fields": [{**each, "name": to} if each is old else each for each in held]}
    check_table(record["resource"])
    tables.warehouse.put(TABLE, ref.name, record)


def _free_column(tables: Tables, ref: TableRef, name: str, what: str) -> tuple[dict[str, Any], list[Field], Field]:
    """A table's record, its columns, and one that neither partitions nor clusters it."""
    record = tables.get(ref)
    held = record["resource"].get("schema", {}).get("fields", [])
    found = find_field(held, name)
    if found is None:
        raise problem("invalidQuery", f"Column not found: {name}")
    used = [*(record["resource"].get("clustering") or {}).get("fields", []), _partition_field(record["resource"])]
    if found["name"] in used:
        rule = f"Column {name} partitions or clusters table {ref.label} and cannot be {what}"
        raise problem("invalidQuery", rule)
    return record, held, found


def drop_column(tables: Tables, ref: TableRef, name: str, cursor: "duckdb.DuckDBPyConnection") -> None:
    record, held, gone = _free_column(tables, ref, name, "dropped")
    cursor.execute(f"alter table {quoted(record['physical'])} drop column {quoted(gone['name'])}")
    record["resource"]["schema"] = {"fields": [each for each in held if each is not gone]}
    tables.warehouse.put(TABLE, ref.name, record)


def _partition_field(resource: dict[str, Any]) -> str:
    return (resource.get("timePartitioning") or resource.get("rangePartitioning") or {}).get("field", "")
