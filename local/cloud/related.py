"""The parts of a multipart/related upload, streamed.

Owns: finding the metadata and the media in a body whose media may be larger than memory. Source: RFC 2046 section 5.1.
"""

import re
from collections.abc import Iterator

from local.cloud.errors import ApiError

_MOST_HEAD_BYTES = 4 * 1024 * 1024
_BOUNDARY = re.compile(r'boundary=(?:"([^"]+)"|([^;\s]+))', re.IGNORECASE)


class Related:
    """Two parts: `metadata` (whole) and the media, which `media` yields in chunks."""

    def __init__(self, content_type: str, chunks: Iterator[bytes]) -> None:
        found = _BOUNDARY.search(content_type)
        if not content_type.lower().startswith("multipart/") or found is None:
            raise _malformed(f"content type {content_type!r} is not multipart/related with a boundary")
        self._chunks = chunks
        self._buffer = bytearray()
        boundary = found.group(1) or found.group(2)
        self._delimiter = f"--{boundary}".encode()
        self._quoted = boundary[0] == boundary[-1] == "'"
        self._newline = self._after_boundary()
        self.metadata = self._metadata()
        headers = self._headers()
        self.media_type = headers.get("content-type", "")
        if headers.get("content-transfer-encoding", "binary").lower() not in ("binary", "7bit", "8bit"):
            raise _malformed("only a binary Content-Transfer-Encoding is taken")

    def media(self) -> Iterator[bytes]:
        """The second part's bytes; raises 400 where the body ends before its closing boundary."""
        closing = self._newline + self._delimiter
        while (at := self._buffer.find(closing)) < 0:
            ready = len(self._buffer) - len(closing)
            if ready > 0:
                yield bytes(self._buffer[:ready])
                del self._buffer[:ready]
            if not self._more():
                raise _malformed("the body ends before its closing boundary")
        yield bytes(self._buffer[:at])
        self._buffer.clear()
        for _ in self._chunks:
            pass

    def _after_boundary(self) -> bytes:
        """Skip the first boundary line; the line ending that the body uses."""
        line = self._until(b"\n")
        if (
            self._quoted and line.rstrip(b" \t\r") != self._delimiter
        ):  # so gcloud quotes it, and does not mean the quotes
            self._delimiter = b"--" + self._delimiter[3:-1]
        if line.rstrip(b" \t\r") != self._delimiter:
            raise _malformed("the body does not begin with its boundary")
        return b"\r\n" if line.endswith(b"\r") else b"\n"

    def _metadata(self) -> bytes:
        self._headers()
        body = self._until(self._newline + self._delimiter)
        self._until(b"\n")
        return body

    def _headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        while line := self._until(b"\n").rstrip(b"\r"):
            name, _, value = line.decode("utf-8", "replace").partition(":")
            headers[name.strip().lower()] = value.strip()
        return headers

    def _until(self, mark: bytes) -> bytes:
        while (at := self._buffer.find(mark)) < 0:
            if len(self._buffer) > _MOST_HEAD_BYTES:
                raise _malformed("the metadata part is larger than 4 MiB")
            if not self._more():
                raise _malformed("the body ends within its first part")
        found = bytes(self._buffer[:at])
        del self._buffer[: at + len(mark)]
        return found

    def _more(self) -> bool:
        chunk = next(self._chunks, None)
        self._buffer += chunk or b""
        return chunk is not None


def _malformed(why: str) -> ApiError:
    return ApiError(400, f"Malformed multipart body: {why}", reason="badRequest")
