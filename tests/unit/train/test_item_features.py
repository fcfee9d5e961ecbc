"""Which columns of items.parquet are features, and how they are read."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from train.data import read_folder
from train.item_features import features, read_items
from train.problems import Refused
from train.storage import LocalFolder

CATALOG = pa.array([f"i{number:02}" for number in range(16)])


def items(**columns: pa.Array) -> pa.Table:
    return pa.table({"item_id": CATALOG, **columns})


def test_values_are_in_the_catalogs_order_and_what_has_none_has_a_value_of_its_own() -> None:
    table = items(kind=pa.array(["b", "a", None, "b"] * 4)).take(pa.array(range(14, -1, -1)))  # one item has no row

    (kind,) = features(table, CATALOG)

    assert (kind.name, kind.size) == ("kind", 3)
    assert kind.values_V.tolist() == [1, 0, 2, 1] * 3 + [1, 0, 2, 2]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1, 2] * 8),
        pa.array(["x", "y"] * 8).dictionary_encode(),
        pa.array([False, True] * 8),
        pa.array([["x"], ["x", "y"]] * 8),
        pa.array([[1], [1, 2]] * 8, pa.list_(pa.int32())),
        pa.array(["x", "y"] * 8, pa.large_string()),
    ],
)
def test_words_numbers_and_lists_are_categories(column: pa.Array) -> None:
    (found,) = features(items(column=column), CATALOG)
    assert found.size == 3
    assert found.values_V.tolist() == [0, 1] * 8


@pytest.mark.parametrize(
    "column",
    [
        pa.array([f"title {number}" for number in range(16)]),
        pa.array([float(number % 2) for number in range(16)]),
        pa.array(["same"] * 16),
        pa.nulls(16, pa.string()),
        pa.array([{"a": 1}] * 16),
    ],
)
def test_titles_measures_and_what_tells_nothing_are_none(column: pa.Array) -> None:
    assert features(items(column=column), CATALOG) == ()


def test_without_a_file_there_are_none_and_the_data_is_read_with_them_where_there_is_one(tmp_path: Path) -> None:
    folder = LocalFolder(str(tmp_path))
    events = {"user_id": ["u"] * 16, "item_id": CATALOG, "timestamp": range(16)}
    pq.write_table(
        pa.table({name: pa.array(column) for name, column in events.items()}), tmp_path / "interactions.parquet"
    )
    assert read_folder(folder).features == ()

    pq.write_table(items(kind=pa.array(["a", "b"] * 8)), tmp_path / "items.parquet")
    assert [feature.name for feature in read_folder(folder).features] == ["kind"]


def test_a_file_that_cannot_be_read_or_names_no_items_is_refused(tmp_path: Path) -> None:
    folder = LocalFolder(str(tmp_path))
    (tmp_path / "items.parquet").write_bytes(b"no parquet")
    with pytest.raises(Refused, match=r"items\.parquet.*10 bytes.*is not a readable parquet file"):
        read_items(folder)
    pq.write_table(pa.table({"id": CATALOG}), tmp_path / "items.parquet")
    with pytest.raises(Refused, match="must have one column 'item_id'"):
        read_items(folder)
