"""Text and JSON values as columns: what load jobs, streaming inserts and parameters bring in.

Owns: the conversion of one value to a field's type, and its refusal. Source:
https://cloud.google.com/bigquery/docs/loading-data-cloud-storage-json#details_of_loading_json_data and …-csv
"""

import base64
import json
import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from typing import Any

from local.cloud.bigquery.schema import Field, find_field, mode_of, standard_type

_EXACT = Context(prec=80)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ZONE = re.compile(r"\s*(?:UTC|Z|z|([+-])(\d{1,2})(?::?(\d{2}))?)$")
_MOMENT = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[Tt ](\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,9}))?)?)?")
_TRUE, _FALSE = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0")


class BadValue(ValueError):
    """`where` is the path of the field in the row."""

    def __init__(self, where: str, what: str) -> None:
        super().__init__(f"{where}: {what}")
        self.where = where
        self.what = what


def row_of(fields: list[Field], row: Any, *, ignore_unknown: bool = False, where: str = "") -> dict[str, Any]:
    """A JSON object as a row. Raises BadValue for unknown fields, missing required ones and values of another type."""
    if not isinstance(row, dict):
        raise BadValue(where, f"This field is a record: an object is expected, not {row!r}")
    known = {}
    for name, value in row.items():
        field = find_field(fields, name)
        if field is not None:
            known[field["name"]] = value
        elif not ignore_unknown:
            raise BadValue(f"{where}{name}", f"no such field: {name}.")
    return {
        field["name"]: value_of(field, known.get(field["name"]), ignore_unknown=ignore_unknown, where=where)
        for field in fields
    }


def value_of(field: Field, value: Any, *, ignore_unknown: bool = False, where: str = "") -> Any:
    """One value for a column, as Arrow takes it."""
    here = f"{where}{field['name']}"
    if mode_of(field) == "REPEATED":
        if value is None:
            return []
        if not isinstance(value, list):
            raise BadValue(
                here, f"Array specified for non-repeated field or a single value for a repeated one: {value!r}"
            )
        inner = {**field, "mode": "REQUIRED"}
        return [value_of(inner, each, ignore_unknown=ignore_unknown, where=where) for each in value]
    if value is None:
        if mode_of(field) == "REQUIRED":
            raise BadValue(here, f"Missing required field: {here}.")
        return None
    if standard_type(field) == "STRUCT":
        return row_of(field["fields"], value, ignore_unknown=ignore_unknown, where=f"{here}.")
    if isinstance(value, (list, dict)) and standard_type(field) != "JSON":
        raise BadValue(here, f"This field: {field['name']} is not a record or repeated: {value!r}")
    try:
        return _READERS[standard_type(field)](value)
    except (ValueError, OverflowError, InvalidOperation):
        raise BadValue(here, f"Could not convert value {value!r} to {standard_type(field).lower()}") from None


def _int64(value: Any) -> int:
    if isinstance(value, bool):
        raise ValueError(value)  # noqa: TRY004
    number = int(value.strip(), 0) if isinstance(value, str) and "x" in value.lower() else None
    if number is None:
        exact = Decimal(str(value).strip())
        number = int(exact)
        if number != exact:
            raise ValueError(value)
    if not -(2**63) <= number < 2**63:
        raise OverflowError(value)
    return number


def _float64(value: Any) -> float:
    if isinstance(value, bool):
        raise ValueError(value)  # noqa: TRY004
    return float(str(value).strip().replace("+inf", "inf")) if isinstance(value, str) else float(value)


def _bool(value: Any) -> bool:
    text = str(value).strip().lower()
    if text not in _TRUE + _FALSE:
        raise ValueError(value)
    return text in _TRUE


def _numeric(digits: int) -> Callable[[Any], Decimal]:
    def read(value: Any) -> Decimal:
        number = Decimal(repr(value) if isinstance(value, float) else str(value).strip())
        if not number.is_finite() or number.copy_abs() >= Decimal(10) ** (38 - digits):
            raise ValueError(value)
        return number.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP, _EXACT)

    return read


def timestamp(value: Any) -> datetime:
    """RFC 3339 and BigQuery's own forms; a number is seconds since 1970, a time without a zone is UTC."""
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        return _from_seconds(Decimal(repr(value) if isinstance(value, float) else str(value)))
    text = str(value).strip()
    if re.fullmatch(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?", text) and not re.fullmatch(r"\d{4}", text):
        return _from_seconds(Decimal(text))
    zone = _ZONE.search(text)
    if zone is None:
        return _moment(text).replace(tzinfo=UTC)
    moment = _moment(text[: zone.start()])
    sign, hours, minutes = zone.groups()
    ahead = timedelta(hours=int(hours), minutes=int(minutes or 0)) if hours else timedelta()
    return moment.replace(tzinfo=UTC) - (ahead if sign != "-" else -ahead)


def _from_seconds(seconds: Decimal) -> datetime:
    if not seconds.is_finite():
        raise ValueError(seconds)
    return _EPOCH + timedelta(microseconds=math.floor(seconds * 1_000_000))


def _moment(text: str) -> datetime:
    found = _MOMENT.fullmatch(text.strip())
    if found is None:
        raise ValueError(text)
    year, month, day, hour, minute, second, fraction = found.groups()
    micro = int((fraction or "0")[:6].ljust(6, "0"))
    return datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), micro)


def _date(value: Any) -> date:
    found = re.fullmatch(r"(\d{4})-(\d{1,2})-(\d{1,2})", str(value).strip())
    if found is None:
        raise ValueError(value)
    return date(*map(int, found.groups()))


def _time(value: Any) -> time:
    return time.fromisoformat(str(value).strip())


def _json(value: Any) -> str:
    return value if isinstance(value, str) and _is_json(value) else json.dumps(value, ensure_ascii=False)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _string(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value)


_READERS: dict[str, Callable[[Any], Any]] = {
    "STRING": _string,
    "BYTES": lambda value: base64.b64decode(str(value), validate=True),
    "INT64": _int64,
    "FLOAT64": _float64,
    "BOOL": _bool,
    "NUMERIC": _numeric(9),
    "BIGNUMERIC": _numeric(19),
    "TIMESTAMP": timestamp,
    "DATETIME": lambda value: _moment(str(value)),
    "DATE": _date,
    "TIME": _time,
    "JSON": _json,
    "GEOGRAPHY": str,
}
