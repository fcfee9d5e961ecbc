"""The event log as sequences: order, vocabularies, split, refusals."""

import shutil
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from train.data import read_folder, sequences
from train.problems import Refused
from train.storage import open_folder

from tests.unit.train.examples import random_sequences, sequences_of

EVENTS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 9), st.integers(0, 5)), min_size=1, max_size=60)


@given(EVENTS)
@settings(max_examples=60, deadline=None)
def test_histories_are_ordered_by_time_and_ties_keep_the_files_order(events: list[tuple[int, int, int]]) -> None:
    users, items, times = zip(*events, strict=True)
    found = sequences(
        pa.table({"user_id": users, "item_id": items, "timestamp": times}), fingerprint="", subject="test"
    )
    expected = defaultdict(list)
    for user, item, _ in sorted(events, key=lambda event: event[2]):  # sorted() is stable
        expected[str(user)].append(str(item))
    catalog = found.catalog.to_pylist()
    for index, user in enumerate(found.users.to_pylist()):
        history = found.items_N[found.offsets_U1[index] : found.offsets_U1[index + 1]]
        assert [catalog[item] for item in history] == expected[user]


@pytest.mark.parametrize(
    "times",
    [
        pa.array([3, 1, 2], pa.int32()),
        pa.array([3.5, 1.5, 2.5]),
        pa.array([datetime(2024, 1, day, tzinfo=UTC) for day in (3, 1, 2)], pa.timestamp("ms", tz="UTC")),
        pa.array([datetime(2024, 1, day, tzinfo=UTC) for day in (3, 1, 2)], pa.timestamp("ns", tz="UTC")),
    ],
)
def test_times_may_be_integers_floats_or_timestamps(times: pa.Array) -> None:
    found = sequences(
        pa.table({"user_id": [7, 7, 7], "item_id": ["c", "a", "b"], "timestamp": times}), fingerprint="", subject="test"
    )
    assert [found.catalog[int(item)].as_py() for item in found.items_N] == ["a", "b", "c"]


def test_integer_ids_and_their_strings_are_the_same_vocabulary() -> None:
    columns = {"user_id": [1, 1], "timestamp": [0, 1]}
    numbers = sequences(pa.table({**columns, "item_id": [10, 9]}), fingerprint="", subject="test")
    texts = sequences(pa.table({**columns, "item_id": ["10", "9"]}), fingerprint="", subject="test")
    assert numbers.catalog.equals(texts.catalog)
    assert np.array_equal(numbers.items_N, texts.items_N)


def test_the_last_two_events_are_held_out_of_users_with_three() -> None:
    found = sequences_of([["a", "b", "c", "d"], ["a", "b"], ["c", "c", "a"]])
    assert found.evaluated.tolist() == [0, 2]
    assert found.train_lengths_U.tolist() == [2, 2, 1]
    assert found.is_train_N.tolist() == [True, True, False, False, True, True, True, False, False]
    assert found.train_counts_V.tolist() == [2, 2, 1, 0]


@pytest.mark.parametrize(
    ("columns", "key", "rows"),
    [
        ({"user_id": ["a", None], "item_id": ["x", "y"], "timestamp": [1, 2]}, "user_id", 1),
        ({"user_id": ["a", "b"], "item_id": [None, None], "timestamp": [1, 2]}, "item_id", 2),
        ({"user_id": ["a", "b"], "item_id": ["x", "y"], "timestamp": [1.0, float("nan")]}, "timestamp", 1),
        ({"user_id": [1.5, 2.5], "item_id": ["x", "y"], "timestamp": [1, 2]}, "user_id", None),
        ({"user_id": ["a", "b"], "item_id": ["x", "y"], "timestamp": ["1", "2"]}, "timestamp", None),
    ],
)
def test_bad_columns_are_refused_with_the_number_of_rows(columns: dict[str, list], key: str, rows: int | None) -> None:
    with pytest.raises(Refused) as raised:
        sequences(pa.table(columns), fingerprint="", subject="test")
    assert (key, rows) in [(problem.key, problem.rows) for problem in raised.value.problems]


def test_a_missing_column_an_empty_table_and_a_broken_file_are_refused(tmp_path: Path) -> None:
    folder = open_folder(str(tmp_path))
    with pytest.raises(Refused, match="no such file"):
        read_folder(folder)
    pq.write_table(pa.table({"user_id": ["a"], "timestamp": [1]}), tmp_path / "interactions.parquet")
    with pytest.raises(Refused, match="'item_id' is missing"):
        read_folder(folder)
    names = [*("user_id", "item_id", "timestamp"), "user_id"]
    doubled = pa.Table.from_arrays([pa.array([1])] * len(names), names=names)
    pq.write_table(doubled, tmp_path / "interactions.parquet")
    with pytest.raises(Refused, match="'user_id' is there 2 times"):
        read_folder(folder)
    empty = {"user_id": pa.array([], pa.string()), "item_id": pa.array([], pa.string()), "timestamp": pa.array([1])[:0]}
    pq.write_table(pa.table(empty), tmp_path / "interactions.parquet")
    with pytest.raises(Refused, match="holds no events"):
        read_folder(folder)
    (tmp_path / "interactions.parquet").write_bytes(b"PAR1 cut short")
    with pytest.raises(Refused, match="14 bytes"):
        read_folder(folder)


def test_the_snapshots_fingerprint_is_copied_and_else_the_files_is_taken(shop_folder: Path, tmp_path: Path) -> None:
    content = (shop_folder / "interactions.parquet").read_bytes()
    (tmp_path / "interactions.parquet").write_bytes(content)
    own = read_folder(open_folder(str(tmp_path))).fingerprint
    assert len(own) == 64
    (tmp_path / "snapshot.json").write_text('{"fingerprint": "f00d"}')
    assert read_folder(open_folder(str(tmp_path))).fingerprint == "f00d"


@pytest.mark.parametrize("content", ["{}", "[]", "{", '{"fingerprint": 1}'])
def test_a_snapshot_without_a_fingerprint_is_refused(shop_folder: Path, tmp_path: Path, content: str) -> None:
    folder = shutil.copytree(shop_folder, tmp_path / "shop")
    (folder / "snapshot.json").write_text(content)
    with pytest.raises(Refused, match="names no fingerprint") as refused:
        read_folder(open_folder(str(folder)))
    assert refused.value.problems[0].value == content


def test_a_user_index_covers_all_events() -> None:
    found = random_sequences()
    assert found.offsets_U1[-1] == len(found.items_N) == found.lengths_U.sum()
