"""From a request to its handler's answer, whichever way the request came.

Owns: the choice of the route, who calls, the JSON body, and the cut that the `fields` parameter makes.
Does not own: HTTP (asgi.py).
"""

import json
import re
import zlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from local.cloud.call import Call, Response
from local.cloud.errors import MOST_JSON_BYTES, ApiError, too_large, unimplemented
from local.cloud.iam import enforcement
from local.cloud.identity import Principal
from local.cloud.masks import select
from local.cloud.routing import Match

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_NO_BYTES: Iterator[bytes] = iter(())


def route(cloud: "Cloud", method: str, raw_path: str, headers: Mapping[str, str]) -> Match:
    """Raises UNIMPLEMENTED, naming what is missing."""
    _refuse_no_text(raw_path)
    wanted = headers.get("x-http-method-override", method) if method == "POST" else method
    match = cloud.router.match(wanted, raw_path) or (cloud.router.match("GET", raw_path) if wanted == "HEAD" else None)
    match = match or cloud.unrouted(wanted, raw_path)
    if match is None:
        raise unimplemented(f"The local cloud has no method {wanted} {raw_path}")
    return match


def answer(
    cloud: "Cloud",
    match: Match,
    *,
    method: str,
    raw_path: str,
    query_string: str,
    headers: Mapping[str, str],
    body: bytes = b"",
    stream: Iterator[bytes] = _NO_BYTES,
) -> Response:
    """Authenticate the caller, check that it may, and run the handler, in this thread. Raises ApiError."""
    lists = _query(query_string)
    query = {name: values[-1] for name, values in lists.items()}
    call = Call(
        cloud=cloud,
        route=match.route,
        method=method,
        path=raw_path,
        params=match.params,
        query=query,
        query_lists=lists,
        headers=headers,
        caller=_caller(cloud, match, headers, query),
        url_base=f"http://{headers['host']}",
        body=None if match.route.streams else _json(body, headers),
        stream=stream,
    )
    enforcement.check(call, match.service.name)
    return _selected(match.route.handler(call), query)


def _caller(cloud: "Cloud", match: Match, headers: Mapping[str, str], query: Mapping[str, str]) -> Principal:
    if match.route.public:
        return cloud.anyone
    return cloud.identity.principal(headers, query, anonymous=match.service.name.startswith("storage"))


def _refuse_no_text(path: str) -> None:
    """Two names that are no UTF-8 must not become one."""
    if "%" in path:
        try:
            unquote(path, errors="strict")
        except UnicodeDecodeError as error:
            raise ApiError(400, f"The path is not UTF-8 once its percent signs are resolved: {error}") from None


def _query(query_string: str) -> dict[str, list[str]]:
    _refuse_no_text(query_string)
    lists: dict[str, list[str]] = {}
    if not query_string:
        return lists
    for name, value in parse_qsl(query_string, keep_blank_values=True):
        lists.setdefault(name, []).append(value)
    return lists


def _json(body: bytes, headers: Mapping[str, str]) -> Any:
    if headers.get("content-encoding") == "gzip" and body:
        body = _gunzipped(body)
    if not body.strip():
        return None
    try:
        found = json.loads(body)
        if _SURROGATE.search(body):
            json.dumps(found, ensure_ascii=False).encode()  # half of a pair is no text
    except RecursionError:
        raise ApiError(400, "Invalid JSON payload received: it nests too deep", reason="parseError") from None
    except ValueError as error:
        raise ApiError(400, f"Invalid JSON payload received: {error}", reason="parseError") from None
    return found


def _gunzipped(body: bytes) -> bytes:
    """Raises 413 where a small body stands for one that is too large."""
    inflate = zlib.decompressobj(wbits=31)
    try:
        plain = inflate.decompress(body, MOST_JSON_BYTES)
    except zlib.error as error:
        raise ApiError(400, f"The body is not the gzip that Content-Encoding announces: {error}") from None
    if inflate.unconsumed_tail:
        raise too_large()
    if not inflate.eof:
        raise ApiError(400, "The body is not the gzip that Content-Encoding announces: it ends too early")
    return plain


def _selected(found: dict[str, Any] | Response, query: dict[str, str]) -> Response:
    """The answer, cut to what the `fields` parameter selects."""
    response = found if isinstance(found, Response) else Response(found)
    fields = query.get("fields") or query.get("$fields")
    if fields and fields != "*" and isinstance(response.body, dict) and response.status < 300:
        response.body = select(response.body, fields)
    return response
