"""Tables and partitions that are kept for a time only.

Sources: https://cloud.google.com/bigquery/docs/managing-tables#updating_a_tables_expiration_time and
https://cloud.google.com/bigquery/docs/managing-partitioned-tables#partition-expiration
"""

from datetime import timedelta
from typing import Any

from local.cloud.bigquery.partitions import INGESTED
from local.cloud.bigquery.references import TableRef
from local.cloud.bigquery.schema import quoted
from local.cloud.bigquery.tables import TABLE, Tables
from local.cloud.clock import Clock
from local.cloud.validation import as_int

_UNITS = {"DAY": "day", "HOUR": "hour", "MONTH": "month", "YEAR": "year"}


def expire(tables: Tables, clock: Clock) -> None:
    """Drop tables that are past their expiry, and the rows of partitions that are."""
    now = clock.millis()
    for name, record in tables.warehouse.list(TABLE, "projects/"):
        until = as_int(record["resource"].get("expirationTime"))
        if until and until <= now:
            _, project, _, dataset, _, table = name.split("/", 5)
            with tables.warehouse.writing() as cursor:
                tables.erase(cursor, TableRef(project, dataset, table))
        else:
            _expire_partitions(tables, record, clock)


def _expire_partitions(tables: Tables, record: dict[str, Any], clock: Clock) -> None:
    """Rows whose partition began longer ago than the table keeps partitions."""
    partitioning = record["resource"].get("timePartitioning") or {}
    kept_ms, column = as_int(partitioning.get("expirationMs")), partitioning.get("field") or INGESTED
    if not kept_ms or not record["physical"]:
        return
    border = (clock.now() - timedelta(milliseconds=kept_ms)).isoformat()
    began = f"date_trunc(?, {quoted(column)})"
    statement = f"delete from {quoted(record['physical'])} where {began} <= cast(? as timestamptz)"  # noqa: S608
    with tables.warehouse.writing() as cursor:
        gone = cursor.execute(statement, [_UNITS[partitioning.get("type", "DAY")], border]).fetchone()
        if gone and gone[0]:
            tables.touch(TableRef.of(record["resource"]["tableReference"], ""))
