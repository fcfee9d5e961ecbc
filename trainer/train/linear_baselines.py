"""Two linear item-to-item models in closed form: item-kNN and EASE.

Owns: fitting and scoring them in bounded memory, and the sizes up to which they are fitted at all. Does not own: which
data gets which baseline. Both see a user as the set of items in the newest events that may be learned from.

Shapes: U users, V items, B users of a batch, P pairs of a user and an item, C items of a chunk, S neighbours.
"""

from collections.abc import Iterator

import numpy as np
import torch

from train.data import Sequences
from train.ranking import Histories, spans

ITEM_KNN = "item_knn"
EASE = "ease"
_NEWEST = 200  # events of a user that are read
_NEIGHBOURS = 50
_MOST_NEIGHBOUR_ITEMS = 50_000
_MOST_COOCCURRENCES = 500_000_000
_MOST_EASE_ITEMS = 4_000
_COUNTS_AT_ONCE = 1 << 22


def too_large_for_neighbours(sequences: Sequences) -> str:
    """Why item-kNN is not fitted, or ""."""
    size, pairs = len(sequences.catalog), int((np.minimum(sequences.train_lengths_U, _NEWEST).astype(float) ** 2).sum())
    if size > _MOST_NEIGHBOUR_ITEMS:
        return f"the catalog has {size:,} items, and it is fitted for at most {_MOST_NEIGHBOUR_ITEMS:,}"
    if pairs > _MOST_COOCCURRENCES:
        return f"there are {pairs:,} pairs of items of one user, and it is fitted for at most {_MOST_COOCCURRENCES:,}"
    return ""


def too_large_for_ease(sequences: Sequences) -> str:
    """Why EASE is not fitted, or ""."""
    size = len(sequences.catalog)
    if size <= _MOST_EASE_ITEMS:
        return ""
    return (
        f"the catalog has {size:,} items, and the dense matrix of all pairs is solved for {_MOST_EASE_ITEMS:,} at most"
    )


class ItemNeighbours:
    """Scores an item by the cosines between it and each item of the history, as sets of users; an item has its nearest
    neighbours only (Sarwar et al., WWW 2001).
    """

    def __init__(self, sequences: Sequences, *, neighbours: int = _NEIGHBOURS) -> None:
        user_P, item_P = _pairs(sequences)
        size = len(sequences.catalog)
        norm_V = np.sqrt(np.maximum(1, np.bincount(item_P, minlength=size)))
        kept = min(neighbours, size)
        self._size = size
        self._near_VS = torch.empty(size, kept, dtype=torch.int64)
        self._cosine_VS = torch.empty(size, kept)
        for first, counts_CV in _cooccurrences(user_P, item_P, size):
            rows = np.arange(len(counts_CV))
            counts_CV[rows, first + rows] = 0
            cosine_CV = torch.from_numpy(counts_CV / norm_V / norm_V[first : first + len(rows), None])
            best = cosine_CV.topk(kept, dim=1)
            self._near_VS[first : first + len(rows)] = best.indices
            self._cosine_VS[first : first + len(rows)] = best.values

    def __call__(self, histories: Histories) -> torch.Tensor:
        row_P, item_P = _sets(histories, self._size)
        flat_PS = row_P[:, None] * self._size + self._near_VS[item_P]
        scores = torch.zeros(len(histories.ends_B) * self._size)
        scores.index_add_(0, flat_PS.flatten(), self._cosine_VS[item_P].flatten())
        return scores.view(-1, self._size)


class Ease:
    """Ridge regression of each item on all others (Steck, WWW 2019)."""

    def __init__(self, sequences: Sequences, *, regularisation: float) -> None:
        user_P, item_P = _pairs(sequences)
        size = len(sequences.catalog)
        self._size = size
        gram_VV = torch.zeros(size, size)
        for first, counts_CV in _cooccurrences(user_P, item_P, size):
            gram_VV[first : first + len(counts_CV)] = torch.from_numpy(counts_CV)
        gram_VV.diagonal().add_(regularisation)
        inverse_VV = torch.cholesky_inverse(torch.linalg.cholesky(gram_VV))
        self._weights_VV = inverse_VV / -inverse_VV.diagonal()
        self._weights_VV.fill_diagonal_(0.0)

    def __call__(self, histories: Histories) -> torch.Tensor:
        row_P, item_P = _sets(histories, self._size)
        owned_BV = torch.zeros(len(histories.ends_B), self._size)
        owned_BV[row_P, item_P] = 1.0
        return owned_BV @ self._weights_VV


def _pairs(sequences: Sequences) -> tuple[np.ndarray, np.ndarray]:
    """Distinct pairs of a user and an item, ordered by user."""
    learned_U = sequences.train_lengths_U
    lengths_U = np.minimum(learned_U, _NEWEST)
    user_N, place_N = spans(sequences.offsets_U1[:-1] + learned_U - lengths_U, lengths_U)
    size = np.int64(len(sequences.catalog))
    pair_P = np.unique(user_N * size + sequences.items_N[place_N])
    return pair_P // size, pair_P % size


def _sets(histories: Histories, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The distinct items of each history's newest events."""
    lengths_B = np.minimum(histories.ends_B - histories.starts_B, _NEWEST)
    row_N, place_N = spans(histories.ends_B - lengths_B, lengths_B)
    pair_P = np.unique(row_N * np.int64(size) + histories.items_N[place_N])
    return torch.from_numpy(pair_P // size), torch.from_numpy(pair_P % size)


def _cooccurrences(user_P: np.ndarray, item_P: np.ndarray, size: int) -> Iterator[tuple[int, np.ndarray]]:
    """How many users have both items, as (first item, counts_CV) for chunk after chunk of the catalog."""
    starts_U1 = np.searchsorted(user_P, np.arange(user_P.max(initial=-1) + 2))
    by_item = np.argsort(item_P, kind="stable")
    offsets_V1 = np.searchsorted(item_P[by_item], np.arange(size + 1))
    items_at_once = max(1, _COUNTS_AT_ONCE // size)
    for first in range(0, size, items_at_once):
        last = min(size, first + items_at_once)
        counts_CV = np.zeros((last - first) * size, dtype=np.float32)
        owners = by_item[offsets_V1[first] : offsets_V1[last]]
        for some in _bounded(owners, (starts_U1[user_P[owners] + 1] - starts_U1[user_P[owners]])):
            users = user_P[some]
            row_Q, place_Q = spans(starts_U1[users], starts_U1[users + 1] - starts_U1[users])
            flat_Q = (item_P[some][row_Q] - first) * size + item_P[place_Q]
            counts_CV += np.bincount(flat_Q, minlength=len(counts_CV))
        yield first, counts_CV.reshape(-1, size)


def _bounded(chosen: np.ndarray, works: np.ndarray) -> list[np.ndarray]:
    """Cuts `chosen` so that the summed work of each part stays bounded."""
    if not len(chosen):
        return []
    part = np.cumsum(works) // _COUNTS_AT_ONCE
    return np.split(chosen, np.flatnonzero(np.diff(part)) + 1)
