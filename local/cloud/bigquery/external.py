"""External tables: objects that are read when a query needs them.

Owns: their settings in the terms of a load, their schema, and the engine's table that holds what was last read: it is
made anew when an object or a setting has changed. Source:
https://cloud.google.com/bigquery/docs/reference/rest/v2/tables#ExternalDataConfiguration
"""

import hashlib
import json
from typing import Any

from local.cloud.bigquery.inputs import inputs_of
from local.cloud.bigquery.problems import of_duckdb, problem
from local.cloud.bigquery.references import TableRef
from local.cloud.bigquery.schema import Field, column_definition, quoted
from local.cloud.bigquery.service import BigQuery
from local.cloud.bigquery.sources import Input, Loaded, load
from local.cloud.bigquery.tables import TABLE

_LOAD_KEYS = ("sourceFormat", "sourceUris", "autodetect", "maxBadRecords", "ignoreUnknownValues", "schema")
_REFUSED = ("hivePartitioningOptions", "bigtableOptions", "googleSheetsOptions", "connectionId")


def fill_external_schema(bq: BigQuery, ref: TableRef, user: str) -> None:
    """The schema that its author gives, or the one that its files have; they must be there."""
    record = bq.tables.get(ref)
    resource = record["resource"]
    config = resource["externalDataConfiguration"]
    refused = [key for key in _REFUSED if config.get(key)]
    if refused:
        raise problem("notImplemented", f"The local cloud's BigQuery has no external tables with {refused[0]}")
    if not resource.get("schema"):
        _, loaded = _read(bq, resource, user)
        resource["schema"] = {"fields": loaded.fields}
        bq.warehouse.put(TABLE, ref.name, record)


def engine_table(bq: BigQuery, ref: TableRef, user: str) -> str:
    """The engine's table with the rows of its objects as they are now."""
    record = bq.tables.get(ref)
    inputs, loaded = _read(bq, record["resource"], user)
    seen = _digest(record["resource"], inputs)
    held = record.get("external") or {}
    if held.get("seen") == seen:
        return held["physical"]
    with bq.warehouse.writing():
        return _renewed(bq, ref, loaded, seen)


def _renewed(bq: BigQuery, ref: TableRef, loaded: Loaded, seen: str) -> str:
    import duckdb
    import pyarrow as pa

    record = bq.tables.get(ref)
    held, physical = record.get("external") or {}, bq.warehouse.new_physical()
    columns = ", ".join(column_definition({**each, "mode": _loose(each)}) for each in loaded.fields)
    schema = pa.schema([each.with_nullable(True) for each in loaded.schema])
    with bq.warehouse.writing() as cursor:
        try:
            cursor.execute(f"create table {quoted(physical)} ({columns})")
            cursor.register("_external", pa.RecordBatchReader.from_batches(schema, loaded.batches))
            cursor.execute(f"insert into {quoted(physical)} select * from _external").fetchall()  # noqa: S608
            cursor.unregister("_external")
        except duckdb.Error as error:
            raise of_duckdb(error) from None
        if held:
            cursor.execute(f"drop table if exists {quoted(held['physical'])}")
        record["external"] = {"physical": physical, "seen": seen}
        bq.warehouse.put(TABLE, ref.name, record)
    return physical


def _loose(field: Field) -> str:
    return "REPEATED" if field.get("mode") == "REPEATED" else "NULLABLE"


def _read(bq: BigQuery, resource: dict[str, Any], user: str) -> tuple[list[Input], Loaded]:
    config = load_config(resource["externalDataConfiguration"])
    inputs = list(inputs_of(bq, user, config.get("sourceUris") or []))
    fields = (resource.get("schema") or {}).get("fields") or []
    if fields:
        config["schema"] = {"fields": fields}
    return inputs, load(inputs, config, fields)


def load_config(external: dict[str, Any]) -> dict[str, Any]:
    """An external configuration as that of a load job."""
    kept = {key: external[key] for key in _LOAD_KEYS if external.get(key) is not None}
    return {**(external.get("csvOptions") or {}), **kept}


def _digest(resource: dict[str, Any], inputs: list[Input]) -> str:
    parts = [resource["externalDataConfiguration"], resource.get("schema"), [each.version for each in inputs]]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
