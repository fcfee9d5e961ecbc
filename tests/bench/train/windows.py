"""Histories as other trainers want them: rows of their own item ids, where 0 is no item; and their scores as ours.

Shapes: B users of a batch, W places of a window, V items of the catalog, P items of theirs.
"""

import numpy as np
import torch
from train.data import Sequences
from train.ranking import Histories, spans

NO_SCORE = -1e9  # of an item that a trainer has never seen


def newest(histories: Histories, theirs_V: np.ndarray, *, window: int) -> tuple[np.ndarray, np.ndarray]:
    """The newest items that they know, oldest first and at the right end of ids_BW, and how many there are."""
    row_N, place_N = spans(histories.starts_B, histories.ends_B - histories.starts_B)
    ids_N = theirs_V[histories.items_N[place_N]]
    row_N, ids_N = row_N[ids_N > 0], ids_N[ids_N > 0]
    counts_B = np.bincount(row_N, minlength=len(histories.ends_B))
    from_end_N = np.repeat(np.cumsum(counts_B), counts_B) - np.arange(len(row_N))
    kept = from_end_N <= window
    ids_BW = np.zeros((len(counts_B), window), dtype=np.int64)
    ids_BW[row_N[kept], window - from_end_N[kept]] = ids_N[kept]
    return ids_BW, np.minimum(counts_B, window)


def to_the_left(ids_BW: np.ndarray, lengths_B: np.ndarray) -> np.ndarray:
    """The same rows with their items at the left end."""
    window = ids_BW.shape[1]
    place_BW = (np.arange(window) + window - lengths_B[:, None]) % window
    return np.take_along_axis(ids_BW, place_BW, axis=1)


def in_our_order(scores_BP: torch.Tensor, theirs_V: np.ndarray) -> torch.Tensor:
    """Scores of our catalog; items that they do not know are last."""
    scores_BV = scores_BP[:, torch.from_numpy(theirs_V)]
    scores_BV[:, torch.from_numpy(theirs_V == 0)] = NO_SCORE
    return scores_BV


def learned(sequences: Sequences) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The events to learn from, in order: each one's user, item, and place in the user's history."""
    user_N = np.repeat(np.arange(len(sequences.users)), sequences.lengths_U)
    place_N = np.arange(len(user_N)) - sequences.offsets_U1[user_N]
    kept = sequences.is_train_N
    return user_N[kept], sequences.items_N[kept], place_N[kept]
