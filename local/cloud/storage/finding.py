"""Objects as they are: read, and brought into line with the files that programs write.

Owns: finding the live object of a name, and what becomes of a file that appeared, changed or went without a call: a
program that has a bucket's directory may write into it. Such a file is an object when its name is read or listed.
"""

import mimetypes
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import google_crc32c

from local.cloud.clock import Clock
from local.cloud.errors import ApiError, not_found
from local.cloud.storage.buckets import Buckets
from local.cloud.storage.content import Digests, crc32c_text, digests_of
from local.cloud.storage.files import Files, Stamp
from local.cloud.storage.records import Record, Records
from local.cloud.storage.resource import object_resource
from local.cloud.store import Store

DEFAULT_TYPE = "application/octet-stream"
_MOST_TURNS = 5
_BATCH = 500


class ObjectFinding:
    """Everything that reads, by bucket and name."""

    def __init__(self, root: Path, store: Store, clock: Clock, buckets: Buckets) -> None:
        self.files = Files(root)
        self.records = Records(store)
        self.buckets = buckets
        self.store = store
        self.clock = clock
        self._locks: dict[str, threading.RLock] = {}
        self._last_generation = self.records.last_generation()
        self._generation_lock = threading.Lock()
        self.listeners: list[Callable[[str, Record], None]] = []  # told of each change by a call, after it is made

    def find(self, bucket: str, name: str, generation: int | None = None) -> Record:
        """The live generation, or the named one unless it is softly deleted. Raises 404."""
        self.buckets.require(bucket)
        record = self.notice(bucket, name)
        if generation is not None and (record is None or record.generation != generation):
            record = self.records.generation(bucket, name, generation)
        if record is None or record.state == "deleted":
            raise not_found(f"No such object: {bucket}/{name}")
        return record

    def open(self, bucket: str, name: str, generation: int | None = None) -> tuple[Record, int]:
        """A generation as `find` has it, and a descriptor of exactly its content."""
        for _ in range(_MOST_TURNS):
            record = self.find(bucket, name, generation)
            with suppress(FileNotFoundError):
                return record, self.open_record(record)
        raise ApiError(503, f"{bucket}/{name} is being replaced faster than it can be read: try again")

    def open_record(self, record: Record) -> int:
        """A descriptor of a generation's content. Raises FileNotFoundError where it has gone in the meantime."""
        for path in self._places(record):
            descriptor = self.files.open(path, Stamp(record.size, record.mtime_ns))
            if descriptor is not None:
                return descriptor
        raise FileNotFoundError(f"{record.bucket}/{record.name}#{record.generation}")

    def content_path(self, record: Record) -> Path:
        """The file that holds a generation's content. Raises FileNotFoundError."""
        for path in self._places(record):
            descriptor = self.files.open(path, Stamp(record.size, record.mtime_ns))
            if descriptor is not None:
                os.close(descriptor)
                return path
        raise FileNotFoundError(f"{record.bucket}/{record.name}#{record.generation}")

    def notice(self, bucket: str, name: str) -> Record | None:
        """The live record of a name, brought into line with the file at its path."""
        record, stamp = self.records.live(bucket, name), self.files.stamp(bucket, name)
        if _agree(record, stamp):
            return record
        return self._catch_up(bucket, name)

    def notice_all(self, bucket: str, prefix: str) -> None:
        """Bring every name below a prefix into line with the files."""
        known = self.records.live_under(bucket, prefix)
        changed: list[tuple[str, Stamp]] = []
        for name, stamp in self.files.walk(bucket, prefix):
            if known.pop(name, None) != ("tree", stamp.size, stamp.mtime_ns):
                changed.append((name, stamp))
        for start in range(0, len(changed), _BATCH):
            self._adopt_all(bucket, changed[start : start + _BATCH])
        for name, (place, _, _) in known.items():
            if place == "tree":
                self.notice(bucket, name)

    def shown(self, record: Record, url_base: str) -> dict[str, Any]:
        """A generation as the API has it."""
        return object_resource(record, url_base, retention_seconds=self.buckets.retention_seconds(record.bucket))

    @contextmanager
    def writing(self, bucket: str) -> Iterator[None]:
        """One change of a bucket's objects at a time."""
        with self._locks.setdefault(bucket, threading.RLock()):
            yield

    # Within

    def _catch_up(self, bucket: str, name: str) -> Record | None:
        """Record what a program did to the file. It is read without holding others up; one that is still being written
        is taken as it is after a few turns, and again when it is next looked at."""
        path = self.files.path_of(bucket, name)
        digests, before = None, None
        for turn in range(_MOST_TURNS):
            with self.writing(bucket):
                record, stamp = self.records.live(bucket, name), self.files.stamp(bucket, name)
                if _agree(record, stamp):
                    return record
                if stamp is None:
                    return self._forget(record)
                if digests and (stamp == before or turn == _MOST_TURNS - 1):
                    return self._adopt(bucket, name, stamp, digests, record)
            before = stamp
            with suppress(FileNotFoundError):
                digests = digests_of(path) if path else None
        return self.records.live(bucket, name)

    def _adopt_all(self, bucket: str, files: list[tuple[str, Stamp]]) -> None:
        """Record many files that programs wrote, in one commit; what changes meanwhile is looked at by itself."""
        read: list[tuple[str, Stamp, Digests]] = []
        for name, stamp in files:
            path = self.files.path_of(bucket, name)
            with suppress(FileNotFoundError):
                if path:
                    read.append((name, stamp, digests_of(path)))
        settled: set[str] = set()
        with self.writing(bucket), self.store.transaction():
            for name, stamp, digests in read:
                record, now = self.records.live(bucket, name), self.files.stamp(bucket, name)
                if now == stamp and not _agree(record, now) and (record is None or record.place == "tree"):
                    self._adopt(bucket, name, stamp, digests, record)
                    settled.add(name)
        for name, _ in files:
            if name not in settled:
                self.notice(bucket, name)

    def _forget(self, record: Record | None) -> None:
        if record:
            self.records.remove(record)

    def _adopt(self, bucket: str, name: str, stamp: Stamp, digests: Digests, held: Record | None) -> Record:
        """A file that a program wrote becomes the live object of its name."""
        settings = self.buckets.get(bucket)
        meta = {"contentType": mimetypes.guess_type(name)[0] or DEFAULT_TYPE}
        record = self._record(
            bucket, name, generation=self._next_generation(), stamp=stamp, digests=digests, meta=meta, settings=settings
        )
        record.place = "tree"
        with self.store.transaction():
            if held:
                self.records.remove(held)
            self.records.write(record)
        if held and held.place == "kept":
            self.files.kept_path(held.generation).unlink(missing_ok=True)
        return record

    def _record(
        self,
        bucket: str,
        name: str,
        *,
        generation: int,
        stamp: Stamp,
        digests: Digests,
        meta: dict[str, Any],
        settings: dict[str, Any],
    ) -> Record:
        now = self.clock.timestamp()
        times = {"timeCreated": now, "updated": now, "timeStorageClassUpdated": now, "timeFinalized": now}
        fixed = {"metageneration": 1, "md5Hash": digests.md5, "crc32c": digests.crc32c}
        held = {"eventBasedHold": True} if settings.get("defaultEventBasedHold") else {}
        kept = {"storageClass": settings["storageClass"], **held, **meta, **fixed, **times}
        if not digests.md5:
            del kept["md5Hash"]
        place = "tree" if self.files.has_room(bucket, name) else "kept"
        return Record(bucket, name, generation, stamp.size, stamp.mtime_ns, "live", place, kept)

    def _places(self, record: Record) -> list[Path]:
        """Where a generation's content can be, the likeliest first."""
        path = self.files.path_of(record.bucket, record.name) if record.place == "tree" else None
        kept, staged = self.files.kept_path(record.generation), self.files.staged_path(record.generation)
        return [path, staged, kept] if path else [kept, staged]

    def _next_generation(self) -> int:
        with self._generation_lock:
            self._last_generation = max(self.clock.micros(), self._last_generation + 1)
            return self._last_generation


def _agree(record: Record | None, stamp: Stamp | None) -> bool:
    """Whether what is recorded is what lies at the path."""
    if record is None or record.place == "kept":
        return stamp is None
    return stamp == Stamp(record.size, record.mtime_ns)


def verified(record: Record, content: Iterable[bytes]) -> Iterator[bytes]:
    """A generation's whole content. Raises DATA_LOSS at its end where it is not what its checksum says."""
    checksum = google_crc32c.Checksum()
    for chunk in content:
        checksum.update(chunk)
        yield chunk
    crc32c = crc32c_text(checksum)
    if crc32c != record.meta["crc32c"]:
        what = f"{record.bucket}/{record.name}#{record.generation}"
        message = f"{what} is corrupt: its content has the CRC32C {crc32c}, not {record.meta['crc32c']}: write it anew"
        raise ApiError(500, message, "DATA_LOSS")


def created_at(record: Record) -> datetime:
    return datetime.fromisoformat(record.meta["timeCreated"])
