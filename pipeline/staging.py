"""The staging files of a stack and what is known of how they came there.

Owns: the names, the metadata on the interactions' object, and the split of a data set into history and log. Does not
own: the log itself (feedback_log.py), or the order of the steps of an ingestion (ingest.py).

The interactions' object tells which data it belongs to, and, once the log holds the rest, that the ingestion is
complete.
"""

import hashlib
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from contracts.table_schemas import INTERACTIONS_FILE, ITEMS_FILE
from pipeline import events as ev
from pipeline.event_times import TimeUnit
from pipeline.objects import Objects, ObjectState, join

_DATA = "recsys-data"
_TIME_UNIT = "recsys-time-unit"
_LOG_ROWS = "recsys-log-rows"
_LOADED_BY = "recsys-loaded-by"
_FORMAT = "1"  # another number makes the same data count as other data: raise it when the stored form changes


class Split(NamedTuple):
    """A data set in two: what the staging file holds, and what the log holds."""

    history: pa.Table
    recent: pa.Table


def split_by_order(events: pa.Table, recent_fraction: float) -> Split:
    """The last part of the ordered events becomes the log's."""
    cut = events.num_rows - int(events.num_rows * recent_fraction)
    return Split(events.slice(0, cut), events.slice(cut))


def data_id(events_fingerprint: str, items: Path | None, recent_fraction: float) -> str:
    """What makes two ingestions the same: events, catalog and cut."""
    digest = hashlib.sha256(f"{_FORMAT} {events_fingerprint} {recent_fraction!r} ".encode())
    if items is not None:
        with items.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


class StagedData(NamedTuple):
    """What the metadata of the interactions' object says. `data_id` is "" where something else wrote the object."""

    generation: int
    data_id: str
    time_unit: TimeUnit
    log_rows: int
    loaded_by: str

    @property
    def is_half_ingested(self) -> bool:
        return bool(self.data_id) and not self.loaded_by


class Staging:
    """The folder STAGING_PREFIX."""

    def __init__(self, objects: Objects, prefix: str) -> None:
        self._objects = objects
        self.interactions_uri = join(prefix, INTERACTIONS_FILE)
        self.items_uri = join(prefix, ITEMS_FILE)
        self._prefix = prefix

    def staged(self) -> StagedData | None:
        """What is there now, or None."""
        state = self._objects.state(self.interactions_uri)
        return None if state is None else _staged(state)

    def put(
        self,
        events: pa.Table,
        items: Path | None,
        *,
        data: str,
        unit: TimeUnit,
        log_rows: int,
        replaces_generation: int,
        folder: Path,
    ) -> StagedData:
        """Upload items, then interactions: who sees the interactions of some data sees its items."""
        if items is None:
            self._objects.delete(self.items_uri)
        else:
            self._objects.upload(items, self.items_uri)
        path = folder / INTERACTIONS_FILE
        ev.write_parquet(ev.with_timestamps(events), path)
        metadata = {_DATA: data, _TIME_UNIT: unit.value, _LOG_ROWS: str(log_rows)}
        generation = self._objects.upload(
            path, self.interactions_uri, metadata=metadata, replaces_generation=replaces_generation
        )
        return StagedData(generation, data, unit, log_rows, "")

    def mark_loaded(self, staged: StagedData, job_id: str) -> None:
        """Note that the log holds the rest of this data."""
        self._objects.set_metadata(self.interactions_uri, {_LOADED_BY: job_id}, generation=staged.generation)

    def scratch_uri(self, name: str) -> str:
        return join(self._prefix, name)


def _staged(state: ObjectState) -> StagedData:
    unit = state.metadata.get(_TIME_UNIT, "")
    return StagedData(
        generation=state.generation,
        data_id=state.metadata.get(_DATA, ""),
        time_unit=TimeUnit(unit) if unit in TimeUnit.__members__.values() else TimeUnit.TIMESTAMPS,
        log_rows=int(state.metadata.get(_LOG_ROWS, "0")),
        loaded_by=state.metadata.get(_LOADED_BY, ""),
    )
