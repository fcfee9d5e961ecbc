"""HTTP on one side, handlers on the other.

Owns: the guard of the loopback (Host, Origin) and bodies in and out. Does not own: what is answered (dispatch.py).
Handlers are plain functions and run in threads; a body that streams passes through without being held in memory.

A browser's page must not be able to reach a cloud that starts processes: a Host that is not loopback (DNS rebinding)
and an Origin that is not this very server are refused before anything else.
"""

import asyncio
import json
import logging
import re
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from local.cloud import dispatch
from local.cloud.call import Response
from local.cloud.errors import MOST_JSON_BYTES, ApiError, too_large

if TYPE_CHECKING:
    from local.cloud.app import Cloud

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_log = logging.getLogger("local.cloud.requests")
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_LOOPBACK_HOST = re.compile(rf"(?:{'|'.join(map(re.escape, _LOOPBACK))})(?::\d{{1,5}})?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_HANDLER_THREADS = 64
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class HttpApp:
    """The ASGI application of one cloud."""

    def __init__(self, cloud: "Cloud") -> None:
        self._cloud = cloud
        self._threads = ThreadPoolExecutor(_HANDLER_THREADS, thread_name_prefix="handler")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        began = time.perf_counter()
        exchange = _Exchange(scope, receive, send)
        try:
            response = await self._answer_or_fail(exchange)
        except ApiError as error:
            response = Response(error.envelope(), error.code, dict(error.headers))
        except ConnectionError:
            await asyncio.sleep(0)  # uvicorn takes note that the connection is gone
            return
        except Exception as error:
            _log.exception("%s %s failed", exchange.method, exchange.raw_path)
            internal = ApiError(500, f"Internal error of the local cloud: {type(error).__name__}: {error}")
            response = Response(internal.envelope(), 500)
        await exchange.answer(response, self._threads)
        if response.status >= 400 or exchange.method not in ("GET", "HEAD"):
            millis = (time.perf_counter() - began) * 1000
            _log.info("%s %s %d %.1f ms", exchange.method, exchange.raw_path, response.status, millis)

    def stop(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _answer_or_fail(self, exchange: "_Exchange") -> Response:
        """The answer, unless a fault says otherwise."""
        fault = self._cloud.faults.on_request(exchange.method, exchange.raw_path)
        if fault.delay_seconds:
            await asyncio.sleep(fault.delay_seconds)
        response = await self._answer(exchange) if fault.after or not (fault.drop or fault.error) else None
        if response is not None and not fault.after:
            return response
        if fault.drop:
            exchange.drop()
            raise ConnectionError("a fault has dropped the connection")
        raise fault.error or ApiError(500, "a fault without an effect")

    async def _answer(self, exchange: "_Exchange") -> Response:
        headers = exchange.headers
        _refuse_foreign(exchange.method, headers)
        match = dispatch.route(self._cloud, exchange.method, exchange.raw_path, headers)
        loop = asyncio.get_running_loop()
        body = b"" if match.route.streams else await exchange.read()

        def handle() -> Response:
            return dispatch.answer(
                self._cloud,
                match,
                method=exchange.method,
                raw_path=exchange.raw_path,
                query_string=exchange.scope["query_string"].decode("latin-1"),
                headers=headers,
                body=body,
                stream=exchange.stream(loop),
            )

        return await loop.run_in_executor(self._threads, handle)


class _Exchange:
    """One request and its answer, on the event loop's side."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.method: str = scope["method"]
        self.raw_path: str = scope["raw_path"].decode("latin-1")
        self.headers: dict[str, str] = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        self._receive = receive
        self._send = send
        self._whole = False

    def drop(self) -> None:
        """Reset the connection. ASGI has no message for that: uvicorn's `send` belongs to what holds the transport."""
        transport = getattr(getattr(self._send, "__self__", None), "transport", None)
        if transport is not None:
            transport.abort()

    async def read(self) -> bytes:
        """The whole body, refused if it is larger than any JSON request has reason to be."""
        chunks: list[bytes] = []
        size = 0
        while not self._whole:
            chunk = await self._next()
            size += len(chunk)
            if size > MOST_JSON_BYTES:
                raise too_large()
            chunks.append(chunk)
        return b"".join(chunks)

    def stream(self, loop: asyncio.AbstractEventLoop) -> Iterator[bytes]:
        """The body in chunks, for a handler's thread."""
        while not self._whole:
            yield asyncio.run_coroutine_threadsafe(self._next(), loop).result()

    async def _next(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError("the client left")
        self._whole = not message.get("more_body", False)
        return message.get("body", b"")

    async def answer(self, response: Response, threads: ThreadPoolExecutor) -> None:
        body, headers = response.body, dict(response.headers)
        if isinstance(body, (dict, list)):
            headers.setdefault("content-type", "application/json; charset=UTF-8")
            body = _encode(body).encode()
        elif body is not None:
            headers.setdefault("content-type", response.media_type)
        if body is None:
            body = b""
        if isinstance(body, bytes):
            if response.status not in (204, 304):
                headers.setdefault("content-length", str(len(body)))
            await self._start(response.status, headers)
            await self._send({"type": "http.response.body", "body": b"" if self.method == "HEAD" else body})
            return
        await self._start(response.status, headers)
        await self._send_chunks(body, threads)

    async def _start(self, status: int, headers: dict[str, str]) -> None:
        raw = [(name.encode("latin-1"), _header(value)) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def _send_chunks(self, chunks: Iterator[bytes], threads: ThreadPoolExecutor) -> None:
        loop = asyncio.get_running_loop()
        gone = asyncio.ensure_future(self._receive()) if self._whole else None
        try:
            while self.method != "HEAD" and not (gone and gone.done()):
                chunk = await loop.run_in_executor(threads, next, chunks, None)
                if chunk is None:
                    break
                await self._send({"type": "http.response.body", "body": chunk, "more_body": True})
            await self._send({"type": "http.response.body", "body": b""})
        finally:
            if gone:
                gone.cancel()
            close = getattr(chunks, "close", None)
            if close:
                await loop.run_in_executor(threads, close)


def _header(value: str) -> bytes:
    """As it may travel: an object's metadata can hold anything, a line break that would begin another header too."""
    line = _CONTROL.sub(" ", value)
    return line.encode("latin-1" if line.isascii() else "utf-8")


def _refuse_foreign(method: str, headers: dict[str, str]) -> None:
    host = headers.get("host", "")
    if not _LOOPBACK_HOST.fullmatch(host.lower()):
        raise ApiError(403, f"Host {host!r} is refused: this cloud answers to {', '.join(_LOOPBACK)} only")
    origin = headers.get("origin")
    if origin is not None and origin.lower() != f"http://{host.lower()}":
        raise ApiError(403, f"Origin {origin!r} is refused: no page but this server's own may call it")
    site, mode = headers.get("sec-fetch-site", "none"), headers.get("sec-fetch-mode", "")
    if site not in ("none", "same-origin") and not (mode == "navigate" and method == "GET"):
        raise ApiError(403, f"A request from a {site} page is refused: no page but this server's own may call it")
