"""Rows that are inserted by tabledata.insertAll.

Source: https://cloud.google.com/bigquery/docs/reference/rest/v2/tabledata/insertAll
"""

from typing import Any

import pyarrow as pa

from local.cloud.bigquery.arrow import arrow_schema
from local.cloud.bigquery.problems import problem
from local.cloud.bigquery.references import TableRef
from local.cloud.bigquery.service import BigQuery
from local.cloud.bigquery.tables import Write
from local.cloud.bigquery.values import BadValue, row_of


def insert_rows(
    bq: BigQuery, ref: TableRef, rows: list[tuple[int, dict[str, Any]]], *, skip_invalid: bool, ignore_unknown: bool
) -> list[dict[str, Any]]:
    """The refused rows, by their place in the request. One bad row stops all, unless invalid ones are skipped."""
    record = bq.tables.get(ref.whole)
    if record["resource"]["type"] != "TABLE" or not record["physical"]:
        raise problem("invalid", f"Cannot insert rows into {ref.label}: it is a view or has no schema")
    fields = record["resource"]["schema"]["fields"]
    good: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    for index, each in rows:
        try:
            good.append(row_of(fields, each.get("json") or {}, ignore_unknown=ignore_unknown))
        except BadValue as error:
            detail = {"reason": "invalid", "location": error.where, "debugInfo": "", "message": error.what}
            errors.append({"index": index, "errors": [detail]})
    if errors and not skip_invalid:
        bad = {error["index"] for error in errors}
        stopped = {"reason": "stopped", "location": "", "debugInfo": "", "message": ""}
        return errors + [{"index": index, "errors": [stopped]} for index, _ in rows if index not in bad]
    if good:
        schema = pa.schema([each.with_nullable(True) for each in arrow_schema(fields)])
        with bq.warehouse.writing() as cursor:
            cursor.register("_streamed", pa.Table.from_pylist(good, schema=schema))
            bq.tables.write(Write(ref), fields, "select * from _streamed", cursor)
            cursor.unregister("_streamed")
    return errors
