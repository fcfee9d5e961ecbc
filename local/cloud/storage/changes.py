"""Objects: generations, what is live, and how one takes another's place without ever losing an acknowledged one.

Owns: the order of a change. Content is on disk before the record that names it is committed; the commit is the
acknowledgement; what remains to be moved after it is moved by `recover` if the process dies in between.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from local.cloud.clock import rfc3339
from local.cloud.storage.content import Digests
from local.cloud.storage.finding import ObjectFinding
from local.cloud.storage.naming import check_object_name
from local.cloud.storage.preconditions import Preconditions
from local.cloud.storage.records import Record

_ANY = Preconditions()


class ObjectChanges(ObjectFinding):
    """Everything that writes, by bucket and name."""

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
        self._tell("OBJECT_FINALIZE", record)
        return record

    def update(self, record: Record, meta: dict[str, Any]) -> Record:
        """Replace a generation's metadata; its metageneration rises."""
        changed = replace(
            record, meta=meta | {"metageneration": record.metageneration + 1, "updated": self.clock.timestamp()}
        )
        self.records.write(changed)
        self._tell("OBJECT_METADATA_UPDATE", changed)
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
        archived = generation is None and (settings.get("versioning") or {}).get("enabled")
        self._tell("OBJECT_ARCHIVE" if archived else "OBJECT_DELETE", record)

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

    def _tell(self, event: str, record: Record) -> None:
        for listener in self.listeners:
            listener(event, record)

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
        with self.store.transaction():
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
        now = self.clock.now()
        if settings.get("versioning", {}).get("enabled") and held.state == "live":
            return replace(held, state="noncurrent", place="kept", meta=held.meta | {"timeDeleted": rfc3339(now)})
        seconds = self.buckets.soft_delete_seconds(settings)
        if held.state == "deleted" or seconds == 0:
            return None
        until = now + timedelta(seconds=seconds)
        times = {"softDeleteTime": rfc3339(now), "hardDeleteTime": rfc3339(until)}
        return replace(held, state="deleted", place="kept", meta=held.meta | times)
