"""Several calls in one request.

Owns: the multipart/mixed form in which JSON APIs take up to 100 calls. Source:
https://cloud.google.com/storage/docs/batch
"""

import email.policy
import http
import json
import secrets
from email.message import Message
from email.parser import BytesParser
from typing import Any

from local.cloud import dispatch
from local.cloud.call import Call, Response
from local.cloud.errors import ApiError
from local.cloud.routing import Route, Service

_MOST_CALLS = 100


def service() -> Service:
    """Every API's batch path; the parts name their own."""
    routes = [
        Route("POST", "/{api}/{version}", _batch, streams=True),
        Route("POST", "", _batch, streams=True),
    ]
    return Service("batch", routes, prefixes=("/batch",), bare=False)


def _batch(call: Call) -> Response:
    head = f"Content-Type: {call.headers.get('content-type', '')}\r\n\r\n".encode()
    message = BytesParser(policy=email.policy.HTTP).parsebytes(head + call.whole())
    if not message.is_multipart():
        raise ApiError(
            400, f"Content type {call.headers.get('content-type', '')!r} is not multipart/mixed with a boundary"
        )
    parts = [part for part in message.get_payload() if isinstance(part, Message)]
    if len(parts) > _MOST_CALLS:
        raise ApiError(400, f"The batch holds {len(parts)} calls, more than the {_MOST_CALLS} that one may")
    boundary = f"batch_{secrets.token_hex(12)}"
    answers = b"".join(_rendered(part, _answer(call, part), boundary) for part in parts)
    kind = f"multipart/mixed; boundary={boundary}"
    return Response(answers + f"--{boundary}--".encode(), headers={"content-type": kind})


def _answer(call: Call, part: Message) -> Response:
    """The answer to one part: an HTTP request with a relative or absolute URL."""
    try:
        return _dispatched(call, part)
    except ApiError as error:
        return Response(error.envelope(), error.code)


def _dispatched(call: Call, part: Message) -> Response:
    text = part.get_payload(decode=True)
    raw = text if isinstance(text, bytes) else b""
    head, _, body = raw.partition(b"\r\n\r\n" if b"\r\n\r\n" in raw else b"\n\n")  # clients end lines either way
    lines = head.decode().splitlines()
    method, target = lines[0].split(" ")[:2] if lines else ("", "")
    own = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    headers = {**call.headers, **own, "host": call.headers["host"]}
    for name in ("content-encoding", "content-length", "x-http-method-override"):
        headers.pop(name, None)
    path, _, query = target.removeprefix(call.url_base).partition("?")
    match = dispatch.route(call.cloud, method, path, headers)
    if match.route.streams:
        raise ApiError(400, f"{method} {path} moves media, which a batch cannot")
    arguments: dict[str, Any] = {"method": method, "raw_path": path, "query_string": query, "headers": headers}
    return dispatch.answer(call.cloud, match, body=body.strip(), **arguments)


def _rendered(part: Message, response: Response, boundary: str) -> bytes:
    content = part.get("content-id", "").strip("<>")
    body = json.dumps(response.body, ensure_ascii=False).encode() if isinstance(response.body, (dict, list)) else b""
    phrase = http.HTTPStatus(response.status).phrase
    head = (
        f"--{boundary}\r\nContent-Type: application/http\r\nContent-ID: <response-{content}>\r\n\r\n"
        f"HTTP/1.1 {response.status} {phrase}\r\nContent-Type: application/json; charset=UTF-8\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body + b"\r\n"
