"""Training batches: windows of histories, drawn anew each epoch, bucketed by length.

Owns: which windows an epoch holds and in what order, as a pure function of (seed, epoch), so that a resumed run needs
only the place in the epoch. Does not own: the split or the model.

A long history is cut into windows of at most `window` targets at a random offset, so that each of its events is a
target once an epoch and cuts fall elsewhere each time. Windows of like length share a batch: padding stays under a few
percent.

Shapes: W windows, B windows of a batch, L places, T tokens (real places).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from train.data import Sequences
from train.ranking import spans


class Batch(NamedTuple):
    """Inputs padded right, and the flat places that are real with the item that follows each."""

    items_BL: torch.Tensor
    places_T: torch.Tensor  # into items_BL flattened
    targets_T: torch.Tensor

    def part(self, number: int, parts: int) -> "Batch":
        """Every `parts`-th window from the `number`-th on, of which there may be none. Neighbours are of like length,
        so that parts are about as much work."""
        if parts == 1:
            return self
        length = self.items_BL.shape[1]
        row_T = self.places_T // length
        mine = row_T % parts == number
        places_T = self.places_T[mine] - (row_T[mine] - row_T[mine] // parts) * length
        return Batch(self.items_BL[number::parts], places_T, self.targets_T[mine])


@dataclass(frozen=True)
class Epoch:
    """An epoch's windows in order of training: batch i holds windows[bounds[i] : bounds[i + 1]]."""

    starts_W: np.ndarray
    lengths_W: np.ndarray
    bounds: np.ndarray

    def __len__(self) -> int:
        return len(self.bounds) - 1

    @property
    def targets(self) -> int:
        return int(self.lengths_W.sum())


class Batches:
    """All epochs of a training run."""

    def __init__(self, sequences: Sequences, *, window: int, tokens: int, seed: int) -> None:
        self._items_N = sequences.items_N
        self._targets_U = np.maximum(sequences.train_lengths_U - 1, 0)
        self._starts_U = sequences.offsets_U1[:-1]
        self._window, self._tokens, self._seed = window, tokens, seed

    @property
    def targets(self) -> int:
        """How many events are predicted in an epoch."""
        return int(self._targets_U.sum())

    def epoch(self, number: int) -> Epoch:
        random = np.random.default_rng((self._seed, number))
        starts_W, lengths_W = self._windows(random)
        order = random.permutation(len(starts_W))
        order = order[np.argsort(lengths_W[order], kind="stable")]
        bounds = _bounds(lengths_W[order], self._tokens)
        batch_order = random.permutation(len(bounds) - 1)
        sizes = np.diff(bounds)[batch_order]
        _, place = spans(bounds[batch_order], sizes)
        order = order[place]
        return Epoch(starts_W[order], lengths_W[order], np.concatenate([[0], np.cumsum(sizes)]))

    def batch(self, epoch: Epoch, number: int) -> Batch:
        some = slice(epoch.bounds[number], epoch.bounds[number + 1])
        starts_B, lengths_B = epoch.starts_W[some], epoch.lengths_W[some]
        within_L = np.arange(lengths_B.max())
        is_real_BL = within_L < lengths_B[:, None]
        place_BL = starts_B[:, None] + np.where(is_real_BL, within_L, 0)
        return Batch(
            items_BL=torch.from_numpy(self._items_N[place_BL].astype(np.int64)),
            places_T=torch.from_numpy(np.flatnonzero(is_real_BL)),
            targets_T=torch.from_numpy(self._items_N[place_BL[is_real_BL] + 1].astype(np.int64)),
        )

    def _windows(self, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """starts_W and lengths_W of inputs; a window's targets are its inputs shifted by one."""
        users = np.flatnonzero(self._targets_U)
        targets = self._targets_U[users]
        # The first window of a long history ends at a random offset, every later one is full but the last.
        first = np.where(targets > self._window, random.integers(1, self._window + 1, len(users)), targets)
        count = 1 + -(-(targets - first) // self._window)
        row, _ = spans(np.zeros(len(users), dtype=np.int64), count)
        nth = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
        begin = np.where(nth == 0, 0, first[row] + (nth - 1) * self._window)
        end = np.minimum(np.where(nth == 0, first[row], begin + self._window), targets[row])
        return self._starts_U[users][row] + begin, end - begin


def _bounds(lengths_W: np.ndarray, tokens: int) -> np.ndarray:
    """Cuts windows, sorted by length, into batches of at most `tokens` places, padding included."""
    bounds = [0]
    while bounds[-1] < len(lengths_W):
        first = bounds[-1]
        # Longest run from `first` whose count times its longest window fits.
        most = min(len(lengths_W), first + max(1, tokens // int(lengths_W[first])))
        fits = np.arange(1, most - first + 1) * lengths_W[first:most] <= tokens
        bounds.append(first + max(1, int(fits.sum())))
    return np.array(bounds)
