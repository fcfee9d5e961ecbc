"""The event log in BigQuery, as extraction reads it and as ingestion replaces it.

Owns: the statements and jobs on the feedback table. Does not own: what the events mean (events.py).
"""

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

import pyarrow as pa
import pyarrow.parquet as pq
from google.api_core.exceptions import Conflict, NotFound

from contracts.problems import Problem, Refused
from contracts.table_schemas import FEEDBACK
from pipeline import events as ev
from pipeline.clients import Clients
from pipeline.objects import Objects

if TYPE_CHECKING:
    from google.cloud.bigquery import ExtractJob, LoadJob, LoadJobConfig, TableReference

_PAGED_ROWS = 200_000  # more rows than this travel as parquet files and not as pages of JSON
_ARROW_TYPES = {
    "STRING": pa.string(),
    "INT64": pa.int64(),
    "FLOAT64": pa.float64(),
    "TIMESTAMP": pa.timestamp("us", tz="UTC"),
}
_COLUMNS = ("user_id", "item_id", "event_time", "event_order", "rating")
_TIMEOUT_SECONDS = 3600


class TableState(NamedTuple):
    """What the table is now."""

    rows: int
    created_ms: int
    location: str


class FeedbackLog:
    """`dataset.table` of one project."""

    def __init__(self, clients: Clients, table: str) -> None:
        self._clients = clients
        self._table = f"{clients.project}.{table}"

    def state(self) -> TableState:
        """Raises `Refused` where there is no such table."""
        try:
            table = self._clients.bigquery.get_table(self._table)
        except NotFound:
            problem = Problem(
                key="feedback_table",
                value=self._table,
                rule="the stack's feedback table must exist",
                fix="Bring the stack up",
            )
            raise Refused("BigQuery", [problem]) from None
        waiting = table.streaming_buffer.estimated_rows if table.streaming_buffer else 0
        created = int(table.created.timestamp() * 1000) if table.created else 0
        return TableState(int(table.num_rows or 0) + int(waiting or 0), created, table.location or "")

    def events_after(self, microseconds: int, order: int, *, workspace: str) -> pa.Table:
        """The events after (time, order), canonical, in no order. Many rows pass through the folder `workspace`."""
        from google.cloud.bigquery import QueryJobConfig, ScalarQueryParameter

        # The condition on logged_at, true for every row, satisfies a table that requires a filter on its partitions.
        statement = (
            f"SELECT {', '.join(_COLUMNS)} FROM `{self._table}` "  # noqa: S608 -- the stack's own table
            "WHERE logged_at > TIMESTAMP '1970-01-01 00:00:00+00' AND (UNIX_MICROS(event_time) > @after_time "
            "OR (UNIX_MICROS(event_time) = @after_time AND event_order > @after_order))"
        )
        config = QueryJobConfig(
            query_parameters=[
                ScalarQueryParameter("after_time", "INT64", microseconds),
                ScalarQueryParameter("after_order", "INT64", order),
            ]
        )
        job = self._clients.bigquery.query(statement, job_config=config)
        rows = job.result(timeout=_TIMEOUT_SECONDS)
        found = None
        if (rows.total_rows or 0) > _PAGED_ROWS and job.destination is not None:
            found = self._as_files(job.destination, workspace)
        if found is None:
            found = _named(rows.to_arrow(create_bqstorage_client=False))
        return ev.canonicalise(found)[0]

    def replace(self, uri: str, job_id: str, *, location: str) -> bool:
        """Replace all rows by a parquet file's, once for a job id. False where that has been done before.

        A job that failed keeps its id for ever, so each attempt has a number of its own.
        """
        for attempt in range(1, 100):
            try:
                job = self._clients.bigquery.load_table_from_uri(
                    uri,
                    self._table,
                    job_id=f"{job_id}-{attempt}",
                    location=location or None,
                    job_config=self._load_config(),
                )
            except Conflict:
                if self._succeeded(f"{job_id}-{attempt}", location):
                    return False
                continue
            _wait(job)
            return True
        raise RuntimeError(f"job id {job_id!r}: 99 load jobs failed. Look at them: bq ls -j")

    def _succeeded(self, job_id: str, location: str) -> bool:
        job = cast("LoadJob", self._clients.bigquery.get_job(job_id, location=location or None))
        # An unfinished one is that of another ingestion of the same data: its end decides.
        error = job.exception(timeout=_TIMEOUT_SECONDS)
        return error is None

    def _load_config(self) -> "LoadJobConfig":
        from google.cloud.bigquery import LoadJobConfig, SourceFormat, WriteDisposition

        # A load that replaces a table takes schema, partitions and clustering from the file unless they are written
        # out.
        table = self._clients.bigquery.get_table(self._table)
        return LoadJobConfig(
            source_format=SourceFormat.PARQUET,
            write_disposition=WriteDisposition.WRITE_TRUNCATE,
            schema=table.schema,
            clustering_fields=table.clustering_fields,
            time_partitioning=table.time_partitioning,
        )

    def _as_files(self, results: "TableReference", workspace: str) -> pa.Table | None:
        """The table of a query's results, by way of object storage; None where results are not kept as a table."""
        from google.cloud.bigquery import DestinationFormat, ExtractJobConfig

        config = ExtractJobConfig(destination_format=DestinationFormat.PARQUET)
        try:
            _wait(self._clients.bigquery.extract_table(results, f"{workspace}/recent-*.parquet", job_config=config))
        except NotFound:
            return None
        objects = Objects(self._clients.storage)
        parts = []
        with tempfile.TemporaryDirectory() as folder:
            for number, uri in enumerate(objects.list(f"{workspace}/recent-")):
                path = Path(folder) / f"{number}.parquet"
                objects.download(uri, path)
                with pq.ParquetFile(path, read_dictionary=["user_id", "item_id"]) as file:
                    parts.append(file.read(columns=list(_COLUMNS)))
                path.unlink()
                objects.delete(uri)
        return _named(pa.concat_tables(parts))


def _named(rows: pa.Table) -> pa.Table:
    """Rows of the log with the columns of a file of interactions."""
    return rows.select(list(_COLUMNS)).rename_columns(["user_id", "item_id", "timestamp", "event_order", "rating"])


def _wait(job: "LoadJob | ExtractJob") -> None:
    """The job's end, or the service's error. The client's own waiting begins with whole seconds."""
    pause, deadline = 0.05, time.monotonic() + _TIMEOUT_SECONDS
    while not job.done() and time.monotonic() < deadline:
        time.sleep(pause)
        pause = min(2 * pause, 5.0)
    job.result(timeout=1)


def rows_to_load(events: pa.Table, *, logged_at_us: int) -> pa.Table:
    """Canonical events as rows of the feedback table, all logged at one moment."""
    count = events.num_rows
    columns = {
        "user_id": events["user_id"],
        "item_id": events["item_id"],
        "event_time": events["timestamp"],
        "event_order": events[ev.ORDER],
        "rating": events[ev.RATING] if ev.RATING in events.column_names else pa.nulls(count, pa.float64()),
        "request_id": pa.nulls(count, pa.string()),
        "logged_at": pa.repeat(pa.scalar(logged_at_us, pa.int64()), count),
    }
    fields = [
        pa.field(column.name, _ARROW_TYPES[column.type], nullable=column.mode != "REQUIRED")
        for column in FEEDBACK.columns
    ]
    arrays = [columns[field.name].cast(field.type) for field in fields]
    return pa.table(arrays, schema=pa.schema(fields))
