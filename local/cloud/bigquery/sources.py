"""Files that a load job reads, as Arrow.

Owns: parquet, CSV and newline-delimited JSON, their options, and the detection of a schema. Sources:
https://cloud.google.com/bigquery/docs/loading-data-cloud-storage-parquet, …-csv, …-json
"""

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from local.cloud.bigquery.arrow import arrow_schema, fields_of
from local.cloud.bigquery.detect import detected
from local.cloud.bigquery.problems import problem
from local.cloud.bigquery.schema import Field
from local.cloud.bigquery.values import BadValue, row_of

_BATCH_ROWS = 20_000
_SAMPLE_ROWS = 500
_MOST_ERRORS_SHOWN = 5


@dataclass(slots=True)
class Input:
    """One file: how it is named and opened, its size, and what tells its content from another's of its name."""

    uri: str
    open: Callable[[], IO[bytes]]
    size: int
    version: str = ""


@dataclass(slots=True)
class Loaded:
    """What the files hold. `batches` is read once; `bad` counts the rows that were left out by then."""

    fields: list[Field]
    batches: Iterator[pa.RecordBatch]
    schema: pa.Schema
    errors: list[dict[str, Any]] = field(default_factory=list)
    bad: int = 0


def load(inputs: list[Input], config: dict[str, Any], held: list[Field]) -> Loaded:
    """Raises for a file that is not what the job says. `held` is the schema of a table that is there."""
    kind = str(config.get("sourceFormat") or "CSV").upper()
    given = (config.get("schema") or {}).get("fields") or []
    if kind == "PARQUET":
        return _parquet(inputs, given)
    if kind not in ("CSV", "NEWLINE_DELIMITED_JSON"):
        raise problem(
            "notImplemented",
            f"The local cloud's BigQuery does not load {kind}: use PARQUET, CSV or NEWLINE_DELIMITED_JSON",
        )
    read = _csv_rows if kind == "CSV" else _json_rows
    fields = given or ([] if config.get("autodetect") else held)
    if not fields:
        if not config.get("autodetect"):
            raise problem("invalid", "No schema specified on job or table.")
        fields = _detect(inputs, config, kind)
    loaded = Loaded(fields, iter(()), arrow_schema(fields))
    loaded.batches = _batches(loaded, inputs, config, lambda each: read(each, config, fields))
    return loaded


# Parquet


def _parquet(inputs: list[Input], given: list[Field]) -> Loaded:
    files = [_parquet_file(each) for each in inputs]
    fields = given or fields_of(files[0].schema_arrow)
    names = {each["name"].lower(): each["name"] for each in fields}
    for each, file in zip(inputs, files, strict=True):
        extra = [name for name in file.schema_arrow.names if name.lower() not in names]
        if extra and given:
            raise problem(
                "invalid", f"Error while reading data, error message: no such field: {extra[0]}. File: {each.uri}"
            )
    schema = arrow_schema(fields)

    def batches() -> Iterator[pa.RecordBatch]:
        for each, file in zip(inputs, files, strict=True):
            for batch in file.iter_batches(_BATCH_ROWS):
                yield _fitted(batch, schema, each.uri)

    return Loaded(fields, batches(), schema)


def _parquet_file(source: Input) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(source.open())
    except (pa.ArrowInvalid, OSError) as error:
        message = (
            f"Error while reading data, error message: Input file is not in Parquet format: {error}. File: {source.uri}"
        )
        raise problem("invalid", message) from None


def _fitted(batch: pa.RecordBatch, schema: pa.Schema, uri: str) -> pa.RecordBatch:
    """The batch with the columns of a schema, in their types; a column that the file lacks is null."""
    by_name = {name.lower(): index for index, name in enumerate(batch.schema.names)}
    columns = []
    for each in schema:
        index = by_name.get(each.name.lower())
        if index is None:
            columns.append(pa.nulls(batch.num_rows, each.type))
            continue
        column = batch.column(index)
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        try:
            columns.append(column if column.type == each.type else column.cast(each.type))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            message = f"Error while reading data, error message: column {each.name} of {uri}: {error}"
            raise problem("invalid", message) from None
    return pa.RecordBatch.from_arrays(columns, schema=pa.schema([each.with_nullable(True) for each in schema]))


# Text


def _batches(
    loaded: Loaded, inputs: list[Input], config: dict[str, Any], read: Callable[[Input], Iterator[tuple[int, Any]]]
) -> Iterator[pa.RecordBatch]:
    """Rows converted to the schema; bad ones are counted and left out, up to `maxBadRecords`."""
    allowed = int(config.get("maxBadRecords") or 0)
    ignore = bool(config.get("ignoreUnknownValues"))
    schema = pa.schema([each.with_nullable(True) for each in loaded.schema])
    for source in inputs:
        rows: list[dict[str, Any]] = []
        for number, row in read(source):
            try:
                rows.append(row_of(loaded.fields, _or_raise(row), ignore_unknown=ignore))
            except BadValue as error:
                _note(loaded, source, number, error, allowed)
            if len(rows) == _BATCH_ROWS:
                yield pa.RecordBatch.from_pylist(rows, schema=schema)
                rows = []
        if rows:
            yield pa.RecordBatch.from_pylist(rows, schema=schema)


def _or_raise(row: Any) -> Any:
    if isinstance(row, BadValue):
        raise row
    return row


def _note(loaded: Loaded, source: Input, number: int, error: BadValue, allowed: int) -> None:
    loaded.bad += 1
    place = f"line {number}" + (f", field {error.where}" if error.where else "")
    shown = {
        "reason": "invalid",
        "location": source.uri,
        "message": f"Error while reading data, error message: {error.what} ({place})",
    }
    if len(loaded.errors) < _MOST_ERRORS_SHOWN:
        loaded.errors.append(shown)
    if loaded.bad > allowed:
        message = (
            f"{shown['message']} File: {source.uri}. {loaded.bad} bad records are more than the {allowed} allowed."
        )
        raise problem("invalid", message)


_ENCODINGS = {"UTF-8": "utf-8-sig", "ISO-8859-1": "latin-1"}
_ENCODINGS |= {f"UTF-{bits}{end}": f"utf-{bits}-{end.lower()}" for bits in (16, 32) for end in ("BE", "LE")}


def _text(source: Input, config: dict[str, Any]) -> IO[str]:
    raw = source.open()
    magic = raw.read(2)
    raw.seek(0)
    binary = gzip.GzipFile(fileobj=raw) if magic == b"\x1f\x8b" else raw
    named = str(config.get("encoding") or "UTF-8").upper()
    encoding = _ENCODINGS.get(named)
    if encoding is None:
        raise problem("invalid", f"encoding {named!r} is not one of {', '.join(_ENCODINGS)}")
    return io.TextIOWrapper(binary, encoding=encoding, errors="replace", newline="")  # type: ignore[arg-type]


def _lines(file: IO[str]) -> Iterator[str]:
    """Each no longer than a row may be, however much a small compressed file stands for.

    Source: https://cloud.google.com/bigquery/quotas#load_jobs
    """
    while line := file.readline(_MOST_LINE + 1):
        if len(line) > _MOST_LINE:
            raise problem("invalid", f"Error while reading data: a row is larger than {_MOST_LINE} bytes.")
        yield line


def _json_rows(source: Input, config: dict[str, Any], fields: list[Field]) -> Iterator[tuple[int, Any]]:  # noqa: ARG001
    with _text(source, config) as file:
        for number, line in enumerate(_lines(file), 1):
            if not line.strip():
                continue
            try:
                yield number, json.loads(line)
            except ValueError as error:
                yield number, BadValue("", f"JSON parsing error: {error}")


def _csv_rows(source: Input, config: dict[str, Any], fields: list[Field]) -> Iterator[tuple[int, Any]]:
    names = [each["name"] for each in fields]
    strings = {each["name"] for each in fields if str(each.get("type")).upper() == "STRING"}
    null = config.get("nullMarker") or ""
    jagged = bool(config.get("allowJaggedRows"))
    extra = bool(config.get("ignoreUnknownValues"))
    across = bool(config.get("allowQuotedNewlines"))
    for number, cells in _csv_lines(source, config):
        if not across and any("\n" in cell for cell in cells):
            yield number, BadValue("", "Missing close quote: allowQuotedNewlines lets quoted cells hold newlines")
        elif len(cells) > len(names) and not extra:
            yield (
                number,
                BadValue("", f"Too many values in row: {len(cells)} where the schema has {len(names)} columns"),
            )
        elif len(cells) < len(names) and not jagged:
            yield number, BadValue("", f"Too few values in row: {len(cells)} where the schema has {len(names)} columns")
        else:
            pairs = zip(names, cells, strict=False)
            yield number, {name: _cell(cell, null, string=name in strings) for name, cell in pairs}


def _csv_lines(source: Input, config: dict[str, Any]) -> Iterator[tuple[int, list[str]]]:
    quote = config.get("quote")
    quoting: dict[str, Any] = {"quoting": csv.QUOTE_NONE} if quote == "" else {"quotechar": quote or '"'}
    delimiter = {"\\t": "\t", "tab": "\t"}.get(config.get("fieldDelimiter") or ",", config.get("fieldDelimiter") or ",")
    skipped = int(config.get("skipLeadingRows") or 0)
    with _text(source, config) as file:
        for number, cells in enumerate(csv.reader(_lines(file), delimiter=delimiter, **quoting), 1):
            if number > skipped and cells:
                yield number, cells


def _cell(cell: str, null: str, *, string: bool) -> str | None:
    """The null marker is null; an empty cell is null, but for strings, where it is empty if another marker is set."""
    if cell == null and (cell or not string):
        return None
    return None if cell == "" and not string else cell


def _detect(inputs: list[Input], config: dict[str, Any], kind: str) -> list[Field]:
    if kind != "CSV":
        rows = [row for _, row in zip(range(_SAMPLE_ROWS), _json_rows(inputs[0], config, []), strict=False)]
        return detected([row for _, row in rows if isinstance(row, dict)])
    plain = {**config, "skipLeadingRows": 0}
    lines = [cells for _, (_, cells) in zip(range(_SAMPLE_ROWS), _csv_lines(inputs[0], plain), strict=False)]
    skipped = int(config.get("skipLeadingRows") or 0)
    header, body = lines[max(0, skipped - 1) : skipped or 1], lines[skipped or 1 :]
    if not lines:
        raise problem("invalid", "Failed to detect schema: the file is empty")
    if not skipped and not _is_header(header[0], body):
        header, body = [[f"{_PLAIN_NAME}{index}_" for index in range(len(lines[0]))]], lines
    elif not skipped:
        config["skipLeadingRows"] = 1
    return detected([dict(zip(header[0], cells, strict=False)) for cells in body], names=header[0])


_PLAIN_NAME = "string_field_"
_MOST_LINE = 100 * 1024 * 1024


def _is_header(first: list[str], body: list[list[str]]) -> bool:
    """Whether the first line is of strings where later ones are not, or of names that could be columns."""
    from local.cloud.bigquery.detect import kind_of

    names = all(kind_of(cell) == "STRING" and cell.strip() for cell in first)
    return names and (
        not body or any(kind_of(cell) != "STRING" for cells in body for cell in cells) or len(set(first)) == len(first)
    )
