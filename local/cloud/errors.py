"""Refusals in Google's error envelope.

Owns: the exception that every handler raises and the JSON that it becomes. Does not own: which values are refused.
Source: https://cloud.google.com/apis/design/errors and, for `errors[].reason`, the JSON APIs of Cloud Storage and
BigQuery.
"""

from collections.abc import Iterable, Sequence
from typing import Any

MOST_JSON_BYTES = 256 * 1024 * 1024

_STATUS_OF_CODE = {
    304: "NOT_MODIFIED",
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "ALREADY_EXISTS",
    412: "FAILED_PRECONDITION",
    413: "INVALID_ARGUMENT",
    416: "OUT_OF_RANGE",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_REASON_OF_CODE = {
    304: "notModified",
    400: "badRequest",
    401: "authError",
    403: "forbidden",
    404: "notFound",
    408: "timeout",
    409: "alreadyExists",
    412: "conditionNotMet",
    413: "uploadTooLarge",
    416: "requestedRangeNotSatisfiable",
    429: "rateLimitExceeded",
    500: "backendError",
    503: "backendError",
}
_RPC_CODE_OF_STATUS = {
    "OK": 0,
    "CANCELLED": 1,
    "UNKNOWN": 2,
    "INVALID_ARGUMENT": 3,
    "DEADLINE_EXCEEDED": 4,
    "NOT_FOUND": 5,
    "ALREADY_EXISTS": 6,
    "PERMISSION_DENIED": 7,
    "RESOURCE_EXHAUSTED": 8,
    "FAILED_PRECONDITION": 9,
    "ABORTED": 10,
    "OUT_OF_RANGE": 11,
    "UNIMPLEMENTED": 12,
    "INTERNAL": 13,
    "UNAVAILABLE": 14,
    "UNAUTHENTICATED": 16,
}


class ApiError(Exception):
    """A request that is refused. `status` and `reason` default to what Google answers with `code`.

    `reason` and `location` are the `errors[]` entry that the older JSON APIs document; newer APIs show them too.
    """

    def __init__(
        self,
        code: int,
        message: str,
        status: str | None = None,
        details: Sequence[dict[str, Any]] = (),
        *,
        reason: str | None = None,
        location: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status or _STATUS_OF_CODE.get(code, "UNKNOWN")
        self.details = list(details)
        self.reason = reason or _REASON_OF_CODE.get(code, "backendError")
        self.location = location
        self.headers = headers or {}

    def envelope(self) -> dict[str, Any]:
        """The body of an HTTP answer."""
        entry = {"message": self.message, "domain": "global", "reason": self.reason}
        if self.location:
            entry |= {"location": self.location, "locationType": "parameter"}
        error: dict[str, Any] = {"code": self.code, "message": self.message, "status": self.status, "errors": [entry]}
        if self.details:
            error["details"] = self.details
        return {"error": error}

    def rpc_status(self) -> dict[str, Any]:
        """The `google.rpc.Status` of a long-running operation that failed."""
        status: dict[str, Any] = {"code": _RPC_CODE_OF_STATUS.get(self.status, 2), "message": self.message}
        if self.details:
            status["details"] = self.details
        return status


def not_found(message: str) -> ApiError:
    return ApiError(404, message)


def already_exists(message: str) -> ApiError:
    return ApiError(409, message)


def aborted(message: str) -> ApiError:
    """A lost race: a stale etag, a concurrent change. The caller reads again and retries."""
    return ApiError(409, message, "ABORTED", reason="aborted")


def failed_precondition(message: str) -> ApiError:
    """The resource's state does not allow the call (HTTP 400, as google.rpc.Code maps it)."""
    return ApiError(400, message, "FAILED_PRECONDITION", reason="failedPrecondition")


def unimplemented(message: str) -> ApiError:
    """What Google has and this cloud has not. 400, since clients retry 501 for a long time before they show it."""
    return ApiError(400, message, "UNIMPLEMENTED", reason="notImplemented")


def too_large() -> ApiError:
    return ApiError(413, f"The request body is larger than {MOST_JSON_BYTES} bytes: upload such data as an object")


def invalid_argument(violations: Iterable[tuple[str, str]]) -> ApiError:
    """One refusal for all bad fields of a request: pairs of the field's JSON path and what is wrong with its value."""
    details = bad_request(violations)
    message = "; ".join(f"{each['field']}: {each['description']}" for each in details["fieldViolations"])
    return ApiError(400, f"Request contains an invalid argument: {message}", details=[details], reason="invalid")


def bad_request(violations: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """The detail that names the bad fields."""
    found = [{"field": field, "description": description} for field, description in violations]
    return {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": found}
