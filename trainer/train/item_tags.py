"""What items have in common, as tags: the network learns a row for each beside the item's own.

An item's own row is learned from its own events alone. A tag's row is learned from those of all items that have it, so
that a rare item starts with what its likes have learned, and an item without events is more than a guess.

Owns: which tags a table of items holds. Does not own: reading the file (item_features.py) or the rows (model.py).
  words and whole numbers   a value is a tag
  lists                     each of their values
  text, where more than half of the values differ        each word
  measures, and whole numbers more than half of which differ   the place among equal shares of the items
A tag that a single item has says nothing of others, and one that most items have says nothing at all: both are left
out, and of very many tags the rarest.

Shapes: V items, K tags of an item, N pairs of an item and a tag.
"""

# pyright: reportAttributeAccessIssue=false

import hashlib
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc  # its functions are made at run time

_FEWEST_ITEMS = 2
_LARGEST_SHARE = 0.5
_MOST_TAGS = 50_000
_MOST_OF_AN_ITEM = 24
_BUCKETS = 16
_FREE_TEXT = 0.5  # distinct values a value, above which a column names its items one by one


class Tags:
    """Item v has the tags tags_VK[v], each below `size`; `size` itself fills up."""

    def __init__(self, tags_VK: np.ndarray, size: int) -> None:
        self.tags_VK, self.size = tags_VK, size

    @cached_property
    def fingerprint(self) -> str:
        return hashlib.sha256(np.ascontiguousarray(self.tags_VK, dtype=np.int64).tobytes()).hexdigest()


def tags_of(table: pa.Table, catalog: pa.StringArray, *, id_column: str) -> Tags | None:
    """The tags of a catalog's items; of an item's rows the first counts. None where no column has any."""
    row_V = pc.index_in(catalog, value_set=table[id_column].combine_chunks().cast(pa.string()))
    pairs, known = [], 0
    for name in table.column_names:
        found = None if name == id_column else _pairs(table[name].combine_chunks().take(row_V))
        if found is not None and len(found[0]):
            item_N, tag_N = found
            pairs.append((item_N, tag_N + known))
            known += int(tag_N.max()) + 1
    if not pairs:
        return None
    item_N, tag_N = (np.concatenate(column) for column in zip(*pairs, strict=True))
    return _shared(item_N.astype(np.int64), tag_N.astype(np.int64), known, len(catalog))


def _pairs(values: pa.Array) -> tuple[np.ndarray, np.ndarray] | None:
    """Items and their tags in a column in the catalog's order; None of kinds that hold no tags."""
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    kind = values.type
    if _is_measure(kind, values):
        return _bucketed(values.cast(pa.float64()))
    if _is_text(kind) and _names_items(values):
        values = pc.split_pattern_regex(pc.utf8_lower(values.cast(pa.string())), r"[^\pL\pN]+")
    if pa.types.is_list(values.type) or pa.types.is_large_list(values.type):
        flat, parents = pc.list_flatten(values), pc.list_parent_indices(values)
    else:
        flat, parents = values, pa.array(np.arange(len(values)))
    return _encoded(parents, flat) if _is_tag(flat.type) else None


def _is_tag(kind: pa.DataType) -> bool:
    return _is_text(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _is_measure(kind: pa.DataType, values: pa.Array) -> bool:
    return pa.types.is_floating(kind) or (pa.types.is_integer(kind) and _names_items(values))


def _names_items(values: pa.Array) -> bool:
    return pc.count_distinct(values).as_py() > _FREE_TEXT * max(1, len(values) - values.null_count)


def _encoded(parents: pa.Array, values: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the distinct values, in the values' own order and not in that of the items."""
    kept = pc.is_valid(values)
    words = values.filter(kept).cast(pa.string())
    is_word = pc.not_equal(words, "")
    words, parents = words.filter(is_word), parents.filter(kept).filter(is_word)
    distinct = pc.unique(words).sort()
    return parents.to_numpy(zero_copy_only=False), pc.index_in(words, value_set=distinct).to_numpy()


def _bucketed(values: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    value_V = values.to_numpy(zero_copy_only=False)
    item_N = np.flatnonzero(np.isfinite(value_V))
    if not len(item_N):
        return item_N, item_N
    edges = np.unique(np.quantile(value_V[item_N], np.linspace(0, 1, _BUCKETS + 1)[1:-1]))
    return item_N, np.searchsorted(edges, value_V[item_N], side="right")


def _shared(item_N: np.ndarray, tag_N: np.ndarray, known: int, items: int) -> Tags | None:
    """What is left of the tags, in a table that is as wide as its fullest row."""
    item_N, tag_N = np.unique(np.stack([item_N, tag_N]), axis=1)
    count_G = np.bincount(tag_N, minlength=known)
    kept_G = (count_G >= _FEWEST_ITEMS) & (count_G <= _LARGEST_SHARE * items)
    if kept_G.sum() > _MOST_TAGS:
        kept_G[np.argsort(-count_G * kept_G, kind="stable")[_MOST_TAGS:]] = False
    item_N, tag_N = item_N[kept_G[tag_N]], tag_N[kept_G[tag_N]]
    if not len(item_N):
        return None
    order_N = np.lexsort((tag_N, count_G[tag_N], item_N))  # of an item with very many tags the rarest stay
    item_N, tag_N = item_N[order_N], (np.cumsum(kept_G) - 1)[tag_N[order_N]]
    place_N = np.arange(len(item_N)) - np.searchsorted(item_N, item_N)
    some_N = place_N < _MOST_OF_AN_ITEM
    size = int(kept_G.sum())
    tags_VK = np.full((items, int(place_N[some_N].max()) + 1), size, dtype=np.int64)
    tags_VK[item_N[some_N], place_N[some_N]] = tag_N[some_N]
    return Tags(tags_VK, size)
