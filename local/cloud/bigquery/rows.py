"""Rows as BigQuery's JSON has them: {"f": [{"v": …}, …]}, every scalar a string.

Source: https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/getQueryResults
"""

import base64
import json
import math
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from local.cloud.bigquery.schema import Field, mode_of, standard_type
from local.cloud.clock import micros

if TYPE_CHECKING:
    import pyarrow as pa

Cell = Callable[[Any], Any]


def json_rows(table: "pa.Table", fields: Sequence[Field], *, int64_timestamps: bool) -> list[dict[str, Any]]:
    """The rows of an Arrow table whose columns are those of `fields`."""
    columns = []
    for field, column in zip(fields, table.columns, strict=True):
        cell = _cell(field, int64_timestamps=int64_timestamps)
        columns.append([{"v": cell(value)} for value in column.to_pylist()])
    return [{"f": list(cells)} for cells in zip(*columns, strict=True)]


def _cell(field: Field, *, int64_timestamps: bool) -> Cell:
    """How a column's values are written."""
    if mode_of(field) == "REPEATED":
        inner = _cell({**field, "mode": "NULLABLE"}, int64_timestamps=int64_timestamps)
        return lambda value: [{"v": inner(each)} for each in value or []]
    kind = standard_type(field)
    if kind == "STRUCT":
        cells = [(each["name"], _cell(each, int64_timestamps=int64_timestamps)) for each in field["fields"]]
        return lambda value: None if value is None else {"f": [{"v": cell(value.get(name))} for name, cell in cells]}
    if kind == "TIMESTAMP":
        write: Cell = _timestamp_micros if int64_timestamps else _timestamp_seconds
    else:
        write = _WRITERS[kind]
    return lambda value: None if value is None else write(value)


def _float(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return repr(float(value))


def decimal_text(value: Decimal) -> str:
    """Without an exponent or trailing zeros."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _timestamp_micros(value: datetime) -> str:
    return str(micros(value if value.tzinfo else value.replace(tzinfo=UTC)))


def _timestamp_seconds(value: datetime) -> str:
    """Seconds as a double, in the form that BigQuery gives it: 1.4E9, 0.5."""
    whole, part = divmod(int(_timestamp_micros(value)), 1_000_000)
    number = Decimal(whole) + Decimal(part) / 1_000_000
    if number == 0 or Decimal("0.001") <= abs(number) < 10_000_000:
        text = decimal_text(number)
        return text if "." in text else f"{text}.0"
    exponent = number.adjusted()
    mantissa = decimal_text(number.scaleb(-exponent))
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}E{exponent}"


def datetime_text(value: datetime) -> str:
    return value.replace(tzinfo=None).isoformat()


def interval_text(value: Any) -> str:
    """`Y-M D H:M:S[.F]`, of Arrow's months, days and nanoseconds."""
    months, days, nanos = value
    sign = "-" if months < 0 else ""
    years, rest = divmod(abs(months), 12)
    clock = "-" if nanos < 0 else ""
    seconds, fraction = divmod(abs(nanos) // 1000, 1_000_000)
    hours, minutes = divmod(seconds // 60, 60)
    tail = f".{fraction:06d}".rstrip("0") if fraction else ""
    return f"{sign}{years}-{rest} {days} {clock}{hours}:{minutes}:{seconds % 60}{tail}"


_WRITERS: dict[str, Cell] = {
    "STRING": str,
    "BYTES": lambda value: base64.b64encode(value).decode(),
    "INT64": str,
    "FLOAT64": _float,
    "BOOL": lambda value: "true" if value else "false",
    "NUMERIC": decimal_text,
    "BIGNUMERIC": decimal_text,
    "DATETIME": datetime_text,
    "DATE": date.isoformat,
    "TIME": time.isoformat,
    "JSON": str,
    "GEOGRAPHY": str,
    "INTERVAL": interval_text,
}


def plain_value(field: Field, value: Any) -> Any:
    """As an extract to newline-delimited JSON has it: INT64 as strings, times as text."""
    if mode_of(field) == "REPEATED":
        return [plain_value({**field, "mode": "NULLABLE"}, each) for each in value or []]
    if value is None:
        return None
    kind = standard_type(field)
    if kind == "STRUCT":
        inner = {each["name"]: plain_value(each, value.get(each["name"])) for each in field["fields"]}
        return {name: each for name, each in inner.items() if each is not None}
    if kind == "TIMESTAMP":
        moment = value if value.tzinfo else value.replace(tzinfo=UTC)
        return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(sep=' ')} UTC"
    if kind in ("BOOL", "FLOAT64"):
        return value
    return json.loads(value) if kind == "JSON" else _WRITERS[kind](value)
