"""Counts of which item follows which, as an addition to a network's scores.

A network needs many passes before it remembers single transitions that counts know at once. So the counts join as a
product of experts: item j after item i gains `strength * log(1 + count_ij / (pseudo_count * p_j))`, which for strength
1 and a network that knows popularity alone is the bigram model with Dirichlet smoothing (MacKay and Peto, 1995). The
network is trained without it; trained together, it learns to subtract what it has memorised. The pseudo-count is the
likeliest by leave-one-out, the strength is chosen on the validation items, and 0 leaves the network alone.

Owns: fitting and scoring these counts. Shapes: B histories, V items, S kept successors of an item, E distinct
transitions.
"""

from typing import NamedTuple

import numpy as np
import torch

from train.data import Sequences

_KEPT = 64
_PSEUDO_COUNTS = 2.0 ** np.arange(-2, 16)
STRENGTHS = (0.0, 0.25, 0.5, 1.0, 1.5)
_FINE_STRENGTHS = (0.0, 0.125, 0.25, 0.375, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)


def strengths_around(strength: float) -> tuple[float, ...]:
    """The chosen one of STRENGTHS with finer steps to both sides."""
    place = _FINE_STRENGTHS.index(strength)
    return _FINE_STRENGTHS[max(0, place - 2) : place + 3]


class Transitions(NamedTuple):
    """Distinct (item, next item) pairs of the events that may be learned from, ordered by item, then next item."""

    item_E: np.ndarray
    next_E: np.ndarray
    count_E: np.ndarray


def transitions(sequences: Sequences) -> Transitions:
    items_N = sequences.items_N
    size = np.int64(len(sequences.catalog))
    first_of_user_N = np.zeros(len(items_N), dtype=bool)
    first_of_user_N[sequences.offsets_U1[:-1][sequences.lengths_U > 0]] = True
    later = np.flatnonzero(sequences.is_train_N & ~first_of_user_N)
    pair_E, count_E = np.unique(items_N[later - 1] * size + items_N[later], return_counts=True)
    return Transitions(pair_E // size, pair_E % size, count_E)


class SuccessorCounts(torch.nn.Module):
    """The most frequent successors of each item with their gain in score; absent ones gain nothing."""

    def __init__(self, items: int, *, kept: int = _KEPT) -> None:
        super().__init__()
        self.next_VS: torch.Tensor
        self.gain_VS: torch.Tensor
        self.strength: torch.Tensor
        self.register_buffer("next_VS", torch.zeros(items, kept, dtype=torch.int32))
        self.register_buffer("gain_VS", torch.zeros(items, kept))
        self.register_buffer("strength", torch.zeros(()))

    def fit(self, sequences: Sequences) -> None:
        """Takes the counts of the events that may be learned from; the strength stays as it is."""
        pairs = transitions(sequences)
        kept = self.next_VS.shape[1]
        share_V = sequences.train_counts_V + 0.5
        share_V = share_V / share_V.sum()
        by_count = np.lexsort((pairs.next_E, -pairs.count_E, pairs.item_E))
        item_E, next_E, count_E = (column[by_count] for column in pairs)
        place_E = np.arange(len(item_E)) - np.searchsorted(item_E, item_E)
        some = place_E < kept
        gain_E = np.log1p(count_E / (likeliest_pseudo_count(pairs, share_V) * share_V[next_E]))
        self.next_VS.zero_()[item_E[some], place_E[some]] = torch.from_numpy(next_E[some]).to(self.next_VS)
        self.gain_VS.zero_()[item_E[some], place_E[some]] = torch.from_numpy(gain_E[some]).to(self.gain_VS)

    def add_to(self, scores_BV: torch.Tensor, last_B: torch.Tensor, *, strength: float | None = None) -> torch.Tensor:
        """Adds each history's gains, in place; `last_B` is its last item."""
        factor = self.strength if strength is None else strength
        return scores_BV.scatter_add_(1, self.next_VS[last_B].long(), self.gain_VS[last_B] * factor)


def likeliest_pseudo_count(pairs: Transitions, share_V: np.ndarray) -> float:
    """The Dirichlet pseudo-count under which each transition is likeliest given all the others."""
    if not len(pairs.count_E):
        return 1.0
    total_V = np.bincount(pairs.item_E, weights=pairs.count_E, minlength=len(share_V))
    others_E = total_V[pairs.item_E] - 1
    likelihoods = [
        (pairs.count_E * np.log((pairs.count_E - 1 + pseudo * share_V[pairs.next_E]) / (others_E + pseudo))).sum()
        for pseudo in _PSEUDO_COUNTS
    ]
    return float(_PSEUDO_COUNTS[int(np.argmax(likelihoods))])
