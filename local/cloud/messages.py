"""Requests as Google's protos define them: unknown fields refused, every value in its canonical JSON form.

Owns: proto3's JSON mapping (https://protobuf.dev/programming-guides/json/) for the messages of a table that was made
from Google's own protos. Clients may write field names in either case and enums by name or number; what is kept has
camel-case names, enum names, int64 as strings, and no nulls.
"""

import base64
import json
import math
import re
from functools import cached_property
from pathlib import Path
from typing import Any

from local.cloud.bytes_fields import from_base64
from local.cloud.clock import parse_rfc3339, rfc3339
from local.cloud.errors import ApiError, bad_request

_DURATION = re.compile(r"-?\d+(\.\d{1,9})?s")
_INTEGER_LIMITS = {"int32": 1 << 31, "int64": 1 << 63}
_INTEGERS = {
    **{"int32": "int32", "google.protobuf.Int32Value": "int32"},
    **{"int64": "int64", "google.protobuf.Int64Value": "int64"},
}
_FREE_FORM = frozenset({"google.protobuf.Struct", "google.protobuf.Value", "google.protobuf.ListValue"})


class Messages:
    """The messages and enums of one table, which is read when it is first needed."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __contains__(self, message: str) -> bool:
        return message in self._table["messages"]

    def canonical(self, message: str, body: dict[str, Any], at: str) -> dict[str, Any]:
        """`body` in canonical form. Raises INVALID_ARGUMENT with all that does not parse; `at` names the body in it."""
        problems: list[tuple[str, str]] = []
        result = self._object(message, body, at, problems)
        if problems:
            raise _unparsable(problems)
        return result

    @cached_property
    def _table(self) -> dict[str, Any]:
        return json.loads(self._path.read_text())

    def _object(self, message: str, body: Any, at: str, problems: list[tuple[str, str]]) -> dict[str, Any]:
        if not isinstance(body, dict):
            problems.append((at, f"Starting an object on a value that is none: {body!r}"))
            return {}
        fields = self._table["messages"][message]
        result: dict[str, Any] = {}
        for key, value in body.items():
            name = key if key in fields else _camel(key)
            if name not in fields:
                problems.append((at, f"Unknown name \"{key}\" at '{at}': Cannot find field."))
            elif value is not None:
                shape, kind = fields[name]
                read = self._field(shape, kind, value, f"{at}.{_snake(name)}", problems)
                if not (kind.startswith("enum ") and str(read).endswith("_UNSPECIFIED")):  # which says: not set
                    result[name] = read
        return result

    def _field(self, shape: str, kind: str, value: Any, at: str, problems: list[tuple[str, str]]) -> Any:
        if shape == "list":
            if not isinstance(value, list):
                problems.append((at, f"A list is expected, not {value!r}"))
                return []
            return [self._value(kind, item, f"{at}[{index}]", problems) for index, item in enumerate(value)]
        if shape == "map":
            if not isinstance(value, dict):
                problems.append((at, f"An object is expected, not {value!r}"))
                return {}
            return {key: self._value(kind, item, f"{at}[{key!r}]", problems) for key, item in value.items()}
        return self._value(kind, value, at, problems)

    def _value(self, kind: str, value: Any, at: str, problems: list[tuple[str, str]]) -> Any:
        if kind in _FREE_FORM:
            return value
        if kind in self._table["messages"]:
            return self._object(kind, value, at, problems)
        parsed = self._scalar(kind, value)
        if parsed is None:
            problems.append((at, f"Invalid value at '{at}' ({kind.removeprefix('enum ')}), {json.dumps(value)}"))
        return parsed

    def _scalar(self, kind: str, value: Any) -> Any:
        """The canonical form; None for what is not of the kind."""
        if kind in _INTEGERS:
            return _integer(_INTEGERS[kind], value)
        if kind.startswith("enum "):
            return _enum(self._table["enums"][kind.removeprefix("enum ")], value)
        reader = _READERS.get(kind)
        if reader is None:  # a message of another package, which is only passed through
            return value if isinstance(value, dict) else None
        return reader(value)


MESSAGES = Messages(Path(__file__).with_name("messages.json"))  # of all services but Vertex AI


def _integer(kind: str, value: Any) -> int | str | None:
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,19}", value):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if (
        isinstance(value, bool)
        or not isinstance(value, int)
        or not -_INTEGER_LIMITS[kind] <= value < _INTEGER_LIMITS[kind]
    ):
        return None
    return str(value) if kind == "int64" else value


def _float(value: Any) -> float | str | None:
    if isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            return None
        return number if math.isfinite(number) else {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(number)]
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _shortest(moment: str) -> str:
    """With no, three or six digits behind the second, as protobuf's JSON writes a Timestamp."""
    whole = moment.removesuffix(".000000Z")
    return f"{whole}Z" if whole != moment else re.sub(r"(\.\d{3})000Z$", r"\1Z", moment)


def _timestamp(value: Any) -> str | None:
    try:
        return _shortest(rfc3339(parse_rfc3339(value))) if isinstance(value, str) else None
    except ValueError:
        return None


def _enum(numbers: dict[str, int], value: Any) -> str | None:
    if isinstance(value, str):
        name = value if value in numbers else value.upper().replace("-", "_")  # Google's front ends take either case
        return name if name in numbers else None
    return next((each for each, number in numbers.items() if number == value and not isinstance(value, bool)), None)


def _duration(value: Any) -> str | None:
    return value if isinstance(value, str) and _DURATION.fullmatch(value) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _bytes(value: Any) -> str | None:
    """In the standard alphabet, whichever it came in."""
    try:
        return base64.b64encode(from_base64(value)).decode() if isinstance(value, str) else None
    except ValueError:
        return None


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


_READERS = {
    "string": _text,
    "bytes": _bytes,
    "bool": _flag,
    "google.protobuf.BoolValue": _flag,
    "google.protobuf.StringValue": _text,
    "google.protobuf.FieldMask": _text,
    "google.protobuf.DoubleValue": _float,
    "float": _float,
    "double": _float,
    "google.protobuf.Timestamp": _timestamp,
    "google.protobuf.Duration": _duration,
}


def _camel(name: str) -> str:
    return re.sub(r"_([a-z0-9])", lambda found: found.group(1).upper(), name)


def _snake(name: str) -> str:
    return re.sub(r"[A-Z]", lambda found: f"_{found.group(0).lower()}", name)


def _json_path(at: str) -> str:
    """The place as the API's JSON names it: without the body's own name, in camel case."""
    return _camel(at.partition(".")[2]) or at


def _unparsable(problems: list[tuple[str, str]]) -> ApiError:
    """As Google's front end answers what does not parse as the method's message."""
    found = [(_json_path(field), description) for field, description in problems]
    message = "Invalid JSON payload received. " + "\n".join(description for _, description in problems)
    return ApiError(400, message, details=[bad_request(found)], reason="badRequest")
