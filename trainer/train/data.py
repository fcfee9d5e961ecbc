"""The event log as sequences: columns in, one flat array of items ordered by user and time out.

Owns: reading interactions (parquet or BigQuery) as a stream, their checks, and the leave-one-out split. Does not own:
files (shards.py), vocabularies and order (event_columns.py), batches (batches.py), what items are (item_features.py,
item_tags.py), or what a snapshot contains (the pipeline extracts it).

Order is (timestamp, row order), stable: ties in time are common, and the file's order decides them. Shapes: N events, U
users.
"""

# pyright: reportAttributeAccessIssue=false

import hashlib
import io
import json
import tempfile
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc  # its functions are made at run time

from train.event_columns import EventColumns
from train.item_features import ID_COLUMN, Feature, features, read_items
from train.item_tags import Tags, tags_of
from train.machine import free_memory
from train.problems import Problem, Refused, refuse_if
from train.shards import Shard, fetch_shards, sha256
from train.storage import Folder

SNAPSHOT_FILE = "snapshot.json"
INTERACTION_COLUMNS = ("user_id", "item_id", "timestamp")

# Held-out events per user: the last is the test item, the one before it validates. Shorter histories are only learned.
HELD_OUT = 2
_SHORTEST_EVALUATED = HELD_OUT + 1

BYTES_AN_EVENT = 2 * (4 + 8) + 4  # as read and as ordered, and whose it is
_MOST_OF_MEMORY = 0.25  # that events may take before they are mapped

VALIDATION, TEST = 2, 1  # how far from the end of a history the target stands


@dataclass(frozen=True)
class Sequences:
    """Every user's history, oldest first: user u's items are items_N[offsets_U1[u] : offsets_U1[u + 1]], which happened
    at times_N in the data's unit.
    """

    users: pa.StringArray  # sorted; a user's index is its place
    catalog: pa.StringArray  # sorted; an item's index is its place
    items_N: np.ndarray
    offsets_U1: np.ndarray
    times_N: np.ndarray
    fingerprint: str
    features: tuple[Feature, ...] = ()
    tags: Tags | None = None

    @cached_property
    def lengths_U(self) -> np.ndarray:
        return np.diff(self.offsets_U1)

    @cached_property
    def evaluated(self) -> np.ndarray:
        """Indices of the users that are long enough to be evaluated."""
        return np.flatnonzero(self.lengths_U >= _SHORTEST_EVALUATED)

    @cached_property
    def train_lengths_U(self) -> np.ndarray:
        """How many of each user's first events may be learned from."""
        return np.where(self.lengths_U >= _SHORTEST_EVALUATED, self.lengths_U - HELD_OUT, self.lengths_U)

    @cached_property
    def is_train_N(self) -> np.ndarray:
        is_train_N = np.ones(len(self.items_N), dtype=bool)
        for back in range(1, HELD_OUT + 1):
            is_train_N[self.offsets_U1[self.evaluated + 1] - back] = False
        return is_train_N

    @cached_property
    def train_counts_V(self) -> np.ndarray:
        """How often each item occurs among the events that may be learned from."""
        return np.bincount(self.items_N[self.is_train_N], minlength=len(self.catalog))


def read_folder(folder: Folder, *, memory_map: bool | None = None) -> Sequences:
    """Sequences of a folder's interactions, with the features of its items.parquet. Interactions are the file
    interactions.parquet or, where there is none, shards as exports write them, in the order of their names:
    interactions*.parquet beside it, else all *.parquet in a folder called interactions.

    `memory_map`: whether the columns lie in mapped files; by default where they would take too much of the memory.
    """
    with tempfile.TemporaryDirectory() as scratch:
        shards = fetch_shards(folder, Path(scratch))
        subject = shards[0].uri if len(shards) == 1 else f"{folder.uri} ({len(shards)} shards)"
        events = sum(shard.open().metadata.num_rows for shard in shards)
        log = _EventLog(subject, events, memory_map=memory_map)
        for shard in shards:
            file = shard.open()
            if events and not file.metadata.num_rows:
                continue  # an export's empty shard, which may not even know its types
            refuse_if("data", _missing_columns(shard.uri, file.schema_arrow.names))
            log.expect(file.schema_arrow)
            for batch in shard.batches(file, INTERACTION_COLUMNS):
                log.append(batch)
        read = log.sequences(fingerprint=_fingerprint(folder, shards))
    items = read_items(folder)
    if items is None:
        return read
    tags = tags_of(items, read.catalog, id_column=ID_COLUMN)
    return replace(read, features=features(items, read.catalog), tags=tags)


def read_bigquery(*, project: str, table: str, memory_map: bool | None = None) -> Sequences:
    """Sequences of an event table (columns user_id, item_id, event_time, event_order, logged_at), page by page."""
    from google.cloud import bigquery

    # The condition on logged_at, true for every row, satisfies a table that requires a filter on its partitions.
    query = (
        f"SELECT user_id, item_id, event_time AS timestamp FROM `{project}.{table}` "  # noqa: S608 - the names were checked
        "WHERE logged_at > TIMESTAMP '1970-01-01 00:00:00+00' ORDER BY event_time, event_order"
    )
    rows = bigquery.Client(project=project).query_and_wait(query)
    log = _EventLog(f"{project}.{table}", rows.total_rows or 0, memory_map=memory_map)
    for batch in rows.to_arrow_iterable():
        log.append(batch)
    read = log.sequences(fingerprint="")
    return replace(read, fingerprint=_digest(read))


def sequences(table: pa.Table, *, fingerprint: str, subject: str, memory_map: bool | None = False) -> Sequences:
    """Sequences of a table with user_id, item_id and timestamp; rows that tie in time keep their order."""
    refuse_if("data", _missing_columns(subject, table.column_names))
    log = _EventLog(subject, table.num_rows, memory_map=memory_map)
    log.expect(table.schema)
    for batch in table.to_batches():
        log.append(batch)
    return log.sequences(fingerprint=fingerprint)


def _clock(kind: Any) -> str:
    """What orders times: their kind and unit. Neither a width nor a zone does, which tell the same moments."""
    if pa.types.is_timestamp(kind):
        return kind.unit
    if pa.types.is_integer(kind) and kind != pa.uint64():
        return "integer"
    return "float" if pa.types.is_floating(kind) else str(kind)


class _EventLog:
    """Batches of events on their way to sequences: checked one by one, and refused together once all were seen."""

    def __init__(self, subject: str, events: int, *, memory_map: bool | None) -> None:
        self._subject, self._events = subject, events
        self._memory_map = memory_map
        self._schema: pa.Schema | None = None
        self._columns: EventColumns | None = None
        self._nulls, self._infinite = Counter[str](), 0

    def expect(self, schema: pa.Schema) -> None:
        """Refuses events whose times are of another type than earlier ones: their order would be arbitrary."""
        kinds = [] if self._schema is None else [self._schema.field("timestamp").type, schema.field("timestamp").type]
        if kinds and _clock(kinds[0]) != _clock(kinds[1]):
            rule = f"must be of one type in all shards: {kinds[0]} in the first, {kinds[1]} in another"
            raise Refused("data", [Problem("timestamp", str(kinds[1]), rule, "Write the shards by one export")])
        self._schema = schema

    def append(self, batch: pa.RecordBatch) -> None:
        self.expect(batch.schema)
        users, items, times = (_plain(batch[name]) for name in INTERACTION_COLUMNS)
        nulls = {name: batch[name].null_count for name in INTERACTION_COLUMNS}
        self._nulls.update(nulls)
        if any(nulls.values()) or not _are_accepted(batch.schema):
            return
        if pa.types.is_floating(times.type):
            infinite = pc.sum(pc.invert(pc.is_finite(times))).as_py() or 0
            self._infinite += infinite
            if infinite:
                return
        time_C = _sortable(times)
        if self._columns is None:
            scratch = _scratch(self._events, memory_map=self._memory_map)
            self._columns = EventColumns(self._events, time_C.dtype, scratch)
        self._columns.append(users, items, time_C)

    def sequences(self, *, fingerprint: str) -> Sequences:
        refuse_if("data", self._problems())
        if self._columns is None:
            raise RuntimeError("events without problems were not kept")
        users, catalog, items_N, offsets_U1, times_N = self._columns.ordered()
        return Sequences(users, catalog, items_N, offsets_U1, times_N, fingerprint)

    def _problems(self) -> list[Problem]:
        if self._schema is None or not self._events:
            return [Problem(self._subject, 0, "holds no events", "Check the export that wrote it")]
        problems, fix = [], "Drop or repair these rows"
        for name in INTERACTION_COLUMNS:
            kind = self._schema.field(name).type
            if self._nulls[name]:
                problems.append(Problem(name, None, "must not be null", fix, self._nulls[name]))
            if not _accepts(name, kind):
                kinds = "a number or a timestamp" if name == "timestamp" else "integers or strings"
                problems.append(Problem(name, str(kind), f"must be {kinds}", "Convert the column"))
        if self._infinite:
            problems.append(Problem("timestamp", "nan or inf", "must be finite", fix, self._infinite))
        return problems


def _scratch(events: int, *, memory_map: bool | None) -> Path | None:
    """Where columns are mapped; None to keep them in memory."""
    if memory_map is None:
        memory_map = events * BYTES_AN_EVENT > free_memory() * _MOST_OF_MEMORY
    return Path(tempfile.gettempdir()) if memory_map else None


def _plain(column: pa.Array) -> pa.Array:
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _sortable(times: pa.Array) -> np.ndarray:
    if pa.types.is_date(times.type):
        times = times.cast(pa.timestamp("us"))
    if pa.types.is_timestamp(times.type):
        times = times.cast(pa.int64())
    if pa.types.is_integer(times.type) and times.type != pa.uint64():
        times = times.cast(pa.int64())
    elif pa.types.is_floating(times.type):
        times = times.cast(pa.float64())
    return times.to_numpy(zero_copy_only=False)


def _missing_columns(subject: str, present: list[str]) -> list[Problem]:
    fix = f"Name the columns {', '.join(INTERACTION_COLUMNS)}, each once"
    counts = {name: present.count(name) for name in INTERACTION_COLUMNS}
    return [
        Problem(subject, present, f"column {name!r} {'is missing' if not count else f'is there {count} times'}", fix)
        for name, count in counts.items()
        if count != 1
    ]


def _are_accepted(schema: pa.Schema) -> bool:
    return all(_accepts(name, schema.field(name).type) for name in INTERACTION_COLUMNS)


def _accepts(name: str, kind: Any) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if name == "timestamp":
        return (
            pa.types.is_integer(kind)
            or pa.types.is_floating(kind)
            or pa.types.is_timestamp(kind)
            or pa.types.is_date(kind)
        )
    return (
        pa.types.is_integer(kind)
        or pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
    )


def _fingerprint(folder: Folder, shards: list[Shard]) -> str:
    """The snapshot's own fingerprint where one was written beside the data, else the sha256 of its files."""
    snapshot = folder.read(SNAPSHOT_FILE)
    return sha256(shards) if snapshot is None else _named_in(folder, snapshot)


def _digest(read: Sequences) -> str:
    """What identifies sequences that came from no file, however they were divided into pages."""
    digest = hashlib.sha256()
    for ids in (read.users, read.catalog):
        with pa.ipc.new_stream(pa.PythonFile(_Hashed(digest)), pa.schema([("id", pa.string())])) as stream:
            stream.write_batch(pa.record_batch([ids], names=["id"]))
    for column in (read.items_N, read.offsets_U1, read.times_N):
        digest.update(column.view(np.uint8).data)
    return digest.hexdigest()


def _named_in(folder: Folder, snapshot: bytes) -> str:
    try:
        found = json.loads(snapshot)["fingerprint"]
    except (ValueError, KeyError, TypeError):
        found = None
    if not isinstance(found, str) or not found:
        shown = snapshot[:80].decode("utf-8", "replace")
        rule = f"{SNAPSHOT_FILE} in {folder.uri} names no fingerprint"
        raise Refused("data", [Problem(SNAPSHOT_FILE, shown, rule, "Remove the file, or take the snapshot again")])
    return found


class _Hashed(io.RawIOBase):
    """A file that only feeds a digest."""

    def __init__(self, digest: Any) -> None:
        self._digest = digest

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        self._digest.update(content)
        return len(content)
