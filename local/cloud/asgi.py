"""HTTP on one side, handlers on the other.

Owns: the guard of the loopback (Host, Origin), routing, authentication, bodies in and out, and partial answers.
Handlers are plain functions and run in threads; a body that streams passes through without being held in memory.

A browser's page must not be able to reach a cloud that starts processes: a Host that is not loopback (DNS rebinding)
and an Origin that is not this very server are refused before anything else.
"""

import asyncio
import gzip
import json
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from local.cloud.call import Call, Response
from local.cloud.errors import ApiError, unimplemented
from local.cloud.masks import select
from local.cloud.routing import Match

if TYPE_CHECKING:
    from local.cloud.app import Cloud

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_log = logging.getLogger("local.cloud.requests")
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_MAX_JSON_BYTES = 256 * 1024 * 1024
_HANDLER_THREADS = 64


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
            response = await self._answer(exchange)
        except ApiError as error:
            response = Response(error.envelope(), error.code, dict(error.headers))
        except ConnectionError:
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

    async def _answer(self, exchange: "_Exchange") -> Response:
        headers = exchange.headers
        _refuse_foreign(exchange.method, headers)
        lists = _query(exchange.scope["query_string"])
        query = {name: values[-1] for name, values in lists.items()}
        match = self._match(exchange.method, exchange.raw_path, headers)
        loop = asyncio.get_running_loop()
        body = None if match.route.streams else _json(await exchange.read(), headers)

        def handle() -> Response:
            call = Call(
                cloud=self._cloud,
                route=match.route,
                method=exchange.method,
                path=exchange.raw_path,
                params=match.params,
                query=query,
                query_lists=lists,
                headers=headers,
                caller=self._cloud.identity.principal(headers, query) if not match.route.public else self._cloud.anyone,
                url_base=f"http://{headers['host']}",
                body=body,
                stream=exchange.stream(loop),
            )
            return _selected(match.route.handler(call), query)

        return await loop.run_in_executor(self._threads, handle)

    def _match(self, method: str, raw_path: str, headers: MutableMapping[str, str]) -> Match:
        wanted = headers.get("x-http-method-override", method) if method == "POST" else method
        router = self._cloud.router
        match = router.match(wanted, raw_path) or (router.match("GET", raw_path) if wanted == "HEAD" else None)
        if match is None:
            raise unimplemented(f"The local cloud has no method {wanted} {raw_path}")
        return match


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

    async def read(self) -> bytes:
        """The whole body, refused if it is larger than any JSON request has reason to be."""
        chunks: list[bytes] = []
        size = 0
        while not self._whole:
            chunk = await self._next()
            size += len(chunk)
            if size > _MAX_JSON_BYTES:
                raise ApiError(
                    413, f"The request body is larger than {_MAX_JSON_BYTES} bytes: upload such data as an object"
                )
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
            body = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
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
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def _send_chunks(self, chunks: Iterator[bytes], threads: ThreadPoolExecutor) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self.method != "HEAD":
                chunk = await loop.run_in_executor(threads, next, chunks, None)
                if chunk is None:
                    break
                await self._send({"type": "http.response.body", "body": chunk, "more_body": True})
            await self._send({"type": "http.response.body", "body": b""})
        finally:
            close = getattr(chunks, "close", None)
            if close:
                await loop.run_in_executor(threads, close)


def _refuse_foreign(method: str, headers: dict[str, str]) -> None:
    host = headers.get("host", "")
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    if name.lower() not in _LOOPBACK:
        raise ApiError(403, f"Host {host!r} is refused: this cloud answers to {', '.join(_LOOPBACK)} only")
    origin = headers.get("origin")
    if origin is not None and origin.lower() != f"http://{host.lower()}":
        raise ApiError(403, f"Origin {origin!r} is refused: no page but this server's own may call it")
    site, mode = headers.get("sec-fetch-site", "none"), headers.get("sec-fetch-mode", "")
    if site not in ("none", "same-origin") and not (mode == "navigate" and method == "GET"):
        raise ApiError(403, f"A request from a {site} page is refused: no page but this server's own may call it")


def _query(raw: bytes) -> dict[str, list[str]]:
    lists: dict[str, list[str]] = {}
    for name, value in parse_qsl(raw.decode("latin-1"), keep_blank_values=True):
        lists.setdefault(name, []).append(value)
    return lists


def _json(body: bytes, headers: dict[str, str]) -> Any:
    if headers.get("content-encoding") == "gzip" and body:
        try:
            body = gzip.decompress(body)
        except (OSError, EOFError) as error:
            raise ApiError(400, f"The body is not the gzip that Content-Encoding announces: {error}") from None
    if not body.strip():
        return None
    try:
        return json.loads(body)
    except ValueError as error:
        raise ApiError(400, f"Invalid JSON payload received: {error}", reason="parseError") from None


def _selected(answer: dict[str, Any] | Response, query: dict[str, str]) -> Response:
    """The answer, cut to what the `fields` parameter selects."""
    response = answer if isinstance(answer, Response) else Response(answer)
    fields = query.get("fields") or query.get("$fields")
    if fields and fields != "*" and isinstance(response.body, dict) and response.status < 300:
        response.body = select(response.body, fields)
    return response
