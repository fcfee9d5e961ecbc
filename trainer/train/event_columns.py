"""Events as flat columns of small numbers, filled batch by batch and then ordered by user and time.

Memory is a few bytes an event, or none where the columns lie in mapped files; what grows beside them is the
vocabularies. Owns: the indices of ids, the columns' place, the stable order. Does not own: files and their checks
(data.py). Shapes: N events, U users, C events that are moved at once.
"""

# pyright: reportAttributeAccessIssue=false

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc  # its functions are made at run time

from train.problems import Problem, Refused

_AT_ONCE = 1 << 20
_LEAST_MERGED = 1 << 18


def column_of(size: int, dtype: Any, scratch: Path | None) -> np.ndarray:
    """Room for `size` values: in memory, or in a file of the folder `scratch` that vanishes with the array."""
    if scratch is None or not size:
        return np.empty(size, dtype=dtype)
    with tempfile.NamedTemporaryFile(dir=scratch) as file:  # the mapping outlives the name
        _take_room(file.fileno(), size * np.dtype(dtype).itemsize, scratch)
        return np.memmap(file, dtype=dtype, mode="w+", shape=(size,))


def _take_room(descriptor: int, size: int, scratch: Path) -> None:
    """On the disk before it is mapped: a page that finds none when it is written ends the process without a word."""
    if not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError as error:
        fix = "Let TMPDIR name a folder of a larger disk, or take a machine with more memory"
        rule = f"has no room for a column of {size / 1e9:.2f} GB ({error.strerror})"
        raise Refused("data", [Problem("TMPDIR", str(scratch), rule, fix)]) from error


class Vocabulary:
    """Indices of ids that are met batch by batch. Batches keep indices of their own until enough new ids have come to
    pay for one pass over all, so that the work grows with the ids and not with their square.
    """

    def __init__(self) -> None:
        self._known = pa.array([], pa.string())
        self._waiting: list[tuple[pa.Array, np.ndarray]] = []
        self._waiting_ids = 0

    def encode(self, ids: pa.Array, indices_C: np.ndarray) -> None:
        """Writes the ids' indices, which hold once `finish` was called."""
        encoded = ids.dictionary_encode()
        indices_C[:] = encoded.indices.to_numpy()
        self._waiting.append((encoded.dictionary.cast(pa.string()), indices_C))
        self._waiting_ids += len(encoded.dictionary)
        if self._waiting_ids > max(_LEAST_MERGED, len(self._known)):
            self._merge()

    def finish(self) -> tuple[pa.StringArray, np.ndarray]:
        """The ids, sorted, and each index's place among them."""
        self._merge()
        order = pc.array_sort_indices(self._known).to_numpy()
        place = np.empty(len(order), dtype=np.int32)
        place[order] = np.arange(len(order), dtype=np.int32)
        return self._known.take(pa.array(order)), place

    def _merge(self) -> None:
        dictionaries = [self._known, *(ids for ids, _ in self._waiting)]
        chunks = [
            pa.DictionaryArray.from_arrays(pa.array(np.arange(len(ids), dtype=np.int32)), ids) for ids in dictionaries
        ]
        merged = pa.chunked_array(chunks).unify_dictionaries()
        self._known = merged.chunk(0).dictionary
        for chunk, (_, indices_C) in zip(merged.chunks[1:], self._waiting, strict=True):
            indices_C[:] = chunk.indices.to_numpy()[indices_C]
        self._waiting, self._waiting_ids = [], 0


class EventColumns:
    """Room for N events in the order in which they are read."""

    def __init__(self, size: int, time_dtype: Any, scratch: Path | None = None) -> None:
        self._scratch, self._filled = scratch, 0
        self._user_N, self._item_N = (column_of(size, np.int32, scratch) for _ in range(2))
        self._time_N = column_of(size, time_dtype, scratch)
        self._users, self._items = Vocabulary(), Vocabulary()

    def append(self, users: pa.Array, items: pa.Array, time_C: np.ndarray) -> None:
        part = slice(self._filled, self._filled + len(time_C))
        self._users.encode(users, self._user_N[part])
        self._items.encode(items, self._item_N[part])
        self._time_N[part] = time_C
        self._filled = part.stop

    def ordered(self) -> tuple[pa.StringArray, pa.StringArray, np.ndarray, np.ndarray, np.ndarray]:
        """users, catalog, items_N, offsets_U1 and times_N by (user, time, order of reading); empties this object."""
        users, user_place = self._users.finish()
        catalog, item_place = self._items.finish()
        offsets_U1 = np.zeros(len(users) + 1, dtype=np.int64)
        for user_C in _pieces(self._user_N[: self._filled]):
            offsets_U1[1:] += np.bincount(user_place[user_C], minlength=len(users))
        np.cumsum(offsets_U1, out=offsets_U1)
        items_N = column_of(self._filled, np.int32, self._scratch)
        times_N = column_of(self._filled, self._time_N.dtype, self._scratch)
        free_U = offsets_U1[:-1].copy()
        columns = (self._user_N, self._item_N, self._time_N)
        for user_C, item_C, time_C in zip(*(_pieces(column[: self._filled]) for column in columns), strict=True):
            place_C, order_C = _places(user_place[user_C], free_U)
            items_N[place_C], times_N[place_C] = item_place[item_C[order_C]], time_C[order_C]
        del self._user_N, self._item_N, self._time_N, columns
        _sort_by_time(items_N, times_N, offsets_U1)
        return users, catalog, items_N, offsets_U1, times_N


def _pieces(column_N: np.ndarray) -> list[np.ndarray]:
    return [column_N[first : first + _AT_ONCE] for first in range(0, len(column_N), _AT_ONCE)]


def _places(user_C: np.ndarray, free_U: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where events go, user by user, and the order in which to take them; `free_U`, each user's next free place, moves
    on.
    """
    order_C = _stable_order(user_C)
    sorted_C = user_C[order_C]
    is_first_C = np.concatenate([[True], sorted_C[1:] != sorted_C[:-1]])
    first = np.flatnonzero(is_first_C)
    counts = np.diff(np.append(first, len(sorted_C)))
    place_C = np.arange(len(sorted_C)) + np.repeat(free_U[sorted_C[first]] - first, counts)
    free_U[sorted_C[first]] += counts
    return place_C, order_C


def _stable_order(user_C: np.ndarray) -> np.ndarray:
    """A stable argsort in two passes over halves of the number, which numpy sorts by counting."""
    order_C = np.argsort(user_C.astype(np.uint16), kind="stable")
    high_C = (user_C >> 16).astype(np.uint16)
    return order_C[np.argsort(high_C[order_C], kind="stable")] if high_C.any() else order_C


def _sort_by_time(items_N: np.ndarray, times_N: np.ndarray, offsets_U1: np.ndarray) -> None:
    """Orders each user's events by time in place; events of one time stay as they are."""
    first = 0
    while first < len(offsets_U1) - 1:
        last = max(first + 1, int(np.searchsorted(offsets_U1, offsets_U1[first] + _AT_ONCE, side="right")) - 1)
        part = slice(offsets_U1[first], offsets_U1[last])
        user_C = np.repeat(np.arange(last - first, dtype=np.int32), np.diff(offsets_U1[first : last + 1]))
        time_C = times_N[part]
        if np.any((time_C[1:] < time_C[:-1]) & (user_C[1:] == user_C[:-1])):
            order_C = np.argsort(time_C, kind="stable")
            order_C = order_C[_stable_order(user_C[order_C])]
            items_N[part], times_N[part] = items_N[part][order_C], time_C[order_C]
        first = last
