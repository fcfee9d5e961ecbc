"""INFORMATION_SCHEMA: what is known of datasets, tables and jobs, as tables.

Owns: the views and their columns. Source: https://cloud.google.com/bigquery/docs/information-schema-intro
"""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from local.cloud.bigquery import permissions
from local.cloud.bigquery.problems import not_found, problem
from local.cloud.bigquery.references import DatasetRef, TableRef
from local.cloud.bigquery.schema import Field, duckdb_type, mode_of, quoted, standard_type
from local.cloud.bigquery.service import BigQuery
from local.cloud.bigquery.sizes import record_bytes

Rows = Iterator[dict[str, Any]]
_JOBS = ("JOBS", "JOBS_BY_PROJECT", "JOBS_BY_USER")
_TYPE_NAMES = {"TABLE": "BASE TABLE"}


def source_of(bq: BigQuery, ref: TableRef, user: str) -> str:
    """The view as a query of the engine. Raises for one that is not there, or that the user may not read."""
    view = ref.table.partition(".")[2].upper()
    regional = ref.dataset.lower().startswith("region-")
    if view in _JOBS:
        permissions.require(
            bq, user, "jobs.create" if view == "JOBS_BY_USER" else "jobs.list", f"projects/{ref.project}"
        )
        return _query(_JOB_COLUMNS, _jobs(bq, ref, user if view == "JOBS_BY_USER" else ""))
    if view not in _VIEWS:
        raise not_found("Table", f"{ref.label}: the local cloud has {', '.join((*_VIEWS, *_JOBS))}")
    if not regional and view != "SCHEMATA":
        bq.datasets.get(ref.parent)
        permissions.require(bq, user, "tables.list", ref.parent)
    elif view != "SCHEMATA" and not regional:
        raise problem("invalid", f"{ref.label} must be qualified with a dataset or a region")
    else:
        permissions.require(bq, user, "datasets.get", f"projects/{ref.project}")
    datasets = [ref.parent] if not regional and view != "SCHEMATA" else _datasets(bq, ref)
    columns, rows = _VIEWS[view]
    return _query(columns, (row for each in datasets for row in rows(bq, each)))


def _datasets(bq: BigQuery, ref: TableRef) -> list[DatasetRef]:
    region = ref.dataset.lower().removeprefix("region-") if ref.dataset.lower().startswith("region-") else ""
    found = bq.datasets.of_project(ref.project)
    names = [(name.rsplit("/", 1)[-1], body) for name, body in found]
    return [
        DatasetRef(ref.project, name)
        for name, body in names
        if not name.startswith("_") and region in ("", body["location"].lower())
    ]


def _query(columns: dict[str, str], rows: Rows) -> str:
    text = json.dumps([{name: row.get(name) for name in columns} for row in rows], default=str).replace("'", "''")
    kinds = json.dumps([dict.fromkeys(columns, "VARCHAR")])
    picked = ", ".join(f"cast(v.{quoted(name)} as {kind}) as {quoted(name)}" for name, kind in columns.items())
    return f"select {picked} from (select unnest(from_json('{text}', '{kinds}')) as v)"  # noqa: S608


def _time(millis: Any) -> str | None:
    return datetime.fromtimestamp(int(millis) / 1000, UTC).isoformat() if millis else None


def _schemata(bq: BigQuery, ref: DatasetRef) -> Rows:
    body = bq.datasets.get(ref)
    yield {
        "catalog_name": ref.project,
        "schema_name": ref.dataset,
        "creation_time": _time(body["creationTime"]),
        "last_modified_time": _time(body["lastModifiedTime"]),
        "location": body["location"],
    }


def _records(bq: BigQuery, ref: DatasetRef) -> Iterator[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]]:
    for name, record in bq.tables.of_dataset(ref):
        where = {"table_catalog": ref.project, "table_schema": ref.dataset, "table_name": name.rsplit("/", 1)[-1]}
        yield where, record, record["resource"]


def _tables(bq: BigQuery, ref: DatasetRef) -> Rows:
    for where, _, resource in _records(bq, ref):
        yield where | {
            "table_type": _TYPE_NAMES.get(resource["type"], resource["type"]),
            "is_insertable_into": "YES" if resource["type"] == "TABLE" else "NO",
            "is_typed": "NO",
            "creation_time": _time(resource["creationTime"]),
        }


def _columns(bq: BigQuery, ref: DatasetRef) -> Rows:
    for where, _, resource in _records(bq, ref):
        partition = (resource.get("timePartitioning") or resource.get("rangePartitioning") or {}).get("field", "")
        clusters = [each.lower() for each in (resource.get("clustering") or {}).get("fields", [])]
        for position, field in enumerate((resource.get("schema") or {}).get("fields", []), 1):
            name = field["name"].lower()
            yield where | {
                "column_name": field["name"],
                "ordinal_position": position,
                "is_nullable": "NO" if mode_of(field) in ("REQUIRED", "REPEATED") else "YES",
                "data_type": type_text(field),
                "is_hidden": "NO",
                "is_partitioning_column": "YES" if name == partition.lower() else "NO",
                "clustering_ordinal_position": clusters.index(name) + 1 if name in clusters else None,
                "column_default": field.get("defaultValueExpression"),
            }


def _paths(bq: BigQuery, ref: DatasetRef) -> Rows:
    for where, _, resource in _records(bq, ref):
        for field in (resource.get("schema") or {}).get("fields", []):
            for path, each in _within(field, field["name"]):
                shown = {"field_path": path, "data_type": type_text(each), "description": each.get("description")}
                yield where | {"column_name": field["name"]} | shown


def _within(field: Field, path: str) -> Iterator[tuple[str, Field]]:
    yield path, field
    for each in field.get("fields") or []:
        yield from _within(each, f"{path}.{each['name']}")


def type_text(field: Field) -> str:
    """As GoogleSQL writes a type: ARRAY<STRUCT<a INT64>>."""
    kind = standard_type(field)
    if kind == "STRUCT":
        inner = ", ".join(f"{each['name']} {type_text(each)}" for each in field["fields"])
        kind = f"STRUCT<{inner}>"
    return f"ARRAY<{kind}>" if mode_of(field) == "REPEATED" else kind


def _views(bq: BigQuery, ref: DatasetRef) -> Rows:
    for where, _, resource in _records(bq, ref):
        if view := resource.get("view"):
            yield where | {"view_definition": view["query"], "use_standard_sql": "YES"}


def _options(bq: BigQuery, ref: DatasetRef) -> Rows:
    for where, _, resource in _records(bq, ref):
        options = {
            "description": ("STRING", resource.get("description")),
            "friendly_name": ("STRING", resource.get("friendlyName")),
            "labels": ("ARRAY<STRUCT<STRING, STRING>>", list((resource.get("labels") or {}).items())),
            "require_partition_filter": ("BOOL", resource.get("requirePartitionFilter")),
            "expiration_timestamp": ("TIMESTAMP", _time(resource.get("expirationTime"))),
        }
        for name, (kind, value) in options.items():
            if value:
                yield where | {"option_name": name, "option_type": kind, "option_value": json.dumps(value)}


_PARTITION_FORMS = {"HOUR": "%Y%m%d%H", "DAY": "%Y%m%d", "MONTH": "%Y%m", "YEAR": "%Y"}


def _partitions(bq: BigQuery, ref: DatasetRef) -> Rows:
    for where, record, resource in _records(bq, ref):
        if not record["physical"]:
            continue
        time = resource.get("timePartitioning")
        column = quoted(time.get("field") or "_PARTITIONTIME") if time else ""
        form = _PARTITION_FORMS[time["type"]] if time else ""
        label = f"coalesce(strftime({column}, '{form}'), '__NULL__')" if time else "null"
        sql = f"select {label}, count(*) from {quoted(record['physical'])} group by 1 order by 1"  # noqa: S608
        size = record_bytes(bq.tables, record)
        with bq.warehouse.reading() as cursor:
            found = cursor.execute(sql).fetchall()
        total = sum(count for _, count in found) or 1
        for partition, count in found:
            shown = {"partition_id": partition, "total_rows": count, "total_logical_bytes": size * count // total}
            yield where | shown | {"last_modified_time": _time(resource["lastModifiedTime"]), "storage_tier": "ACTIVE"}


def _storage(bq: BigQuery, ref: DatasetRef) -> Rows:
    for where, record, resource in _records(bq, ref):
        with bq.warehouse.reading() as cursor:
            rows = bq.tables.rows(record, cursor)
        size = record_bytes(bq.tables, record) if rows else 0
        shown = {"total_rows": rows, "total_logical_bytes": size, "active_logical_bytes": size}
        yield {"project_id": ref.project, **where, **shown, "creation_time": _time(resource["creationTime"])}


def _jobs(bq: BigQuery, ref: TableRef, user: str) -> Rows:
    found = bq.cloud.store.list("bigquery.job", f"projects/{ref.project}")
    for job in sorted(
        (each["resource"] for _, each in found), key=lambda each: int(each["statistics"]["creationTime"])
    ):
        statistics, query = job["statistics"], job["configuration"].get("query", {})
        if user and job["user_email"] != user:
            continue
        yield {
            "creation_time": _time(statistics["creationTime"]),
            "project_id": ref.project,
            "user_email": job["user_email"],
            "job_id": job["jobReference"]["jobId"],
            "job_type": job["configuration"]["jobType"],
            "statement_type": statistics.get("query", {}).get("statementType"),
            "start_time": _time(statistics.get("startTime")),
            "end_time": _time(statistics.get("endTime")),
            "query": query.get("query"),
            "state": job["status"]["state"],
            "total_bytes_processed": statistics.get("totalBytesProcessed"),
            "total_bytes_billed": statistics.get("query", {}).get("totalBytesBilled"),
            "cache_hit": str(bool(statistics.get("query", {}).get("cacheHit"))).lower(),
            "parent_job_id": statistics.get("parentJobId"),
        }


def _text(*names: str) -> dict[str, str]:
    return dict.fromkeys(names, "VARCHAR")


def _typed(kind: Field | str, *names: str) -> dict[str, str]:
    return dict.fromkeys(names, duckdb_type({"name": "v", "type": kind}))


_TABLE = _text("table_catalog", "table_schema", "table_name")
_JOB_COLUMNS = {
    **_typed("TIMESTAMP", "creation_time"),
    **_text("project_id", "user_email", "job_id", "job_type", "statement_type"),
    **_typed("TIMESTAMP", "start_time", "end_time"),
    **_text("query", "state"),
    **_typed("INT64", "total_bytes_processed", "total_bytes_billed"),
    **_typed("BOOL", "cache_hit"),
    **_text("parent_job_id"),
}
_VIEWS: dict[str, tuple[dict[str, str], Callable[[BigQuery, DatasetRef], Rows]]] = {
    "SCHEMATA": (
        {
            **_text("catalog_name", "schema_name"),
            **_typed("TIMESTAMP", "creation_time", "last_modified_time"),
            **_text("location"),
        },
        _schemata,
    ),
    "TABLES": (
        {**_TABLE, **_text("table_type", "is_insertable_into", "is_typed"), **_typed("TIMESTAMP", "creation_time")},
        _tables,
    ),
    "COLUMNS": (
        {
            **_TABLE,
            **_text("column_name"),
            **_typed("INT64", "ordinal_position"),
            **_text("is_nullable", "data_type", "is_hidden", "is_partitioning_column"),
            **_typed("INT64", "clustering_ordinal_position"),
            **_text("column_default"),
        },
        _columns,
    ),
    "COLUMN_FIELD_PATHS": ({**_TABLE, **_text("column_name", "field_path", "data_type", "description")}, _paths),
    "VIEWS": ({**_TABLE, **_text("view_definition", "use_standard_sql")}, _views),
    "TABLE_OPTIONS": ({**_TABLE, **_text("option_name", "option_type", "option_value")}, _options),
    "PARTITIONS": (
        {
            **_TABLE,
            **_text("partition_id"),
            **_typed("INT64", "total_rows", "total_logical_bytes"),
            **_typed("TIMESTAMP", "last_modified_time"),
            **_text("storage_tier"),
        },
        _partitions,
    ),
    "TABLE_STORAGE": (
        {
            **_text("project_id"),
            **_TABLE,
            **_typed("INT64", "total_rows", "total_logical_bytes", "active_logical_bytes"),
            **_typed("TIMESTAMP", "creation_time"),
        },
        _storage,
    ),
}
