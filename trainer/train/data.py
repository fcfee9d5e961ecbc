"""The event log as sequences: columns in, one flat array of items ordered by user and time out.

Owns: reading interactions (parquet or BigQuery), their checks, vocabularies, order, and the leave-one-out split. Does
not own: batches (batches.py), what items are (item_features.py, item_tags.py), or what a snapshot contains (the
pipeline extracts it).

Order is (timestamp, row order), stable: ties in time are common, and the file's order decides them. Shapes: N events, U
users.
"""

# pyright: reportAttributeAccessIssue=false

import hashlib
import io
import json
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc  # its functions are made at run time
import pyarrow.parquet as pq

from train.item_features import ID_COLUMN, Feature, features, read_items
from train.item_tags import Tags, tags_of
from train.problems import Problem, Refused, refuse_if
from train.storage import Folder

INTERACTIONS_FILE = "interactions.parquet"
SNAPSHOT_FILE = "snapshot.json"
INTERACTION_COLUMNS = ("user_id", "item_id", "timestamp")

# Held-out events per user: the last is the test item, the one before it validates. Shorter histories are only learned.
HELD_OUT = 2
_SHORTEST_EVALUATED = HELD_OUT + 1

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
        place_N = np.arange(len(self.items_N)) - np.repeat(self.offsets_U1[:-1], self.lengths_U)
        return place_N < np.repeat(self.train_lengths_U, self.lengths_U)

    @cached_property
    def train_counts_V(self) -> np.ndarray:
        """How often each item occurs among the events that may be learned from."""
        return np.bincount(self.items_N[self.is_train_N], minlength=len(self.catalog))


def read_folder(folder: Folder) -> Sequences:
    """Sequences of a folder's interactions.parquet, with the features of its items.parquet."""
    content = folder.read(INTERACTIONS_FILE)
    subject = f"{folder.uri}/{INTERACTIONS_FILE}"
    if content is None:
        fix = "Point STAGING_PREFIX at a folder that holds it"
        raise Refused("data", [Problem(INTERACTIONS_FILE, folder.uri, "no such file", fix)])
    try:
        file = pq.ParquetFile(pa.BufferReader(content))
        refuse_if("data", _missing_columns(subject, file.schema_arrow.names))
        table = file.read(columns=list(INTERACTION_COLUMNS))
    except pa.ArrowException as error:
        rule = f"is not a readable parquet file ({str(error).splitlines()[0]})"
        raise Refused("data", [Problem(subject, f"{len(content)} bytes", rule, "Write the file again")]) from error
    read = sequences(table, fingerprint=_fingerprint(folder, content), subject=subject)
    items = read_items(folder)
    if items is None:
        return read
    tags = tags_of(items, read.catalog, id_column=ID_COLUMN)
    return replace(read, features=features(items, read.catalog), tags=tags)


def read_bigquery(*, project: str, table: str) -> Sequences:
    """Sequences of an event table (columns user_id, item_id, event_time, event_order, logged_at)."""
    from google.cloud import bigquery

    # The condition on logged_at, true for every row, satisfies a table that requires a filter on its partitions.
    query = (
        f"SELECT user_id, item_id, event_time AS timestamp FROM `{project}.{table}` "  # noqa: S608 - the names were checked
        "WHERE logged_at > TIMESTAMP '1970-01-01 00:00:00+00' ORDER BY event_time, event_order"
    )
    rows = bigquery.Client(project=project).query_and_wait(query).to_arrow(create_bqstorage_client=False)
    digest = hashlib.sha256()
    with pa.ipc.new_stream(pa.PythonFile(_Hashed(digest)), rows.schema) as stream:
        stream.write_table(rows.combine_chunks())
    return sequences(rows, fingerprint=digest.hexdigest(), subject=f"{project}.{table}")


def sequences(table: pa.Table, *, fingerprint: str, subject: str) -> Sequences:
    """Sequences of a table with user_id, item_id and timestamp; rows that tie in time keep their order."""
    refuse_if("data", _missing_columns(subject, table.column_names) or _column_problems(subject, table))
    users, user_N = _encode(table["user_id"])
    catalog, item_N = _encode(table["item_id"])
    time_N = _sortable(table["timestamp"])
    order_N = np.argsort(time_N, kind="stable") if np.any(time_N[1:] < time_N[:-1]) else np.arange(len(time_N))
    order_N = order_N[np.argsort(user_N[order_N], kind="stable")]
    offsets_U1 = np.zeros(len(users) + 1, dtype=np.int64)
    np.cumsum(np.bincount(user_N, minlength=len(users)), out=offsets_U1[1:])
    return Sequences(users, catalog, item_N[order_N], offsets_U1, time_N[order_N], fingerprint)


def _encode(column: pa.ChunkedArray) -> tuple[pa.StringArray, np.ndarray]:
    """The distinct ids as sorted strings, and each row's index among them."""
    encoded = column.combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.unify_dictionaries().combine_chunks()
    ids = encoded.dictionary.cast(pa.string())
    order = pc.array_sort_indices(ids).to_numpy()
    place = np.empty(len(ids), dtype=np.int64)
    place[order] = np.arange(len(ids))
    return ids.take(pa.array(order)), place[encoded.indices.to_numpy(zero_copy_only=False)]


def _sortable(column: pa.ChunkedArray) -> np.ndarray:
    if pa.types.is_temporal(column.type):
        column = (
            column.cast(pa.timestamp("us")).cast(pa.int64())
            if not pa.types.is_timestamp(column.type)
            else column.cast(pa.int64())
        )
    return column.to_numpy()


def _missing_columns(subject: str, present: list[str]) -> list[Problem]:
    fix = f"Name the columns {', '.join(INTERACTION_COLUMNS)}, each once"
    counts = {name: present.count(name) for name in INTERACTION_COLUMNS}
    return [
        Problem(subject, present, f"column {name!r} {'is missing' if not count else f'is there {count} times'}", fix)
        for name, count in counts.items()
        if count != 1
    ]


def _column_problems(subject: str, table: pa.Table) -> list[Problem]:
    if table.num_rows == 0:
        return [Problem(subject, 0, "holds no events", "Check the export that wrote it")]
    problems = []
    for name in INTERACTION_COLUMNS:
        column = table[name]
        if column.null_count:
            problems.append(Problem(name, None, "must not be null", "Drop or repair these rows", column.null_count))
        if not _accepts(name, column.type):
            kinds = "a number or a timestamp" if name == "timestamp" else "integers or strings"
            problems.append(Problem(name, str(column.type), f"must be {kinds}", "Convert the column"))
        elif pa.types.is_floating(column.type):
            wrong = pc.sum(pc.invert(pc.is_finite(column))).as_py() or 0
            if wrong:
                problems.append(Problem(name, "nan or inf", "must be finite", "Drop or repair these rows", wrong))
    return problems


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


def _fingerprint(folder: Folder, content: bytes) -> str:
    """The snapshot's own fingerprint where one was written beside the data, else the file's sha256."""
    snapshot = folder.read(SNAPSHOT_FILE)
    if snapshot is not None:
        return _named_in(folder, snapshot)
    return hashlib.sha256(content).hexdigest()


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
