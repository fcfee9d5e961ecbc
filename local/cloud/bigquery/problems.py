"""What BigQuery says of jobs and queries that fail.

Owns: reasons and their HTTP codes, and DuckDB's errors in BigQuery's terms.
Source: https://cloud.google.com/bigquery/docs/error-messages
"""

import re
from typing import Any

from local.cloud.errors import ApiError

_CODES = {
    "accessDenied": 403,
    "duplicate": 409,
    "invalid": 400,
    "invalidQuery": 400,
    "notFound": 404,
    "resourceInUse": 400,
    "resourcesExceeded": 400,
    "stopped": 499,
    "backendError": 500,
    "responseTooLarge": 403,
    "timeout": 400,
}
_NOT_NULL = re.compile(r"NOT NULL constraint failed: \w+\.(\w+)")
_NO_FUNCTION = re.compile(
    r"(?:Scalar|Aggregate|Table|Window)? ?Function with name \"?(\w+)\"? (?:does not exist|is not)", re.I
)
_NO_COLUMN = re.compile(r"Referenced column \"([^\"]+)\" (?:was )?not found|does not have a column named \"([^\"]+)\"")
_AMBIGUOUS = re.compile(r"Ambiguous reference to column name \"([^\"]+)\"")
_BAD_CAST = re.compile(r"Could not convert string '(.*)' to (\w+).*")
_UNPARSED = re.compile(r'Could not parse string "(?:1970 )?(.*?)" according to format specifier.*')
_TOO_LARGE = ("Out of Memory", "could not allocate", "failed to offload")


def problem(reason: str, message: str, *, location: str | None = None) -> ApiError:
    """A refusal with one of BigQuery's reasons."""
    status = "UNIMPLEMENTED" if reason == "notImplemented" else None
    return ApiError(_CODES.get(reason, 400), message, status, reason=reason, location=location)


def invalid_query(message: str) -> ApiError:
    return problem("invalidQuery", message, location="query")


def unsupported(what: str) -> ApiError:
    """GoogleSQL that BigQuery takes and this cloud does not."""
    return invalid_query(f"The local cloud's BigQuery does not support this: {what}")


def not_found(kind: str, label: str) -> ApiError:
    return problem("notFound", f"Not found: {kind} {label}")


def duplicate(kind: str, label: str) -> ApiError:
    return problem("duplicate", f"Already Exists: {kind} {label}")


def of_duckdb(error: Exception) -> ApiError:
    """An error of the engine, in the terms of the query's author."""
    text = str(error).split("\n\n", maxsplit=1)[0].strip()
    kind, _, message = text.partition(": ")
    if found := _NOT_NULL.search(text):
        return problem("invalid", f"Required field {found.group(1)} cannot be null")
    if named := _of_a_name(text):
        return named
    if any(sign in text for sign in _TOO_LARGE):
        return problem("resourcesExceeded", f"Resources exceeded during query execution: {message or text}")
    if "INTERRUPT" in text.upper():
        return problem("stopped", "Job execution was cancelled: User requested cancellation")
    return invalid_query(_own_words(message if "Error" in kind else text))


def _own_words(message: str) -> str:
    """What our functions fail with, without what the engine puts around it."""
    message = message.split("\n", maxsplit=1)[0]
    if "GoogleSQL: " in message:
        return message.partition("GoogleSQL: ")[2].rpartition("' to INT64")[0]
    if "ValueError: " in message:
        return message.partition("ValueError: ")[2]
    if found := _UNPARSED.search(message):
        return f'Failed to parse input string "{found.group(1)}"'
    return _BAD_CAST.sub(lambda found: f"Bad {found.group(2).lower()} value: {found.group(1)}", message)


def _of_a_name(text: str) -> ApiError | None:
    """A function or a column that is not there."""
    if found := _NO_FUNCTION.search(text):
        return unsupported(f"function {found.group(1).upper().removeprefix('BQ_')}")
    if found := _NO_COLUMN.search(text):
        return invalid_query(f"Unrecognized name: {found.group(1) or found.group(2)}")
    if found := _AMBIGUOUS.search(text):
        return invalid_query(f"Column name {found.group(1)} is ambiguous")
    return None


def error_proto(error: ApiError) -> dict[str, Any]:
    """The `ErrorProto` of a job's status."""
    shown = {"reason": error.reason, "message": error.message}
    return shown | ({"location": error.location} if error.location else {})
