"""Events as the platform keeps them: ids as strings, UTC microseconds, one order, one fingerprint.

Owns: the canonical form of a table of events and what follows from it (order, exact duplicates, the cut between history
and log, the fingerprint). Does not own: whether the events may be used (validation.py), nor where they lie
(objects.py).

A canonical table has the columns user_id and item_id (dictionary-encoded strings), timestamp (int64 microseconds since
1970), event_order (int64) and, where the source has one, rating (float64). Values may be null or out of range: rules
are checked on it.
"""

# pyright: reportAttributeAccessIssue=false

import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc  # its functions are made at run time
import pyarrow.parquet as pq

from contracts.table_schemas import INTERACTION_COLUMNS
from pipeline.event_times import MICROSECOND, TimeUnit, detect_unit, to_microseconds

RATING = "rating"
ORDER = "event_order"
_HASHED_ROWS = 1 << 20


def schema_of(path: Path) -> pa.Schema:
    """The schema of a parquet file. Raises `OSError` or `pyarrow.ArrowException` where it is none."""
    return pq.read_schema(path)


def read_columns(path: Path, *, with_order: bool = False) -> pa.Table:
    """The event columns of a parquet file as they are; strings come dictionary-encoded, which bounds memory.

    `event_order` is ours: only a file that this package wrote is read `with_order`, any other's order is that of its
    rows, whatever its columns are called.
    """
    names = schema_of(path).names
    wanted = [name for name in (*INTERACTION_COLUMNS, RATING, *([ORDER] if with_order else [])) if name in names]
    # ParquetFile and not read_table: the latter makes a dataset of the path and takes folder names for columns.
    with pq.ParquetFile(path, read_dictionary=["user_id", "item_id"]) as file:
        return file.read(columns=wanted)


def canonicalise(raw: pa.Table) -> tuple[pa.Table, TimeUnit]:
    """The canonical table of raw event columns, rows unmoved, and the unit that its times had."""
    unit = detect_unit(raw["timestamp"])
    columns = {
        "user_id": id_column(raw["user_id"]),
        "item_id": id_column(raw["item_id"]),
        "timestamp": to_microseconds(raw["timestamp"], unit),
        ORDER: raw[ORDER].cast(pa.int64()) if ORDER in raw.column_names else pa.arange(0, raw.num_rows),
    }
    if RATING in raw.column_names:
        columns[RATING] = raw[RATING].cast(pa.float64())
    return pa.table(columns), unit


def id_column(values: pa.ChunkedArray) -> pa.DictionaryArray:
    """Ids, integers or strings, as dictionary-encoded strings in one chunk."""
    if not pa.types.is_dictionary(values.type):
        values = values.dictionary_encode()
    whole = pa.concat_arrays(values.chunks) if values.num_chunks else pa.array([], values.type)
    names = whole.dictionary.cast(pa.string())
    if pc.count_distinct(names, mode="all").as_py() != len(names):
        return whole.cast(whole.type.value_type).cast(pa.string()).dictionary_encode()
    return pa.DictionaryArray.from_arrays(whole.indices.cast(pa.int32()), names)


def distinct_ids(events: pa.Table, column: str) -> pa.Array:
    """The ids that occur in a column, null left out."""
    ids = events[column].combine_chunks()
    return ids.dictionary.take(pc.unique(ids.indices.drop_null()))


def in_order(events: pa.Table) -> pa.Table:
    """The events by (timestamp, event_order); a table that is in order already is not copied."""
    if _is_ascending(events["timestamp"]) and _is_ascending(events[ORDER]):
        return events
    keys = [("timestamp", "ascending"), (ORDER, "ascending")]
    if _is_ascending(events[ORDER]):
        keys = keys[:1]  # the sort is stable, and one key sorts several times faster than two
    return events.take(pc.sort_indices(events, sort_keys=keys))


def drop_exact_duplicates(events: pa.Table) -> tuple[pa.Table, int]:
    """The events without repetitions of an earlier row (same user, item, time and rating), and how many there were."""
    kept = first_of_each(events, rating_counts=True)
    return (events, 0) if kept is None else (events.take(kept), events.num_rows - len(kept))


def drop_key_duplicates(events: pa.Table) -> tuple[pa.Table, int]:
    """The events without the repetitions of an event key: what a log that delivers at least once holds twice."""
    kept = first_of_each(events, order_counts=True)
    return (events, 0) if kept is None else (events.take(kept), events.num_rows - len(kept))


def first_of_each(events: pa.Table, *, rating_counts: bool = False, order_counts: bool = False) -> pa.Array | None:
    """The places, ascending, of the first row of each group of equal rows; None where no two rows are equal."""
    items = events["item_id"].combine_chunks()
    users = events["user_id"].combine_chunks()
    # One integer for user and item: grouping by integers is several times faster than by strings. Null counts as a
    # value of its own.
    pair = pc.add(
        pc.multiply(pc.fill_null(users.indices.cast(pa.int64()), -1), len(items.dictionary) + 1),
        pc.fill_null(items.indices.cast(pa.int64()), len(items.dictionary)),
    )
    keyed = pa.table({"pair": pair, "time": events["timestamp"], "place": pa.arange(0, events.num_rows)})
    keys = ["pair", "time"]
    if keyed.group_by(keys).aggregate([]).num_rows == events.num_rows:
        return None
    if rating_counts and RATING in events.column_names:
        keyed, keys = keyed.append_column(RATING, events[RATING]), [*keys, RATING]
    if order_counts:
        keyed, keys = keyed.append_column(ORDER, events[ORDER]), [*keys, ORDER]
    first = keyed.group_by(keys).aggregate([("place", "min")])["place_min"]
    if len(first) == events.num_rows:
        return None
    return first.take(pc.sort_indices(first)).combine_chunks()


def fingerprint(events: pa.Table) -> str:
    """SHA-256 (hex) of the events in their order: independent of files, chunks and encodings."""
    streams = [hashlib.sha256() for _ in range(6)]
    for start in range(0, events.num_rows, _HASHED_ROWS):
        part = events.slice(start, _HASHED_ROWS)
        for column, place in (("user_id", 0), ("item_id", 2)):
            text = part[column].combine_chunks().cast(pa.string())
            lengths = pc.binary_length(text)
            streams[place].update(_values(pc.fill_null(lengths, -1)))
            streams[place + 1].update(text.buffers()[2].slice(0, pc.sum(lengths).as_py() or 0))
        streams[4].update(_values(pc.fill_null(part["timestamp"].combine_chunks(), -(2**63))))
        if RATING in events.column_names:
            streams[5].update(_values(pc.fill_null(part[RATING].combine_chunks(), float("nan"))))
    return hashlib.sha256(b"".join(stream.digest() for stream in streams)).hexdigest()


def with_timestamps(events: pa.Table) -> pa.Table:
    """The table as it is stored: timestamps typed as such, ids as plain strings to whoever reads the file."""
    place = events.column_names.index("timestamp")
    return events.set_column(place, "timestamp", events["timestamp"].cast(MICROSECOND))


def write_parquet(table: pa.Table, path: Path) -> None:
    """A parquet file that says nothing of Arrow's encodings: readers see strings and UTC timestamps."""
    pq.write_table(table, path, compression="zstd", store_schema=False)


def _values(array: pa.Array) -> pa.Buffer:
    """The bytes of a fixed-width array without nulls."""
    width = array.type.bit_width // 8
    return array.buffers()[1].slice(array.offset * width, len(array) * width)


def _is_ascending(column: pa.ChunkedArray) -> bool:
    values = column.combine_chunks()
    if len(values) < 2:
        return True
    return bool(pc.all(pc.less_equal(values.slice(0, len(values) - 1), values.slice(1))).as_py())
