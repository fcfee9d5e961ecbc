"""Bytes on their way to and from disk, and their digests."""

import base64
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import google_crc32c

CHUNK_BYTES = 1024 * 1024

Claim = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Digests:
    """Base64, as the API writes them."""

    md5: str
    crc32c: str


class Draft:
    """Content that is being written: hashed on the way, on disk after `close`, removed if nobody moves it elsewhere.

    `claim` is asked for the room of each chunk; it raises OSError where there is none.
    """

    def __init__(self, path: Path, claim: Claim = lambda _: None) -> None:
        self.path = path
        self._claim = claim
        self.size = 0
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._crc32c = google_crc32c.Checksum()
        self._file = path.open("xb")

    def __enter__(self) -> "Draft":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self.path.unlink(missing_ok=True)

    def write(self, chunk: bytes) -> None:
        self._claim(len(chunk))
        self._file.write(chunk)
        self._md5.update(chunk)
        self._crc32c.update(chunk)
        self.size += len(chunk)

    def write_all(self, chunks: Iterable[bytes]) -> "Draft":
        for chunk in chunks:
            self.write(chunk)
        return self

    def close(self) -> Digests:
        """Flush to disk; the content's digests."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        return Digests(_base64(self._md5.digest()), _base64(self._crc32c.digest()))


class Content:
    """An open file's bytes from `start` to `end`, in chunks; a later change of the object does not touch it."""

    def __init__(self, descriptor: int, start: int, end: int) -> None:
        self._file = os.fdopen(descriptor, "rb", buffering=0)
        self._left = 0
        self.limit(start, end)

    def limit(self, start: int, end: int) -> None:
        """Read from `start` to `end` instead, before the first chunk."""
        self._file.seek(start)
        self._left = end - start

    def __enter__(self) -> "Content":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        chunk = self._file.read(min(CHUNK_BYTES, self._left)) if self._left > 0 else b""
        self._left -= len(chunk or b"")
        if not chunk:
            self.close()
            raise StopIteration
        return chunk

    def whole(self) -> bytes:
        """All that is left, at once; the file is closed."""
        with self:
            return b"".join(self)

    @property
    def is_small(self) -> bool:
        """Whether what is left is no more than one chunk."""
        return self._left <= CHUNK_BYTES

    def close(self) -> None:
        self._file.close()


def digests_of(path: Path) -> Digests:
    """Of a file's present content. Raises FileNotFoundError."""
    md5, crc32c = hashlib.md5(usedforsecurity=False), google_crc32c.Checksum()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            md5.update(chunk)
            crc32c.update(chunk)
    return Digests(_base64(md5.digest()), _base64(crc32c.digest()))


def crc32c_text(checksum: google_crc32c.Checksum) -> str:
    return _base64(checksum.digest())


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()
