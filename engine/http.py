"""A small JSON client over kept-alive connections, one per thread and host; plain http and https."""

from __future__ import annotations

import http.client
import json
import select
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

_STALE = (http.client.RemoteDisconnected, http.client.CannotSendRequest, ConnectionResetError, BrokenPipeError)


@dataclass(frozen=True)
class Answer:
    """What a server answered; `body` is parsed where it is JSON."""

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def message(self) -> str:
        """The server's own words for a refusal."""
        error = self.body.get("error") if isinstance(self.body, dict) else None
        if isinstance(error, dict):
            return str(error.get("message") or error.get("status") or self.status)
        return str(self.body)[:500] if self.body else f"HTTP status {self.status} with an empty body"


class Client:
    """Sends requests; safe to share between threads."""

    def __init__(self, headers: Mapping[str, str], timeout_seconds: float = 60) -> None:
        self._headers = dict(headers)
        self._timeout_seconds = timeout_seconds
        self._local = threading.local()

    def send(
        self,
        method: str,
        url: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        raw: bytes | None = None,
        content_type: str = "application/json",
    ) -> Answer:
        """One request; `body` goes out as JSON, `raw` as it is. Raises OSError or HTTPException if no whole answer
        comes back.

        A kept connection that breaks is replaced and the request sent again, but never one of POST: it may have been
        carried out.
        """
        parts = urlsplit(url)
        target = parts.path + (f"?{urlencode(query)}" if query else "")
        payload = raw if raw is not None else (json.dumps(body).encode() if body is not None else None)
        headers = dict(self._headers)
        if payload is not None:
            headers["Content-Type"] = content_type
        elif method in ("POST", "PUT", "PATCH"):
            headers["Content-Length"] = "0"
        connection, reused = self._connection(parts.scheme, parts.netloc)
        try:
            return self._exchange(connection, method, target, payload, headers)
        except _STALE:
            self._drop(parts.scheme, parts.netloc)
            if not reused or method == "POST":
                raise
        connection, _ = self._connection(parts.scheme, parts.netloc)
        return self._exchange(connection, method, target, payload, headers)

    def _connection(self, scheme: str, netloc: str) -> tuple[http.client.HTTPConnection, bool]:
        pool: dict[tuple[str, str], http.client.HTTPConnection] = self._local.__dict__.setdefault("pool", {})
        known = pool.get((scheme, netloc))
        if known is not None and not _closed_by_server(known):
            return known, True
        self._drop(scheme, netloc)
        if scheme == "https":
            context = ssl.create_default_context()
            connection = http.client.HTTPSConnection(netloc, timeout=self._timeout_seconds, context=context)
        else:
            connection = http.client.HTTPConnection(netloc, timeout=self._timeout_seconds)
        pool[(scheme, netloc)] = connection
        return connection, False

    def _drop(self, scheme: str, netloc: str) -> None:
        pool = self._local.__dict__.get("pool", {})
        connection = pool.pop((scheme, netloc), None)
        if connection is not None:
            connection.close()

    def _exchange(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        target: str,
        payload: bytes | None,
        headers: dict[str, str],
    ) -> Answer:
        try:
            connection.request(method, target, payload, headers)
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            raise
        return Answer(response.status, _parse(content), dict(response.headers.items()))


def _closed_by_server(connection: http.client.HTTPConnection) -> bool:
    """Whether an idle connection has something to read: nothing is due on it but its end."""
    if connection.sock is None:
        return True
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return bool(poll.poll(0))


def _parse(content: bytes) -> Any:
    if not content:
        return None
    try:
        return json.loads(content)
    except ValueError:
        return content.decode(errors="replace")
