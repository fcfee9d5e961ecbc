"""A few calls to Vertex AI without its client library, whose import alone takes longer than most steps' work (1.4 s).

Owns: the transport: address, identity, errors as the client libraries raise them, retries of what may be repeated, and
waiting for operations. Does not own: which calls there are. Submission, which is one process, uses the client library.
"""

import time
from typing import Any

from google.api_core.exceptions import GoogleAPICallError, from_http_response
from google.api_core.retry import Retry, if_transient_error
from google.auth.credentials import AnonymousCredentials, Credentials
from google.auth.transport.requests import AuthorizedSession
from requests import Session

_REQUEST_SECONDS = 60
_RETRY_SECONDS = 120


class VertexRest:
    """Requests below `origin`/v1. Raises google.api_core.exceptions."""

    def __init__(self, origin: str, credentials: Credentials) -> None:
        self._origin = origin
        # An anonymous session must not ask for a token: there is none, and the refusal should be the service's.
        self._session = Session() if isinstance(credentials, AnonymousCredentials) else AuthorizedSession(credentials)

    def get(self, name: str) -> dict[str, Any]:
        retry = Retry(predicate=if_transient_error, initial=0.5, maximum=10.0, timeout=_RETRY_SECONDS)
        return retry(self._call)("GET", name)

    def post(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        """Not retried: the service may have done it before it failed to answer."""
        return self._call("POST", name, body)

    def wait(self, operation: dict[str, Any], *, timeout_seconds: float) -> dict[str, Any]:
        """The response of a long-running operation. Raises its error, or `TimeoutError`."""
        pause, deadline = 0.1, time.monotonic() + timeout_seconds
        while not operation.get("done"):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{operation['name']} was not done after {timeout_seconds:.0f} s")
            time.sleep(pause)
            pause = min(2 * pause, 10.0)
            operation = self.get(operation["name"])
        if "error" in operation:
            error = operation["error"]
            raise GoogleAPICallError(f"{operation['name']}: {error.get('message', error)}")
        return operation.get("response", {})

    def _call(self, method: str, name: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        answer = self._session.request(method, f"{self._origin}/v1/{name}", json=body, timeout=_REQUEST_SECONDS)
        if answer.status_code >= 400:
            raise from_http_response(answer)
        return answer.json() if answer.content else {}
