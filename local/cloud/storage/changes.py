"""Objects: generations, what is live, and how one takes another's place without ever losing an acknowledged one.

Owns: the order of a change. Content is on disk before the record that names it is committed; the commit is the
acknowledgement; what remains to be moved after it is moved by `recover` if the process dies in between.

Programs that have a bucket's directory may write files into it: such a file is an object too. It is found when its name
is read or listed, and gets a generation then (`notice`).
"""

import mimetypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from local.cloud.clock import Clock, rfc3339
from local.cloud.errors import ApiError, not_found
from local.cloud.storage.buckets import Buckets
from local.cloud.storage.content import Digests, digests_of
from local.cloud.storage.files import Files, Stamp
from local.cloud.storage.naming import check_object_name
from local.cloud.storage.preconditions import Preconditions
from local.cloud.storage.records import Record, Records
from local.cloud.store import Store

DEFAULT_TYPE = "application/octet-stream"
_ANY = Preconditions()
_MOST_TURNS = 5


class ObjectChanges:
    """Everything that happens to objects, by bucket and name."""

    def __init__(self, root: Path, store: Store, clock: Clock, buckets: Buckets) -> None:
        self.files = Files(root)
        self.records = Records(store)
        self.buckets = buckets
        self._store = store
        self._clock = clock
        self._locks: dict[str, threading.RLock] = {}
        self._last_generation = self.records.last_generation()
        self._generation_lock = threading.Lock()

    # Reading

    def find(self, bucket: str, name: str, generation: int | None = None) -> Record:
        """The live generation, or the named one unless it is softly deleted. Raises 404."""
        self.buckets.get(bucket)
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

    def notice(self, bucket: str, name: str) -> Record | None:
        """The live record of a name, brought into line with the file at its path."""
        record, stamp = self.records.live(bucket, name), self.files.stamp(bucket, name)
        if _agree(record, stamp):
            return record
        return self._catch_up(bucket, name)

    def notice_all(self, bucket: str, prefix: str) -> None:
        """Bring every name below a prefix into line with the files."""
        known = self.records.live_under(bucket, prefix)
        for name, stamp in self.files.walk(bucket, prefix):
            held = known.pop(name, None)
            if held != ("tree", stamp.size, stamp.mtime_ns):
                self.notice(bucket, name)
        for name, (place, _, _) in known.items():
            if place == "tree":
                self.notice(bucket, name)

    # Writing

    @contextmanager
    def writing(self, bucket: str) -> Iterator[None]:
        """One change of a bucket's objects at a time."""
        with self._locks.setdefault(bucket, threading.RLock()):
            yield

    def publish(
        self,
        bucket: str,
        name: str,
        *,
        source: Path,
        digests: Digests,
        meta: dict[str, Any],
        conditions: Preconditions = _ANY,
    ) -> Record:
        """Make the complete content at `source` the live object of a name. `meta` holds the writable fields."""
        check_object_name(name)
        settings = self.buckets.get(bucket)
        with self.writing(bucket):
            held = self.notice(bucket, name)
            conditions.check(held)
            if held:
                self.buckets.refuse_if_held(settings, held.meta, held.name)
            generation = self._next_generation()
            stamp = self.files.stage(source, generation)
            record = self._record(
                bucket, name, generation=generation, stamp=stamp, digests=digests, meta=meta, settings=settings
            )
            with self._retiring(held, settings):
                self.records.write(record)
            self._place(record)
        return record

    def update(self, record: Record, meta: dict[str, Any]) -> Record:
        """Replace a generation's metadata; its metageneration rises."""
        changed = replace(
            record, meta=meta | {"metageneration": record.metageneration + 1, "updated": self._clock.timestamp()}
        )
        self.records.write(changed)
        return changed

    def delete(self, bucket: str, name: str, generation: int | None = None, conditions: Preconditions = _ANY) -> None:
        """The live object becomes noncurrent in a bucket with versions; a named generation is deleted itself."""
        settings = self.buckets.get(bucket)
        with self.writing(bucket):
            record = self.find(bucket, name, generation)
            conditions.check(record)
            self.buckets.refuse_if_held(settings, record.meta, record.name)
            if generation is None:
                with self._retiring(record, settings, removing=True):
                    pass
            else:
                self.erase(record, settings)

    def erase(self, record: Record, settings: dict[str, Any]) -> None:
        """Delete one generation, whatever its state: softly where the bucket keeps deleted objects, else for good."""
        unversioned = settings | {"versioning": {"enabled": False}}
        with self.writing(record.bucket), self._retiring(record, unversioned, removing=record.state == "live"):
            pass

    def purge(self, record: Record) -> None:
        """Forget a generation that is not live, and its content."""
        with self.writing(record.bucket):
            self.records.remove(record)
            self.files.kept_path(record.generation).unlink(missing_ok=True)

    def empty_bucket(self, bucket: str) -> None:
        """With its bucket: what was softly deleted goes too."""
        with self.writing(bucket):
            for record in self.records.all_in(bucket, ("live", "noncurrent", "deleted")):
                self.purge(record)
            self.files.remove_bucket(bucket)

    # After a crash

    def recover(self) -> None:
        """Finish what was acknowledged and drop what was not."""
        for bucket in self.buckets.all():
            self.files.make_bucket(bucket["name"])
        for bucket, name, mtime_ns in self.records.removals():
            stamp = self.files.stamp(bucket, name)
            if stamp and stamp.mtime_ns == mtime_ns:
                self.files.remove_from_tree(bucket, name)
            self.records.forget_removal(bucket, name)
        for generation in self.files.staged_generations():
            record = self.records.by_generation(generation)
            if record and record.state == "live":
                self._place(record)
            elif record:
                self.files.put_in_kept(generation)
            else:
                self.files.staged_path(generation).unlink(missing_ok=True)
        for generation in self.files.kept_generations():
            record = self.records.by_generation(generation)
            if record is None or record.place != "kept":
                self.files.kept_path(generation).unlink(missing_ok=True)

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

    def _forget(self, record: Record | None) -> None:
        if record:
            self.records.remove(record)

    def _places(self, record: Record) -> list[Path]:
        """Where a generation's content can be, the likeliest first."""
        path = self.files.path_of(record.bucket, record.name) if record.place == "tree" else None
        kept, staged = self.files.kept_path(record.generation), self.files.staged_path(record.generation)
        return [path, staged, kept] if path else [kept, staged]

    def _next_generation(self) -> int:
        with self._generation_lock:
            self._last_generation = max(self._clock.micros(), self._last_generation + 1)
            return self._last_generation

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
        now = self._clock.timestamp()
        times = {"timeCreated": now, "updated": now, "timeStorageClassUpdated": now, "timeFinalized": now}
        fixed = {"metageneration": 1, "md5Hash": digests.md5, "crc32c": digests.crc32c}
        kept = {"storageClass": settings["storageClass"], **meta, **fixed, **times}
        if not digests.md5:
            del kept["md5Hash"]
        place = "tree" if self.files.has_room(bucket, name) else "kept"
        return Record(bucket, name, generation, stamp.size, stamp.mtime_ns, "live", place, kept)

    def _place(self, record: Record) -> None:
        if record.place == "tree":
            self.files.put_in_tree(record.bucket, record.name, record.generation)
        else:
            self.files.put_in_kept(record.generation)

    @contextmanager
    def _retiring(self, held: Record | None, settings: dict[str, Any], *, removing: bool = False) -> Iterator[None]:
        """Take `held` out of the live objects in the same commit as what is written inside.

        `removing`: nothing takes its path, so its file goes after the commit.
        """
        retired = self._retired(held, settings) if held else None
        if held and retired and held.place == "tree":
            self.files.keep_from_tree(held.bucket, held.name, held.generation)
        with self._store.transaction():
            if held and retired:
                self.records.write(retired)
            elif held:
                self.records.remove(held)
            if held and removing and held.place == "tree":
                self.records.note_removal(held)
            yield
        if held and not retired:
            self.files.kept_path(held.generation).unlink(missing_ok=True)
        if held and removing and held.place == "tree":
            self.files.remove_from_tree(held.bucket, held.name)
            self.records.forget_removal(held.bucket, held.name)

    def _retired(self, held: Record, settings: dict[str, Any]) -> Record | None:
        """What becomes of a generation that is live no more; None if nothing is kept of it."""
        now = self._clock.now()
        if settings.get("versioning", {}).get("enabled") and held.state == "live":
            return replace(held, state="noncurrent", place="kept", meta=held.meta | {"timeDeleted": rfc3339(now)})
        seconds = self.buckets.soft_delete_seconds(settings)
        if held.state == "deleted" or seconds == 0:
            return None
        until = now + timedelta(seconds=seconds)
        times = {"softDeleteTime": rfc3339(now), "hardDeleteTime": rfc3339(until)}
        return replace(held, state="deleted", place="kept", meta=held.meta | times)

    def _adopt(self, bucket: str, name: str, stamp: Stamp, digests: Digests, held: Record | None) -> Record:
        """A file that a program wrote becomes the live object of its name."""
        settings = self.buckets.get(bucket)
        meta = {"contentType": mimetypes.guess_type(name)[0] or DEFAULT_TYPE}
        record = self._record(
            bucket, name, generation=self._next_generation(), stamp=stamp, digests=digests, meta=meta, settings=settings
        )
        record.place = "tree"
        with self._store.transaction():
            if held:
                self.records.remove(held)
            self.records.write(record)
        if held and held.place == "kept":
            self.files.kept_path(held.generation).unlink(missing_ok=True)
        return record


def _agree(record: Record | None, stamp: Stamp | None) -> bool:
    """Whether what is recorded is what lies at the path."""
    if record is None or record.place == "kept":
        return stamp is None
    return stamp == Stamp(record.size, record.mtime_ns)


def created_at(record: Record) -> datetime:
    return datetime.fromisoformat(record.meta["timeCreated"])
