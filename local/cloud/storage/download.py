"""Objects' bytes on their way out.

Sources: https://cloud.google.com/storage/docs/json_api/v1/objects/get, …/docs/transcoding, RFC 9110 section 14 for
ranges.
"""

import re
import zlib
from collections.abc import Iterator
from email.utils import format_datetime

from local.cloud.call import Call, Response
from local.cloud.clock import parse_rfc3339
from local.cloud.errors import ApiError
from local.cloud.storage.content import Content
from local.cloud.storage.finding import DEFAULT_TYPE
from local.cloud.storage.records import Record
from local.cloud.storage.resource import hash_header, object_etag

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")

_PIECE_BYTES = 1 << 20
# What a browser opens must not act as a page of this server's own, which may call it.
_NO_PAGE = {"content-security-policy": "sandbox", "x-content-type-options": "nosniff"}


def media(call: Call, record: Record, content: Content) -> Response:
    """An answer with an object's bytes, or with the range of them that is asked for. It takes `content` over."""
    meta = record.meta
    headers = {
        "accept-ranges": "bytes",
        "cache-control": meta.get("cacheControl", "no-cache, no-store, max-age=0, must-revalidate"),
        "content-type": meta.get("contentType") or DEFAULT_TYPE,
        "etag": object_etag(record),
        "last-modified": format_datetime(parse_rfc3339(meta["updated"]), usegmt=True),
        **_NO_PAGE,
        "x-goog-generation": str(record.generation),
        "x-goog-hash": hash_header(record),
        "x-goog-metageneration": str(record.metageneration),
        "x-goog-storage-class": meta["storageClass"],
        "x-goog-stored-content-encoding": meta.get("contentEncoding", "identity"),
        "x-goog-stored-content-length": str(record.size),
    }
    for field, header in (("contentDisposition", "content-disposition"), ("contentLanguage", "content-language")):
        if field in meta:
            headers[header] = meta[field]
    if meta.get("contentEncoding") == "gzip" and "gzip" not in call.headers.get("accept-encoding", ""):
        content.limit(0, record.size)
        headers |= {"vary": "Accept-Encoding", "warning": '214 local.cloud gunzipped "Transformation Applied"'}
        del headers["accept-ranges"]
        return Response(_gunzipped(content), headers=headers)
    if "contentEncoding" in meta:
        headers["content-encoding"] = meta["contentEncoding"]
    asked = _range(call.headers.get("range", ""), record.size)
    start, end = asked or (0, record.size)
    content.limit(start, end)
    headers["content-length"] = str(end - start)
    if asked:
        headers["content-range"] = f"bytes {start}-{end - 1}/{record.size}"
    return Response(content.whole() if content.is_small else content, 206 if asked else 200, headers)


def _range(header: str, size: int) -> tuple[int, int] | None:
    """Start and one past the end; None for the whole, which also answers several ranges or another unit."""
    found = _RANGE.fullmatch(header.replace(" ", ""))
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if first == "":
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(int(last) + 1 if last else size, size)
    if start >= size or start >= end:
        message = f"The requested range {header!r} cannot be satisfied: the object has {size} bytes"
        raise ApiError(416, message, headers={"content-range": f"bytes */{size}"})
    return start, end


def _gunzipped(content: Content) -> Iterator[bytes]:
    with content:
        inflate = zlib.decompressobj(wbits=31)
        for chunk in content:
            left = chunk
            while left:
                yield inflate.decompress(left, _PIECE_BYTES)  # of a bomb, too, a piece at a time
                left = inflate.unconsumed_tail
        yield inflate.flush()
