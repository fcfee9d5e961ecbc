"""The protocol of resumable uploads, for every service that takes media.

Owns: how chunks arrive and what is answered until all have. Does not own: sessions, or what becomes of the content.
Source: https://cloud.google.com/storage/docs/performing-resumable-uploads
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from local.cloud.call import Call, Response
from local.cloud.errors import ApiError

_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")


def receive(path: Path, call: Call) -> bool:
    """Append what arrives to the file; whether all that was announced is there."""
    total = _write(path, call)
    size = path.stat().st_size
    if total is not None and size > total:
        raise ApiError(400, f"{size} bytes have arrived, more than the {total} announced")
    return total is not None and size == total


def incomplete(path: Path, call: Call) -> Response:
    """308, disguised as 200 for clients that say that they cannot take it."""
    received = path.stat().st_size
    headers = {"range": f"bytes=0-{received - 1}"} if received else {}
    if call.headers.get("x-guploader-no-308", "").lower() == "yes":
        return Response(None, 200, headers | {"x-http-status-code-override": "308"})
    return Response(None, 308, headers)


def json_object(text: bytes) -> dict[str, Any]:
    """The JSON part of an upload; an empty one is the empty object."""
    try:
        body = json.loads(text) if text.strip() else {}
    except ValueError as error:
        raise ApiError(400, f"The upload's metadata is no JSON: {error}", reason="parseError") from None
    if not isinstance(body, dict):
        raise ApiError(400, f"The upload's metadata must be an object, not {type(body).__name__}", reason="parseError")
    return body


def _write(path: Path, call: Call) -> int | None:
    """The total size if this request tells it."""
    header = call.headers.get("content-range", "")
    if not header:
        with path.open("wb") as file:
            for chunk in _claimed(call):
                file.write(chunk)
        return path.stat().st_size
    found = _CONTENT_RANGE.fullmatch(header)
    if found is None:
        rule = "is not of the form 'bytes FIRST-LAST/TOTAL' with * for what is unknown"
        raise ApiError(400, f"Content-Range {header!r} {rule}")
    first, last, total = found.groups()
    if first is not None:
        _append(path, int(first), int(last) + 1, _claimed(call))
    else:
        for _ in call.stream:
            pass
    return None if total == "*" else int(total)


def _claimed(call: Call) -> Iterator[bytes]:
    """The body's chunks, each with room on disk for it."""
    for chunk in call.stream:
        call.cloud.faults.claim_disk(len(chunk))
        yield chunk


def _append(path: Path, first: int, end: int, chunks: Iterator[bytes]) -> None:
    """Write the chunk that begins at `first`; what has already arrived of it is passed over."""
    held = path.stat().st_size
    if first > held:
        message = f"the upload offset is {first} byte(s), which exceeds already uploaded size of {held} byte(s)"
        raise ApiError(400, f"Invalid request. According to the Content-Range header, {message}.")
    skip = held - first
    with path.open("ab") as file:
        for chunk in chunks:
            taken = chunk[skip:] if skip else chunk
            skip = max(0, skip - len(chunk))
            file.write(taken[: max(0, end - file.tell())])
