"""What the name of a table in a query stands for.

Owns: views, wildcard tables and the pseudo columns that `*` does not show. Sources:
https://cloud.google.com/bigquery/docs/querying-wildcard-tables and …/querying-partitioned-tables
"""

from typing import Any

from local.cloud.bigquery.external import engine_table
from local.cloud.bigquery.information_schema import source_of
from local.cloud.bigquery.partitions import INGESTED, is_ingestion_time
from local.cloud.bigquery.problems import invalid_query, not_found
from local.cloud.bigquery.references import TableRef
from local.cloud.bigquery.routine_functions import stored_functions
from local.cloud.bigquery.schema import Field, duckdb_type, find_field, quoted
from local.cloud.bigquery.service import BigQuery
from local.cloud.bigquery.substitution import Names
from local.cloud.bigquery.translate import Context, Finder, Found


def finder(bq: BigQuery, user: str = "") -> Finder:
    """`user` is whose query it is."""

    def find(ref: TableRef) -> Found:
        ref = TableRef(bq.cloud.projects.id_of(ref.project), ref.dataset, ref.table)
        if ref.table.upper().startswith("INFORMATION_SCHEMA."):
            return Found(source=source_of(bq, ref, user), tables=())
        if ref.table.endswith("*"):
            return _wildcard(bq, ref)
        record = bq.tables.get(ref)
        if record["resource"]["type"] == "EXTERNAL":
            return Found(physical=engine_table(bq, ref, user))
        return _table(bq, ref, record)

    return find


def _table(bq: BigQuery, ref: TableRef, record: dict[str, Any]) -> Found:
    resource = record["resource"]
    if view := resource.get("view") or resource.get("materializedView"):
        return Found(view=view["query"], context=view_context(bq, ref.project))
    if not record["physical"]:
        raise invalid_query(f"Table {ref.label} does not have a schema.")
    columns: tuple[str, ...] = ()
    if resource.get("requirePartitionFilter"):
        partitioning = resource.get("timePartitioning") or resource.get("rangePartitioning") or {}
        columns = (partitioning["field"],) if partitioning.get("field") else ("_PARTITIONTIME", "_PARTITIONDATE")
    if not is_ingestion_time(resource):
        return Found(physical=record["physical"], filter_columns=columns)
    names = ", ".join(quoted(each["name"]) for each in resource["schema"]["fields"])
    moment = quoted(INGESTED)
    source = f'select {names}, {moment}, cast({moment} as date) as "_PARTITIONDATE" from {quoted(record["physical"])}'  # noqa: S608
    pseudo = (INGESTED, "_PARTITIONDATE")
    shown = tuple(each["name"] for each in resource["schema"]["fields"])
    return Found(physical=record["physical"], source=source, pseudo=pseudo, columns=shown, filter_columns=columns)


def view_context(bq: BigQuery, project: str) -> Context:
    """In which a view's query is read: its functions are the view's own, as its tables are."""
    return Context(project, names=Names(stored=stored_functions(bq, project, "")))


def _wildcard(bq: BigQuery, ref: TableRef) -> Found:
    """All tables whose names begin so, with the columns of the newest."""
    prefix = ref.table[:-1]
    named = [(name.rsplit("/", 1)[-1], record) for name, record in bq.tables.of_dataset(ref.parent)]
    found = [(name, record) for name, record in named if name.startswith(prefix) and record["physical"]]
    if not found:
        bq.datasets.get(ref.parent)
        raise not_found("Table", f"{ref.label}: {ref.project}.{ref.dataset}.{ref.table} does not match any table.")
    newest = max(found, key=lambda pair: int(pair[1]["resource"]["creationTime"]))[1]
    fields = newest["resource"]["schema"]["fields"]
    parts = [_part(name[len(prefix) :], record, fields) for name, record in found]
    tables = tuple(TableRef(ref.project, ref.dataset, name) for name, _ in found)
    return Found(source=" union all ".join(parts), tables=tables, pseudo=("_TABLE_SUFFIX",))


def _part(suffix: str, record: dict[str, Any], fields: list[Field]) -> str:
    held = record["resource"]["schema"]["fields"]
    columns = [
        f"cast({quoted(each['name']) if find_field(held, each['name']) else 'null'} as {duckdb_type(each)}) "
        f"as {quoted(each['name'])}"
        for each in fields
    ]
    text = suffix.replace("'", "''")
    return f"select {', '.join(columns)}, '{text}' as \"_TABLE_SUFFIX\" from {quoted(record['physical'])}"  # noqa: S608
