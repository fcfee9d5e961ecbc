"""Client processes that read from a local cloud as fast as it answers.

Owns: the wire (one connection kept open for each client, requests written beforehand), the clock around each request,
and the check that each answer is the right one. Does not own: what is read (estate.py), nor what the times mean.
"""

import array
import multiprocessing
import random
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing.sharedctypes import SynchronizedArray
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Read:
    """A request as it goes over the wire, and what the answer's body must hold."""

    kind: str
    request: bytes
    expected: bytes


@dataclass(frozen=True, slots=True)
class Taken:
    """Seconds of each request by kind, and when the first client began and the last one ended."""

    seconds: dict[str, list[float]]
    began: float
    ended: float

    @property
    def per_second(self) -> float:
        return sum(map(len, self.seconds.values())) / (self.ended - self.began)


def request(method: str, path: str, *, token: str, body: bytes = b"") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {token}\r\naccept: */*\r\n"
    kind = "content-type: application/json\r\n" if body else ""
    return f"{head}{kind}content-length: {len(body)}\r\n\r\n".encode() + body


def read_all(
    url: str, plans: Sequence[Sequence[Read]], total: int, *, watch: Callable[[int], None] = lambda _: None
) -> Taken:
    """Make `total` requests, shared evenly by one client for each plan. `watch` is told how many are done, often."""
    context = multiprocessing.get_context("spawn")
    counts, barrier = context.Array("q", len(plans), lock=True), context.Barrier(len(plans))
    with ProcessPoolExecutor(len(plans), context, _begin, (counts, barrier)) as pool:
        share = total // len(plans)
        clients = [pool.submit(_client, url, index, list(plan), share) for index, plan in enumerate(plans)]
        while not all(client.done() for client in clients):
            watch(sum(counts))
            time.sleep(0.02)
        found = [client.result() for client in clients]
    watch(sum(counts))
    seconds: dict[str, list[float]] = {}
    for _, _, by_kind in found:
        for kind, taken in by_kind.items():
            seconds.setdefault(kind, []).extend(taken)
    return Taken(seconds, min(began for began, _, _ in found), max(ended for _, ended, _ in found))


_shared: dict[str, Any] = {}


def _begin(counts: "SynchronizedArray[int]", barrier: Any) -> None:
    _shared.update(counts=counts.get_obj(), barrier=barrier)


def _client(url: str, index: int, plan: list[Read], total: int) -> tuple[float, float, dict[str, "array.array[float]"]]:
    random.Random(index).shuffle(plan)
    seconds = {read.kind: array.array("d") for read in plan}
    counts, clock = _shared["counts"], time.perf_counter
    with Connection(url) as connection:
        connection.ask(plan[0])
        _shared["barrier"].wait(timeout=120)
        began = time.monotonic()
        for number in range(total):
            read = plan[number % len(plan)]
            start = clock()
            connection.ask(read)
            seconds[read.kind].append(clock() - start)
            counts[index] = number + 1
        return began, time.monotonic(), seconds


class Connection:
    """One HTTP/1.1 connection that stays open."""

    def __init__(self, url: str) -> None:
        where = urlsplit(url)
        self._socket = socket.create_connection((where.hostname or "", where.port or 80), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, read: Read) -> bytes:
        """The body of the answer. Raises RuntimeError where it is not the right one."""
        self._socket.sendall(read.request)
        answer = self._socket.recv(65536)
        while (end := answer.find(b"\r\n\r\n")) < 0:
            answer += self._more()
        size = end + 4 + _content_length(answer[:end])
        while len(answer) < size:
            answer += self._more()
        body = answer[end + 4 :]
        if not answer.startswith(b"HTTP/1.1 200 ") or read.expected not in body:
            raise RuntimeError(f"{read.kind}: {read.expected!r} is not in the answer {answer[:2000]!r}")
        return body

    def _more(self) -> bytes:
        chunk = self._socket.recv(65536)
        if not chunk:
            raise RuntimeError("the server has closed the connection")
        return chunk


def _content_length(head: bytes) -> int:
    at = head.lower().find(b"\r\ncontent-length:")
    if at < 0:
        raise RuntimeError(f"an answer without a content-length: {head!r}")
    return int(head[at + 17 :].split(b"\r\n", 1)[0])
