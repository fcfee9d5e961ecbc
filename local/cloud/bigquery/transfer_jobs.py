"""Load, extract and copy jobs.

Sources: https://cloud.google.com/bigquery/docs/reference/rest/v2/Job JobConfigurationLoad, JobConfigurationExtract,
JobConfigurationTableCopy
"""

from collections.abc import Iterator
from typing import Any

from local.cloud.bigquery import permissions
from local.cloud.bigquery.inputs import inputs_of
from local.cloud.bigquery.job import Job, Outcome
from local.cloud.bigquery.partitions import Partition
from local.cloud.bigquery.problems import of_duckdb, problem
from local.cloud.bigquery.query_job import write_of
from local.cloud.bigquery.references import TableRef
from local.cloud.bigquery.schema import quoted
from local.cloud.bigquery.service import BigQuery
from local.cloud.bigquery.sources import Input, Loaded, load
from local.cloud.bigquery.tables import Write

_BATCH_ROWS = 50_000
_OPERATIONS = ("COPY", "SNAPSHOT", "CLONE", "RESTORE")


# Load


def run_load(bq: BigQuery, job: Job) -> Outcome:
    """All rows of all files, or none."""
    import duckdb
    import pyarrow as pa

    config = job.configuration["load"]
    ref = TableRef.of(config.get("destinationTable") or {}, job.project)
    permissions.may_write(bq, job.user, ref)
    inputs = list(_inputs(bq, job, config))
    held = bq.tables.find(ref.whole)
    loaded = load(inputs, config, (held or {"resource": {}})["resource"].get("schema", {}).get("fields", []))
    write = write_of(config, ref, "WRITE_APPEND")
    with bq.warehouse.reading() as cursor:
        job.cursor = cursor
        schema = pa.schema([each.with_nullable(True) for each in loaded.schema])
        reader = pa.RecordBatchReader.from_batches(schema, loaded.batches)
        try:
            with bq.warehouse.writing(cursor):
                cursor.register("_loaded", reader)
                rows = bq.tables.write(write, loaded.fields, "select * from _loaded", cursor)
                outcome = _loaded_outcome(loaded, inputs, rows)
                bq.warehouse.mark_applied(job.name, outcome.body())
        except duckdb.Error as error:
            raise of_duckdb(error) from None
    return outcome


def _loaded_outcome(loaded: Loaded, inputs: list[Input], rows: int) -> Outcome:
    total = sum(each.size for each in inputs)
    statistics = {
        "inputFiles": str(len(inputs)),
        "inputFileBytes": str(total),
        "outputRows": str(rows),
        "outputBytes": str(total),
        "badRecords": str(loaded.bad),
    }
    return Outcome({"load": statistics, **({"errors": loaded.errors} if loaded.errors else {})}, total_bytes=total)


def _inputs(bq: BigQuery, job: Job, config: dict[str, Any]) -> Iterator[Input]:
    if job.media is not None:
        media = job.media
        yield Input("the uploaded file", lambda: media.open("rb"), media.stat().st_size)
        return
    yield from inputs_of(bq, job.user, config.get("sourceUris") or [])


# Copy


def run_copy(bq: BigQuery, job: Job) -> Outcome:
    config = job.configuration["copy"]
    operation = str(config.get("operationType") or "COPY").upper()
    if operation not in _OPERATIONS:
        raise problem("invalid", f"operationType {operation!r} is not one of {', '.join(_OPERATIONS)}")
    sources = [
        TableRef.of(each, job.project) for each in config.get("sourceTables") or [config.get("sourceTable") or {}]
    ]
    target = TableRef.of(config.get("destinationTable") or {}, job.project)
    permissions.may_read(bq, job.user, sources)
    permissions.may_write(bq, job.user, target)
    with bq.warehouse.reading() as cursor:
        job.cursor = cursor
        with bq.warehouse.writing(cursor):
            rows = 0
            disposition = config.get("writeDisposition") or "WRITE_EMPTY"
            for source in sources:
                rows += _copy(bq, source, _copied(config, target, disposition, bq.tables.get(source.whole)), cursor)
                disposition = "WRITE_APPEND"
            if operation in ("SNAPSHOT", "CLONE"):
                bq.tables.mark_copy(target, operation, sources[0])
            outcome = Outcome({"copy": {"copiedRows": str(rows)}})
            bq.warehouse.mark_applied(job.name, outcome.body())
    return outcome


def _copied(config: dict[str, Any], target: TableRef, disposition: str, source: dict[str, Any]) -> Write:
    kept = ("timePartitioning", "rangePartitioning", "clustering", "description", "labels", "requirePartitionFilter")
    settings = {key: source["resource"][key] for key in kept if key in source["resource"]}
    return Write(target, disposition, config.get("createDisposition") or "CREATE_IF_NEEDED", settings)


def _copy(bq: BigQuery, source: TableRef, write: Write, cursor: Any) -> int:
    record = bq.tables.get(source.whole)
    if not record["physical"]:
        raise problem("invalid", f"{source.label} cannot be copied: it is a view or has no schema")
    fields = record["resource"]["schema"]["fields"]
    where = f" where {Partition.of(source).condition(record['resource'])}" if source.partition else ""
    columns = ", ".join(quoted(each["name"]) for each in fields)
    rows = f"select {columns} from {quoted(record['physical'])}{where}"  # noqa: S608
    return bq.tables.write(write, fields, rows, cursor)
