"""Load, extract and copy jobs.

Sources: https://cloud.google.com/bigquery/docs/reference/rest/v2/Job JobConfigurationLoad, JobConfigurationExtract,
JobConfigurationTableCopy
"""

import csv
import fnmatch
import gzip
import io
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from local.cloud.bigquery import permissions
from local.cloud.bigquery.job import Job, Outcome
from local.cloud.bigquery.problems import not_found, of_duckdb, problem
from local.cloud.bigquery.query_job import write_of
from local.cloud.bigquery.references import TableRef
from local.cloud.bigquery.rows import plain_value
from local.cloud.bigquery.schema import Field, mode_of, quoted, standard_type
from local.cloud.bigquery.service import BigQuery
from local.cloud.bigquery.sizes import table_bytes
from local.cloud.bigquery.sources import Input, Loaded, load
from local.cloud.bigquery.tables import Write

_BATCH_ROWS = 50_000
_MOST_URIS = 10_000


# Load


def run_load(bq: BigQuery, job: Job) -> Outcome:
    """All rows of all files, or none."""
    import duckdb
    import pyarrow as pa

    config = job.configuration["load"]
    ref = TableRef.of(config.get("destinationTable") or {}, job.project)
    _refuse_decorator(ref)
    permissions.may_write(bq, job.user, ref)
    permissions.may_read_objects(bq, job.user, config)
    inputs = list(_inputs(bq, job, config))
    held = bq.tables.find(ref)
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
    uris = config.get("sourceUris") or []
    if not 1 <= len(uris) <= _MOST_URIS:
        raise problem("invalid", f"Load configuration must specify at least one source URI, and at most {_MOST_URIS}")
    for uri in uris:
        yield from _matching(bq, job.user, uri)


def _matching(bq: BigQuery, user: str, uri: str) -> Iterator[Input]:
    """The objects of a URI, which may hold one `*`."""
    objects = bq.cloud.objects
    if not uri.startswith("gs://") or "/" not in uri[5:]:
        raise problem("invalid", f"Source URI must be a Google Cloud Storage location: {uri!r}")
    if uri.count("*") > 1:
        raise problem("invalid", f"Source URI {uri!r} has more than one '*'")
    head = uri.partition("*")[0]
    found = [each for each in objects.list(head) if fnmatch.fnmatchcase(each, _only_star(uri))] if "*" in uri else [uri]
    if not found or not all(map(objects.exists, found)):
        raise not_found("URI", uri)
    for each in found if "*" in uri else ():
        permissions.may_read_object(bq, user, each)
    for each in found:
        bucket, _, name = each[5:].partition("/")
        record = objects.find(bucket, name)
        place = (bucket, name, record.generation)
        yield Input(each, lambda place=place: os.fdopen(objects.open(*place)[1], "rb"), record.size)


def _only_star(uri: str) -> str:
    return uri.replace("[", "[[]").replace("?", "[?]")


def _refuse_decorator(ref: TableRef) -> None:
    if "$" in ref.table:
        raise problem("notImplemented", f"The local cloud's BigQuery does not write to single partitions: {ref.label}")


# Extract


def run_extract(bq: BigQuery, job: Job) -> Outcome:
    config = job.configuration["extract"]
    if config.get("sourceModel"):
        raise problem("notImplemented", "The local cloud's BigQuery has no models to extract")
    ref = TableRef.of(config.get("sourceTable") or {}, job.project)
    uris = [str(uri) for uri in config.get("destinationUris") or [config.get("destinationUri")]]
    first = uris[0].replace("*", "0" * 12)  # everything fits the first file; others would hold a larger table's shards
    permissions.require(bq, job.user, "tables.export", ref)
    if first.startswith("gs://"):
        permissions.may_write_object(bq, job.user, first)
    if not ref.anonymous and bq.tables.get(ref)["resource"]["type"] != "TABLE":
        raise problem("invalid", f"{ref.label} is a view: only tables are extracted")
    fields = bq.results.schema(ref)
    if not fields:
        raise problem("invalid", f"{ref.label} has no schema: there is nothing to extract")
    kind = str(config.get("destinationFormat") or "CSV").upper()
    if kind not in _WRITERS:
        raise problem(
            "notImplemented", f"The local cloud's BigQuery does not extract {kind}: use {', '.join(_WRITERS)}"
        )
    if kind == "CSV" and any(mode_of(each) == "REPEATED" or standard_type(each) == "STRUCT" for each in fields):
        raise problem("invalid", "Operation cannot be performed on a nested schema. Field: nested or repeated")
    for uri in uris:
        if not uri.startswith("gs://"):
            raise problem(
                "invalid", f"Invalid extract destination URI {uri!r}. Must be a Google Cloud Storage location."
            )
    _extract(bq, ref, fields, kind=kind, config=config, uri=first)
    counts = ["1"] + ["0"] * (len(uris) - 1)
    return Outcome({"extract": {"destinationUriFileCounts": counts, "inputBytes": str(table_bytes(bq.tables, ref))}})


def _extract(bq: BigQuery, ref: TableRef, fields: list[Field], *, kind: str, config: dict[str, Any], uri: str) -> None:
    with tempfile.TemporaryDirectory(dir=bq.warehouse.folder) as folder, bq.results.batches(ref) as reader:
        path = Path(folder) / "extracted"
        _WRITERS[kind](path, reader, fields, config)
        with path.open("rb") as file:
            bq.cloud.objects.write(uri, iter(lambda: file.read(1 << 20), b""))


def _write_parquet(path: Path, reader: Any, fields: list[Field], config: dict[str, Any]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from local.cloud.bigquery.arrow import arrow_schema

    compression = str(config.get("compression") or "NONE").upper()
    schema = arrow_schema(fields)
    with pq.ParquetWriter(path, schema, compression="none" if compression == "NONE" else compression.lower()) as writer:
        for batch in reader:
            writer.write_table(pa.Table.from_batches([batch]).cast(schema))


def _text_writer(config: dict[str, Any], path: Path) -> IO[str]:
    if str(config.get("compression") or "NONE").upper() == "GZIP":
        return io.TextIOWrapper(gzip.open(path, "wb"), encoding="utf-8", newline="")  # type: ignore[arg-type]
    return path.open("w", encoding="utf-8", newline="")


def _write_json(path: Path, reader: Any, fields: list[Field], config: dict[str, Any]) -> None:
    with _text_writer(config, path) as file:
        for batch in reader:
            for row in batch.to_pylist():
                values = {each["name"]: plain_value(each, row[each["name"]]) for each in fields}
                kept = {name: value for name, value in values.items() if value is not None}
                file.write(json.dumps(kept, ensure_ascii=False, separators=(",", ":")) + "\n")


def _write_csv(path: Path, reader: Any, fields: list[Field], config: dict[str, Any]) -> None:
    delimiter = {"\\t": "\t", "tab": "\t"}.get(config.get("fieldDelimiter") or ",", config.get("fieldDelimiter") or ",")
    with _text_writer(config, path) as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        if config.get("printHeader", True):
            writer.writerow([each["name"] for each in fields])
        for batch in reader:
            for row in batch.to_pylist():
                writer.writerow([_csv_cell(each, row[each["name"]]) for each in fields])


def _csv_cell(field: Field, value: Any) -> Any:
    plain = plain_value(field, value)
    if plain is None:
        return ""
    return (
        str(plain).lower()
        if isinstance(plain, bool)
        else json.dumps(plain)
        if isinstance(plain, (dict, list))
        else plain
    )


_WRITERS: dict[str, Callable[[Path, Any, list[Field], dict[str, Any]], None]] = {
    "CSV": _write_csv,
    "NEWLINE_DELIMITED_JSON": _write_json,
    "PARQUET": _write_parquet,
}


# Copy


def run_copy(bq: BigQuery, job: Job) -> Outcome:
    config = job.configuration["copy"]
    if str(config.get("operationType") or "COPY").upper() != "COPY":
        raise problem(
            "notImplemented", f"The local cloud's BigQuery does not {config['operationType']} tables, only COPY"
        )
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
                rows += _copy(bq, source, _copied(config, target, disposition, bq.tables.get(source)), cursor)
                disposition = "WRITE_APPEND"
            outcome = Outcome({"copy": {"copiedRows": str(rows)}})
            bq.warehouse.mark_applied(job.name, outcome.body())
    return outcome


def _copied(config: dict[str, Any], target: TableRef, disposition: str, source: dict[str, Any]) -> Write:
    kept = ("timePartitioning", "rangePartitioning", "clustering", "description", "labels", "requirePartitionFilter")
    settings = {key: source["resource"][key] for key in kept if key in source["resource"]}
    return Write(target, disposition, config.get("createDisposition") or "CREATE_IF_NEEDED", settings)


def _copy(bq: BigQuery, source: TableRef, write: Write, cursor: Any) -> int:
    record = bq.tables.get(source)
    if not record["physical"]:
        raise problem("invalid", f"{source.label} cannot be copied: it is a view or has no schema")
    fields = record["resource"]["schema"]["fields"]
    return bq.tables.write(write, fields, f"select * from {quoted(record['physical'])}", cursor)  # noqa: S608
