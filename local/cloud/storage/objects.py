"""Objects by `gs://` URI, for the cloud's other services.

Owns: the convenience. Does not own: how objects change (changes.py).
"""

import mimetypes
from collections.abc import Iterable
from pathlib import Path

from local.cloud.errors import ApiError
from local.cloud.storage.changes import ObjectChanges
from local.cloud.storage.content import Content
from local.cloud.storage.finding import DEFAULT_TYPE, verified
from local.cloud.storage.naming import split_uri
from local.cloud.storage.records import Record


class Objects(ObjectChanges):
    """The storage service's Python API."""

    def path_of(self, uri: str) -> Path:
        """Where `gs://bucket/name` lies or would lie as a file. Raises ValueError for a name that can be no path."""
        bucket, name = split_uri(uri)
        path = self.files.path_of(bucket, name) if name else self.files.bucket_path(bucket)
        if path is None:
            raise ValueError(f"{uri!r} cannot be a file: its name has an empty, '.' or '..' segment")
        return path

    def read(self, uri: str) -> bytes:
        """All of an object. Raises DATA_LOSS for a corrupt one."""
        record, descriptor = self.open(*split_uri(uri))
        return b"".join(verified(record, Content(descriptor, 0, record.size)))

    def verify(self, record: Record) -> None:
        """Raises DATA_LOSS for content that is corrupt."""
        for _ in verified(record, Content(self.open_record(record), 0, record.size)):
            pass

    def exists(self, uri: str) -> bool:
        try:
            self.find(*split_uri(uri))
        except ApiError as error:
            if error.code == 404:
                return False
            raise
        return True

    def write(self, uri: str, chunks: bytes | Iterable[bytes], *, content_type: str = "") -> Record:
        bucket, name = split_uri(uri)
        with self.files.draft() as draft:
            draft.write_all([chunks] if isinstance(chunks, bytes) else chunks)
            kind = content_type or mimetypes.guess_type(name)[0] or DEFAULT_TYPE
            digests = draft.close()
            return self.publish(bucket, name, source=draft.path, digests=digests, meta={"contentType": kind})

    def remove(self, uri: str) -> None:
        self.delete(*split_uri(uri))

    def list(self, uri: str) -> list[str]:
        """URIs of all live objects whose name begins with the URI's."""
        bucket, prefix = split_uri(uri)
        self.buckets.get(bucket)
        self.notice_all(bucket, prefix)
        return [f"gs://{bucket}/{name}" for name in sorted(self.records.live_under(bucket, prefix), key=str.encode)]
