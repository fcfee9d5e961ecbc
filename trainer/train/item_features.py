"""What items.parquet says of items: categories by which rare and new items can be told from one another.

Owns: reading that file, and which of its columns are categories. Does not own: what is learned from them
(transitions.py). A column is one where at most a quarter as many values as items occur and no more than a few hundred,
so that a value says something of the next item that has it; titles, prices and other measures are left alone. Of a list
the whole is the value. Items without a row, or without a value, share a value of their own.
"""

# pyright: reportAttributeAccessIssue=false

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc  # its functions are made at run time
import pyarrow.parquet as pq

from train.problems import Problem, Refused
from train.storage import Folder

ITEMS_FILE = "items.parquet"
ID_COLUMN = "item_id"
_MOST_VALUES = 1_000
_LEAST_ITEMS_A_VALUE = 4


class Feature(NamedTuple):
    """A category: item v has the value values_V[v] of `size`; the last one stands for none."""

    name: str
    values_V: np.ndarray
    size: int


def read_items(folder: Folder) -> pa.Table | None:
    """A folder's items.parquet; None where there is no such file. Refuses one that cannot be read or names no items."""
    content = folder.read(ITEMS_FILE)
    if content is None:
        return None
    subject = f"{folder.uri}/{ITEMS_FILE}"
    try:
        table = pq.read_table(pa.BufferReader(content))
    except pa.ArrowException as error:
        rule = f"is not a readable parquet file ({str(error).splitlines()[0]})"
        fix = "Write the file again, or remove it"
        raise Refused("data", [Problem(subject, f"{len(content)} bytes", rule, fix)]) from error
    if table.column_names.count(ID_COLUMN) != 1:
        rule = f"must have one column {ID_COLUMN!r}"
        raise Refused("data", [Problem(subject, table.column_names, rule, "Name the column of item ids so")])
    return table


def features(table: pa.Table, catalog: pa.StringArray) -> tuple[Feature, ...]:
    """The categories among a table's columns, in their order. Of an item's rows the first counts."""
    row_V = pc.index_in(catalog, value_set=table[ID_COLUMN].combine_chunks().cast(pa.string()))
    found = [_feature(name, table[name], row_V) for name in table.column_names if name != ID_COLUMN]
    return tuple(feature for feature in found if feature is not None)


def _feature(name: str, column: pa.ChunkedArray, row_V: pa.Array) -> Feature | None:
    words = _words(column)
    if words is None:
        return None
    encoded = words.take(row_V).dictionary_encode()
    size = len(encoded.dictionary)
    if not 2 <= size <= min(_MOST_VALUES, len(row_V) // _LEAST_ITEMS_A_VALUE):
        return None
    order = pc.array_sort_indices(encoded.dictionary).to_numpy()
    place = np.empty(size, dtype=np.int64)
    place[order] = np.arange(size)
    index_V = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return Feature(name, np.where(index_V < 0, size, place[index_V]), size + 1)


def _words(column: pa.ChunkedArray) -> pa.Array | None:
    """A column's values as strings; None of kinds that are no categories."""
    whole = column.combine_chunks()
    whole = whole.combine_chunks() if isinstance(whole, pa.ChunkedArray) else whole
    kind = whole.type
    if pa.types.is_dictionary(kind):
        return _words(pa.chunked_array([whole.cast(kind.value_type)]))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        inner = whole.cast(pa.list_(pa.string())) if _is_word(kind.value_type) else None
        return None if inner is None else pc.binary_join(inner, "\x1f")
    return whole.cast(pa.string()) if _is_word(kind) else None


def _is_word(kind: pa.DataType) -> bool:
    return (
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_boolean(kind)
    )
