"""Requests to Google's APIs at the endpoints that the provider's own variables name, with its retries and
long-running operations.
"""

from __future__ import annotations

import copy
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException
from typing import Any, TypeVar

from engine.errors import EndedInErrorError, EngineError, OperationError, UnsureError
from engine.http import Answer, Client

# The variables' middle part, and the version that the provider puts behind the endpoint where it strips the one that
# the variable ends in.
SERVICES = {
    "STORAGE": "v1",
    "BIG_QUERY": "",
    "IAM_BETA": "v1",
    "RESOURCE_MANAGER": "v1",
    "SERVICE_USAGE": "v1",
    "ARTIFACT_REGISTRY": "",
    "VERTEX_AI": "",
    "COLAB": "",
    "CLOUD_BILLING": "v1",
    "COMPUTE": "",
    "DNS": "",
    "PUBSUB": "",
    "CLOUD_SCHEDULER": "",
    "KMS": "",
    "SECRET_MANAGER": "",
    "SERVICE_NETWORKING": "",
    "BILLING_BUDGETS": "",
    "MONITORING": "",
    "LOGGING": "",
}
_RETRIED = {429, 500, 502, 503}
_FIRST_POLL_SECONDS = 0.05
_LONGEST_POLL_SECONDS = 2.0
_RETRY_SECONDS = 15.0
_CONFLICT_SECONDS = 15.0

T = TypeVar("T")


class RefusedError(OperationError):
    """The API answered with an error."""

    def __init__(self, answer: Answer, method: str, url: str) -> None:
        super().__init__(f"{method} {url}: HTTP {answer.status}: {answer.message}")
        self.status = answer.status
        self.reason = answer.message


def variable(service: str) -> str:
    return f"GOOGLE_{service}_CUSTOM_ENDPOINT"


class Api:
    """What a resource type needs of the outside: requests, waiting, and one lock per shared policy."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._bases = {
            service: environment[variable(service)] for service in SERVICES if environment.get(variable(service))
        }
        self.token = token = environment.get("GOOGLE_OAUTH_ACCESS_TOKEN", "")
        agent = {"User-Agent": "embedded-pulumi-engine", "Accept": "application/json"}
        self._client = Client(agent | ({"Authorization": f"Bearer {token}"} if token else {}))
        self.wrote = False
        self._locks: dict[str, threading.Lock] = {}
        self._locks_lock = threading.Lock()

    def watched(self) -> Api:
        """This API for one operation alone: its `wrote` tells whether a request that changes something was accepted."""
        one = copy.copy(self)
        one.wrote = False
        return one

    def missing(self, services: set[str]) -> list[str]:
        """The variables that are not set, of those that the services need."""
        return sorted(variable(service) for service in services if service not in self._bases)

    def has(self, service: str) -> bool:
        return service in self._bases

    def url(self, service: str, path: str) -> str:
        if service not in self._bases:
            raise EngineError(
                f"{variable(service)} is not set: the embedded engine applies only at the endpoints that these "
                "variables name. Real Google Cloud is for the `pulumi` command"
            )
        base = self._bases[service].rstrip("/") + "/"
        if version := SERVICES[service]:
            base = re.sub(r"/v\d+\w*/$", "/", base) + f"{version}/"
        return base + path

    def call(
        self,
        service: str,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        upload: tuple[bytes, str] | None = None,
    ) -> Any:
        """The parsed answer; raises RefusedError for any status but 2xx. `upload`: raw content and its type, sent to
        the host's /upload root.
        """
        url = self.url(service, path)
        if upload is not None:
            url = re.sub(r"^(https?://[^/]+)/", r"\1/upload/", url)
        raw, content_type = upload or (None, "application/json")
        answer = self._send(method, url, query=query, body=body, raw=raw, content_type=content_type)
        if not 200 <= answer.status < 300:
            raise RefusedError(answer, method, url)
        self.wrote = self.wrote or (method != "GET" and not path.endswith(":getIamPolicy"))
        return answer.body if answer.body is not None else {}

    def find(self, service: str, path: str, *, query: Mapping[str, str] | None = None) -> Any | None:
        """What a GET answers; None if there is no such thing."""
        try:
            return self.call(service, "GET", path, query=query)
        except RefusedError as error:
            if error.status == 404:
                return None
            raise

    def _send(self, method: str, url: str, **content: Any) -> Answer:
        """As the provider, retry what says that it is worth it; unlike it, give up after seconds, not minutes."""
        deadline = time.monotonic() + _RETRY_SECONDS
        for pause in _pauses(0.1, 2.0):
            try:
                answer = self._client.send(method, url, **content)
            except ConnectionRefusedError as error:
                raise OperationError(
                    f"{method} {url}: nothing listens there ({error.strerror}). Start the local cloud, or correct "
                    "the endpoint variables"
                ) from error
            except (OSError, HTTPException) as error:
                raise UnsureError(f"{method} {url}: no answer ({error or type(error).__name__})") from error
            if answer.status not in _RETRIED or time.monotonic() + pause > deadline:
                return answer
            time.sleep(pause)
        raise AssertionError("the pauses never end")

    def wait(self, service: str, operation: Any, what: str, timeout_seconds: float) -> Any:
        """The response of a long-running operation, polled until it is done."""
        deadline = time.monotonic() + timeout_seconds
        pauses = _pauses(_FIRST_POLL_SECONDS, _LONGEST_POLL_SECONDS)
        while not operation.get("done"):
            pause = next(pauses)
            if time.monotonic() + pause > deadline:
                raise OperationError(
                    f"Error waiting to {what}: timeout after {timeout_seconds:g} s, the operation "
                    f"{operation.get('name')} goes on"
                )
            time.sleep(pause)
            operation = self.call(service, "GET", operation["name"])
        if error := operation.get("error"):
            raise EndedInErrorError(
                f"Error waiting to {what}: Error code {error.get('code')}, message: {error.get('message')}"
            )
        return operation.get("response") or {}

    @contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """Let one thread at a time change what several resources share, an IAM policy for one."""
        with self._locks_lock:
            lock = self._locks.setdefault(name, threading.Lock())
        with lock:
            yield

    def retry_conflicts(self, change: Callable[[], T]) -> T:
        """Run a read-modify-write again while another writer was faster (409 or 412)."""
        deadline = time.monotonic() + _CONFLICT_SECONDS
        for pause in _pauses(0.05, 2.0):
            try:
                return change()
            except RefusedError as error:
                if error.status not in (409, 412):
                    raise
                if time.monotonic() + pause > deadline:
                    raise OperationError(f"Too many conflicts. Latest error: {error}") from error
            time.sleep(pause)
        raise AssertionError("the pauses never end")


def _pauses(first: float, longest: float) -> Iterator[float]:
    pause = first
    while True:
        yield pause
        pause = min(pause * 1.6, longest)
