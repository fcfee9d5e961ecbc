"""Interactions that are read as a stream: whatever the shards, row groups and pieces, the same sequences."""

from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from train import event_columns
from train.data import Sequences, read_folder, sequences
from train.problems import Refused
from train.storage import open_folder

EVENTS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 9), st.integers(0, 5)), min_size=1, max_size=60)


def plain(events: list[tuple[int, int, int]]) -> list[tuple[str, list[tuple[str, int]]]]:
    """Each user's items and times, by sorting rows: what any reading must give. Row order breaks ties."""
    users = sorted({str(user) for user, _, _ in events})
    ordered = sorted(events, key=lambda event: event[2])
    return [(user, [(str(item), time) for other, item, time in ordered if str(other) == user]) for user in users]


def found(read: Sequences) -> list[tuple[str, list[tuple[str, int]]]]:
    catalog = read.catalog.to_pylist()
    histories = []
    for index, user in enumerate(read.users.to_pylist()):
        part = slice(read.offsets_U1[index], read.offsets_U1[index + 1])
        items = [catalog[item] for item in read.items_N[part]]
        histories.append((user, list(zip(items, read.times_N[part].tolist(), strict=True))))
    return histories


def write(folder: Path, table: pa.Table, *, cuts: list[int], row_group: int) -> None:
    bounds = [0, *sorted(cut % (table.num_rows + 1) for cut in cuts), table.num_rows]
    for shard, (first, last) in enumerate(pairwise(bounds)):
        part = table.slice(first, last - first)
        pq.write_table(part, folder / f"interactions-{shard:012d}.parquet", row_group_size=row_group)


@given(
    events=EVENTS,
    cuts=st.lists(st.integers(0, 60), max_size=4),
    row_group=st.integers(1, 9),
    at_once=st.integers(1, 20),
    memory_map=st.booleans(),
    texts=st.booleans(),
)
@settings(max_examples=120, deadline=None)
def test_shards_row_groups_and_mapped_pieces_give_what_one_sort_gives(
    events: list[tuple[int, int, int]], cuts: list[int], row_group: int, at_once: int, *, memory_map: bool, texts: bool
) -> None:
    users, items, times = (list(column) for column in zip(*events, strict=True))
    if texts:
        users, items = [str(user) for user in users], [str(item) for item in items]
    table = pa.table({"user_id": users, "item_id": items, "timestamp": times})
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as folder:
        patch.setattr(event_columns, "_AT_ONCE", at_once)
        patch.setattr(event_columns, "_LEAST_MERGED", at_once)
        write(Path(folder), table, cuts=cuts, row_group=row_group)
        assert found(read_folder(open_folder(folder), memory_map=memory_map)) == plain(events)


def test_the_order_of_users_holds_beyond_sixteen_bits() -> None:
    users = np.random.default_rng(0).permutation(np.repeat(np.arange(70_000), 2))
    table = pa.table({"user_id": users, "item_id": np.arange(len(users)), "timestamp": np.arange(len(users))})
    read = sequences(table, fingerprint="", subject="test")
    names = read.users.to_numpy(zero_copy_only=False).astype(np.int64)
    rows = read.catalog.to_numpy(zero_copy_only=False).astype(np.int64)[read.items_N]
    assert np.array_equal(users[rows], np.repeat(names, 2))
    assert (np.diff(rows.reshape(-1, 2)) > 0).all()


def test_columns_in_mapped_files_leave_no_file(tmp_path: Path) -> None:
    column_N = event_columns.column_of(10, np.int32, tmp_path)
    column_N[:] = np.arange(10)
    assert isinstance(column_N, np.memmap)
    assert column_N.sum() == 45
    assert not list(tmp_path.iterdir())


def test_a_folder_of_shards_is_read_as_the_file_is_and_the_file_comes_first(shop_folder: Path, tmp_path: Path) -> None:
    table = pq.read_table(shop_folder / "interactions.parquet")
    (tmp_path / "interactions").mkdir()
    for shard in range(2):
        part = table.slice(shard * 4_000, 4_000)
        pq.write_table(part, tmp_path / "interactions" / f"{shard:012d}.parquet")
    whole = sequences(table, fingerprint="", subject="test")
    assert found(read_folder(open_folder(str(tmp_path)))) == found(whole)
    pq.write_table(table.slice(0, 100), tmp_path / "interactions.parquet")
    assert len(read_folder(open_folder(str(tmp_path))).items_N) == 100


def test_the_fingerprint_is_of_all_shards(tmp_path: Path) -> None:
    table = pa.table({"user_id": [1, 1, 2], "item_id": [1, 2, 3], "timestamp": [1, 2, 3]})
    write(tmp_path, table, cuts=[2], row_group=9)
    one = read_folder(open_folder(str(tmp_path))).fingerprint
    pq.write_table(table.slice(0, 1), tmp_path / "interactions-000000000001.parquet")
    assert read_folder(open_folder(str(tmp_path))).fingerprint != one


def test_shards_whose_times_differ_in_type_are_refused(tmp_path: Path) -> None:
    for shard, kind in enumerate((pa.int64(), pa.timestamp("us"))):
        table = pa.table({"user_id": [1], "item_id": [1], "timestamp": pa.array([5], kind)})
        pq.write_table(table, tmp_path / f"interactions-{shard}.parquet")
    with pytest.raises(Refused, match=r"timestamp\[us\].*must be of one type in all shards: int64"):
        read_folder(open_folder(str(tmp_path)))


def test_a_missing_column_and_a_broken_file_name_their_shard(tmp_path: Path) -> None:
    table = pa.table({"user_id": [1], "item_id": [1], "timestamp": [1]})
    pq.write_table(table, tmp_path / "interactions-0.parquet")
    pq.write_table(table.drop_columns("item_id"), tmp_path / "interactions-1.parquet")
    with pytest.raises(Refused, match=r"interactions-1.parquet.*'item_id' is missing"):
        read_folder(open_folder(str(tmp_path)))
    (tmp_path / "interactions-1.parquet").write_bytes(b"PAR1 cut short")
    with pytest.raises(Refused, match=r"interactions-1.parquet = '14 bytes'"):
        read_folder(open_folder(str(tmp_path)))


def test_values_of_a_category_column_that_no_event_has_are_no_items() -> None:
    items = pa.DictionaryArray.from_arrays(pa.array([2, 0], pa.int32()), pa.array(["a", "unsold", "c"]))
    read = sequences(pa.table({"user_id": [1, 1], "item_id": items, "timestamp": [1, 2]}), fingerprint="", subject="t")
    assert read.catalog.to_pylist() == ["a", "c"]
    assert read.items_N.tolist() == [1, 0]


def test_an_empty_shard_and_other_widths_and_zones_of_time_are_read(tmp_path: Path) -> None:
    """As exports write them: no rows and no types, or the same moments in another zone."""
    empty = pa.table({name: pa.nulls(0) for name in ("user_id", "item_id", "timestamp")})
    utc, berlin = (pa.array([1, 2], pa.timestamp("us", zone)) for zone in ("UTC", "Europe/Berlin"))
    for number, times in enumerate((utc, None, berlin)):
        table = empty if times is None else pa.table({"user_id": ["u", "v"], "item_id": ["a", "b"], "timestamp": times})
        pq.write_table(table, tmp_path / f"interactions-{number}.parquet")
    read = read_folder(open_folder(str(tmp_path)))
    assert read.times_N.tolist() == [1, 1, 2, 2]


def test_numbers_of_any_width_are_one_kind_of_time(tmp_path: Path) -> None:
    for number, (kind, time) in enumerate(((pa.int32(), 7), (pa.int64(), 1 << 40))):
        table = pa.table({"user_id": [1], "item_id": [number], "timestamp": pa.array([time], kind)})
        pq.write_table(table, tmp_path / f"interactions-{number}.parquet")
    assert read_folder(open_folder(str(tmp_path))).times_N.tolist() == [7, 1 << 40]


def test_a_disk_without_room_for_mapped_columns_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", no_room)
    table = pa.table({"user_id": [1], "item_id": [1], "timestamp": [1]})
    pq.write_table(table, tmp_path / "interactions.parquet")
    with pytest.raises(Refused, match=r"TMPDIR.*has no room for a column of 0.00 GB \(No space left on device\)"):
        read_folder(open_folder(str(tmp_path)), memory_map=True)
