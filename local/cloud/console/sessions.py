"""Who may see the console: whoever has the operator's token, or a one-time link that the operator asked for.

Owns: links and sessions. A session is a random cookie of which the store keeps a digest, so that it outlives a restart.
Time is the machine's own, not the cloud's, which faults may move.

Cookies know no ports: one for 127.0.0.1 is also sent to other servers there. Hence a path and a name of the console's
own, `HttpOnly`, and `SameSite=Strict`; what such a server could do with it ends with the session.
"""

import hashlib
import secrets
import threading
import time
from collections.abc import Mapping

from local.cloud.store import Store

PATH = "/_local/console"
SESSION_SECONDS = 12 * 3600
TICKET_SECONDS = 300

_KIND = "console.session"
_MOST_TICKETS = 100


class Sessions:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._tickets: dict[str, float] = {}
        self._lock = threading.Lock()

    def ticket(self) -> str:
        """A secret that opens one session within the next minutes."""
        ticket = secrets.token_urlsafe(24)
        with self._lock:
            fresh = [each for each in self._tickets.items() if each[1] > time.time()]
            self._tickets = dict(fresh[-_MOST_TICKETS:])
            self._tickets[ticket] = time.time() + TICKET_SECONDS
        return ticket

    def redeem(self, ticket: str) -> bool:
        """Whether the ticket is good; it is not a second time."""
        with self._lock:
            return self._tickets.pop(ticket, 0.0) > time.time()

    def open(self) -> str:
        """The secret of a new session."""
        secret = secrets.token_urlsafe(32)
        with self._store.transaction():
            for name, body in self._store.list(_KIND):
                if body["expires"] <= time.time():
                    self._store.delete(_KIND, name)
            self._store.put(_KIND, _digest(secret), {"expires": time.time() + SESSION_SECONDS}, parent="")
        return secret

    def holds(self, secret: str) -> bool:
        session = self._store.get(_KIND, _digest(secret)) if secret else None
        return session is not None and session["expires"] > time.time()

    def close(self, secret: str) -> None:
        self._store.delete(_KIND, _digest(secret))


def secret_in(headers: Mapping[str, str], port: str) -> str:
    """The session's secret that a request carries, "" for none; other servers' cookies beside it may look like
    anything.
    """
    for part in headers.get("cookie", "").split(";"):
        name, _, value = part.strip().partition("=")
        if name == _cookie(port):
            return value
    return ""


def set_cookie(secret: str, port: str) -> str:
    """The header that gives a browser its session; an empty secret takes it away."""
    seconds = SESSION_SECONDS if secret else 0
    return f"{_cookie(port)}={secret}; Path={PATH}; Max-Age={seconds}; HttpOnly; SameSite=Strict"


def _cookie(port: str) -> str:
    return f"local-cloud-console-{port}"


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
