"""The canonical form of events: times, order, duplicates, fingerprint."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import events as ev
from pipeline.event_times import TimeUnit, detect_unit, to_microseconds
from tests.unit.pipeline.example import interactions, write

SECOND = 1_500_000_000

unhurried = settings(deadline=None)  # a busy machine is no failure
rows = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 6), st.sampled_from([1.0, 2.0, None])), max_size=40
)


def table(entries: list[tuple[int, int, int, float | None]]) -> pa.Table:
    users, items, times, ratings = zip(*entries, strict=True) if entries else ((), (), (), ())
    raw = pa.table(
        {
            "user_id": pa.array(users, pa.int64()),
            "item_id": pa.array(items, pa.int32()),
            "timestamp": pa.array([SECOND + time for time in times], pa.int64()),
            "rating": pa.array(ratings, pa.float32()),
        }
    )
    return ev.canonicalise(raw)[0]


@pytest.mark.parametrize(
    ("values", "unit"),
    [
        ([SECOND, SECOND + 1], TimeUnit.SECONDS),
        ([SECOND * 10**3], TimeUnit.MILLISECONDS),
        ([SECOND * 10**6], TimeUnit.MICROSECONDS),
        ([SECOND * 10**9], TimeUnit.NANOSECONDS),
        ([0, 1, 2, 735], TimeUnit.ORDINALS),
    ],
)
def test_the_unit_of_times_follows_from_their_size(values: list[int], unit: TimeUnit) -> None:
    assert detect_unit(pa.chunked_array([values])) is unit


@pytest.mark.parametrize("kind", [pa.int64(), pa.uint64(), pa.float64()])
@pytest.mark.parametrize("power", [0, 3, 6, 9])
def test_every_unit_and_type_becomes_the_same_microseconds(kind: pa.DataType, power: int) -> None:
    values = pa.chunked_array([pa.array([SECOND * 10**power, (SECOND + 60) * 10**power]).cast(kind, safe=False)])
    found = to_microseconds(values, detect_unit(values)).to_pylist()
    assert found == pytest.approx([SECOND * 10**6, (SECOND + 60) * 10**6], abs=1)


@pytest.mark.parametrize("kind", [pa.timestamp("s"), pa.timestamp("ms", "Europe/Paris"), pa.timestamp("ns", "UTC")])
def test_typed_timestamps_keep_their_instant(kind: pa.TimestampType) -> None:
    values = pa.chunked_array([pa.array([SECOND], pa.timestamp("s")).cast(pa.timestamp(kind.unit)).cast(kind)])
    assert to_microseconds(values, TimeUnit.TIMESTAMPS).to_pylist() == [SECOND * 10**6]


def test_one_wrong_unit_does_not_move_the_others_nor_overflow() -> None:
    values = pa.chunked_array([[SECOND, SECOND, 2**62, -(2**62)]])
    found = to_microseconds(values, detect_unit(values)).to_pylist()
    assert found[:2] == [SECOND * 10**6] * 2
    assert found[2] == -found[3] == 253_402_300_799 * 10**6


@unhurried
@given(rows)
def test_order_is_by_time_then_by_place_in_the_file(entries: list[tuple[int, int, int, float | None]]) -> None:
    ordered = ev.in_order(table(entries))
    keys = list(zip(ordered["timestamp"].to_pylist(), ordered[ev.ORDER].to_pylist(), strict=True))
    assert keys == sorted(keys)
    assert sorted(ordered[ev.ORDER].to_pylist()) == list(range(len(entries)))


@unhurried
@given(rows)
def test_exact_duplicates_are_dropped_but_for_the_first(entries: list[tuple[int, int, int, float | None]]) -> None:
    kept, dropped = ev.drop_exact_duplicates(table(entries))
    first = {entry: place for place, entry in reversed(list(enumerate(entries)))}
    assert kept[ev.ORDER].to_pylist() == sorted(first.values())
    assert dropped == len(entries) - len(first)


@unhurried
@given(rows)
def test_a_log_that_delivers_twice_counts_once(entries: list[tuple[int, int, int, float | None]]) -> None:
    once = table(entries)
    kept, repeated = ev.drop_key_duplicates(pa.concat_tables([once, once]).unify_dictionaries().combine_chunks())
    assert repeated == len(entries)
    assert kept.num_rows == len(entries)


@unhurried
@given(rows, st.integers(1, 5))
def test_the_fingerprint_does_not_see_chunks_encodings_or_numbering(
    entries: list[tuple[int, int, int, float | None]], chunk: int
) -> None:
    whole = table(entries)
    parts = [whole.slice(start, chunk) for start in range(0, whole.num_rows, chunk)] or [whole]
    renumbered = pa.concat_tables(parts).set_column(
        whole.column_names.index(ev.ORDER), ev.ORDER, pa.arange(5, 5 + whole.num_rows)
    )
    assert ev.fingerprint(whole) == ev.fingerprint(renumbered)


@unhurried
@given(rows.filter(lambda entries: len(entries) > 0), st.data())
def test_any_other_event_or_order_has_another_fingerprint(
    entries: list[tuple[int, int, int, float | None]], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(entries) - 1))
    user, *rest = entries[place]
    changed = [*entries[:place], (user + 5, *rest), *entries[place + 1 :]]
    assert ev.fingerprint(table(entries)) != ev.fingerprint(table(changed))


def test_ids_that_only_differ_in_where_they_are_cut_have_other_fingerprints() -> None:
    def of(users: list[str], items: list[str]) -> str:
        raw = pa.table({"user_id": users, "item_id": items, "timestamp": [SECOND] * 2})
        return ev.fingerprint(ev.canonicalise(raw)[0])

    assert of(["ab", "c"], ["x", "y"]) != of(["a", "bc"], ["x", "y"])


@pytest.mark.parametrize("kind", [pa.int8(), pa.int64(), pa.uint64(), pa.string(), pa.large_string()])
def test_integer_and_string_ids_are_the_same_events(kind: pa.DataType, tmp_path: Path) -> None:
    columns = interactions(300)
    as_kind = {name: pa.array(columns[name]).cast(kind) for name in ("user_id", "item_id")}
    events, _ = ev.canonicalise(ev.read_columns(write(tmp_path / "a.parquet", columns | as_kind)))
    plain, _ = ev.canonicalise(ev.read_columns(write(tmp_path / "b.parquet", columns)))
    assert ev.fingerprint(events) == ev.fingerprint(plain)
    assert events["user_id"].type.value_type == pa.string()


def test_a_dictionary_that_names_an_id_twice_is_one_id() -> None:
    ids = pa.DictionaryArray.from_arrays(pa.array([0, 1, None], pa.int32()), pa.array(["a", "a"]))
    assert ev.id_column(pa.chunked_array([ids])).to_pylist() == ["a", "a", None]
    assert len(ev.id_column(pa.chunked_array([ids])).dictionary) == 1


def test_stored_files_show_plain_strings_and_utc_times(tmp_path: Path) -> None:
    path = tmp_path / "stored.parquet"
    ev.write_parquet(ev.with_timestamps(table([(1, 2, 3, 4.0)])), path)
    kinds = dict(zip(pq.read_schema(path).names, pq.read_schema(path).types, strict=True))
    assert kinds["user_id"] == kinds["item_id"] == pa.string()
    assert kinds["timestamp"] == pa.timestamp("us", tz="UTC")


def test_a_stored_table_reads_back_as_itself(tmp_path: Path) -> None:
    events = ev.in_order(table([(1, 2, 3, 4.0), (1, 2, 3, None), (0, 1, 0, 2.0)]))
    path = tmp_path / "stored.parquet"
    ev.write_parquet(ev.with_timestamps(events), path)
    again, unit = ev.canonicalise(ev.read_columns(path, with_order=True))
    assert ev.fingerprint(again) == ev.fingerprint(events)
    assert again[ev.ORDER].to_pylist() == events[ev.ORDER].to_pylist()
    assert unit is TimeUnit.TIMESTAMPS


@pytest.mark.parametrize("order", [[7] * 300, [None] * 300, ["first"] * 300], ids=["constant", "null", "text"])
def test_a_users_own_column_event_order_is_no_order_of_ours(order: list[Any], tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", interactions(300, event_order=order))
    events, _ = ev.canonicalise(ev.read_columns(path))
    assert events[ev.ORDER].to_pylist() == list(range(300))
