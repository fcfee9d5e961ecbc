"""Tables and results of queries as files: extract jobs and EXPORT DATA.

Sources: https://cloud.google.com/bigquery/docs/reference/rest/v2/Job JobConfigurationExtract and
https://cloud.google.com/bigquery/docs/reference/standard-sql/export-statements
"""

import csv
import gzip
import io
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from local.cloud.bigquery import permissions
from local.cloud.bigquery.described import described
from local.cloud.bigquery.dialect import in_duckdb
from local.cloud.bigquery.job import Job, Outcome
from local.cloud.bigquery.problems import invalid_query, problem
from local.cloud.bigquery.references import TableRef
from local.cloud.bigquery.rows import plain_value
from local.cloud.bigquery.schema import Field, mode_of, standard_type
from local.cloud.bigquery.service import BigQuery
from local.cloud.bigquery.sizes import table_bytes
from local.cloud.bigquery.translate import Statement

if TYPE_CHECKING:
    import pyarrow as pa


_MOST_FILE_BYTES = 1 << 30


def run_extract(bq: BigQuery, job: Job) -> Outcome:
    config = job.configuration["extract"]
    if config.get("sourceModel"):
        raise problem("notImplemented", "The local cloud's BigQuery has no models to extract")
    ref = TableRef.of(config.get("sourceTable") or {}, job.project)
    uris = [str(uri) for uri in config.get("destinationUris") or [config.get("destinationUri")]]
    permissions.require(bq, job.user, "tables.export", ref)
    may_write_first(bq, job.user, uris)
    if not ref.anonymous and bq.tables.get(ref)["resource"]["type"] != "TABLE":
        raise problem("invalid", f"{ref.label} is a view: only tables are extracted")
    fields = bq.results.schema(ref)
    if not fields:
        raise problem("invalid", f"{ref.label} has no schema: there is nothing to extract")
    counts = write_files(bq, ref, fields, config, uris)
    return Outcome({"extract": {"destinationUriFileCounts": counts, "inputBytes": str(table_bytes(bq.tables, ref))}})


def write_files(bq: BigQuery, ref: TableRef, fields: list[Field], config: dict[str, Any], uris: list[str]) -> list[str]:
    """How many files each URI got."""
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
    return [str(count) for count in _extract(bq, ref, fields, kind, config, uris)]


def may_write_first(bq: BigQuery, user: str, uris: list[str]) -> None:
    for uri in uris:
        if uri.startswith("gs://"):
            permissions.may_write_object(bq, user, _shard_of(uri, 0))


def _shard_of(uri: str, number: int) -> str:
    return uri.replace("*", f"{number:012}")


def _extract(
    bq: BigQuery, ref: TableRef, fields: list[Field], kind: str, config: dict[str, Any], uris: list[str]
) -> list[int]:
    """Files of a gigabyte at most, in turn under each URI; how many each got."""
    counts = [0] * len(uris)
    with tempfile.TemporaryDirectory(dir=bq.warehouse.folder) as folder, bq.results.batches(ref) as reader:
        path = Path(folder) / "extracted"
        for number, shard in enumerate(shards(iter(reader), _MOST_FILE_BYTES)):
            at = number % len(uris)
            if counts[at] and "*" not in uris[at]:
                rule = "too large to be exported to a single file. Specify a uri including a * to shard export."
                raise problem("invalid", f"{ref.label} is {rule} See 'Exporting data into one or more files'.")
            _WRITERS[kind](path, shard, fields, config)
            with path.open("rb") as file:
                bq.cloud.objects.write(_shard_of(uris[at], counts[at]), iter(lambda: file.read(1 << 20), b""))
            counts[at] += 1
    return counts


def shards(batches: "Iterator[pa.RecordBatch]", most_bytes: int) -> "Iterator[Iterator[pa.RecordBatch]]":
    """The batches of one file after the other; each is read to its end before the next. There is one at least."""
    held, begun = next(batches, None), False

    def one() -> "Iterator[pa.RecordBatch]":
        nonlocal held
        size = 0
        while held is not None and (not size or size + held.nbytes <= most_bytes):
            size += held.nbytes
            batch, held = held, next(batches, None)
            yield batch

    while held is not None or not begun:
        begun = True
        yield one()


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


_EXPORT_OPTIONS = {
    "uri": "destinationUri",
    "format": "destinationFormat",
    "compression": "compression",
    "field_delimiter": "fieldDelimiter",
    "header": "printHeader",
}
_FORMATS = {"JSON": "NEWLINE_DELIMITED_JSON"}


def export_data(bq: BigQuery, job: Job, statement: Statement) -> Outcome:
    """EXPORT DATA OPTIONS(…) AS query. Objects that are there already are refused, unless `overwrite` is set."""
    options = statement.options
    unknown = sorted(options.keys() - _EXPORT_OPTIONS.keys() - {"overwrite"})
    if unknown or not {"uri", "format"} <= options.keys():
        rule = "EXPORT DATA needs the options uri and format"
        raise invalid_query(f"{rule}, and does not know {', '.join(unknown)}" if unknown else rule)
    config = {_EXPORT_OPTIONS[key]: value for key, value in options.items() if key != "overwrite"}
    config["destinationFormat"] = _FORMATS.get(str(config["destinationFormat"]).upper(), config["destinationFormat"])
    config.setdefault("printHeader", False)
    uri = str(config["destinationUri"])
    if uri.count("*") != 1:
        raise invalid_query(f"Option 'uri' value must be a wildcard URI with one '*', not {uri!r}")
    may_write_first(bq, job.user, [uri])
    if bq.cloud.objects.list(uri.partition("*")[0]) and not options.get("overwrite"):
        raise problem("invalid", f"Destination {uri} is not empty: set overwrite to replace what is there")
    with bq.warehouse.reading() as cursor:
        job.cursor = cursor
        fields, sql = described(cursor, in_duckdb(statement.tree))
        ref = bq.results.keep(job.name, job.project, cursor, sql, fields, owner=job.user)
    [count] = write_files(bq, ref, fields, config, [uri])
    return Outcome(
        {
            "query": {
                "statementType": "EXPORT_DATA",
                "exportDataStatistics": {"fileCount": count, "rowCount": str(bq.results.rows(ref))},
            }
        }
    )
