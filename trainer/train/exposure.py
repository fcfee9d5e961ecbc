"""What a ranking shows to all users together: how much of the catalog, and how far from the best-sellers.

Owns: counting the items in anybody's first k places. Does not own: the ranking, or its hits.

Shapes: B users of a batch, V items, K items shown.
"""

from collections.abc import Sequence

import numpy as np
import torch

from train.metrics import KS


class Exposure:
    """Counts how often each item is among a user's first k; watches ranking.held_out_ranks."""

    def __init__(self, catalog_size: int, ks: Sequence[int] = KS) -> None:
        self._ks = sorted(ks)
        self._shown_V = {k: np.zeros(catalog_size, dtype=np.int64) for k in self._ks}

    def __call__(self, scores_BV: torch.Tensor) -> None:
        best = scores_BV.topk(min(self._ks[-1], scores_BV.shape[1]), dim=1)
        items_BK, left_BK = best.indices.cpu().numpy(), (best.values > -torch.inf).cpu().numpy()
        for k in self._ks:
            self._shown_V[k] += np.bincount(items_BK[:, :k][left_BK[:, :k]], minlength=scores_BV.shape[1])

    def shown_V(self, k: int) -> np.ndarray:
        """How often each item was among the first k."""
        return self._shown_V[k]

    def metrics(self, train_counts_V: np.ndarray) -> dict[str, float]:
        """coverage@k: the share of the catalog that anybody is shown. novelty@k: the mean of -log2 of the share of all
        events that a shown item has, one added to each count (Vargas and Castells, RecSys 2011, without their ranks).
        """
        surprise_V = -np.log2((train_counts_V + 1) / (train_counts_V.sum() + len(train_counts_V)))
        found = {}
        for k, shown_V in self._shown_V.items():
            found[f"coverage@{k}"] = float((shown_V > 0).mean())
            found[f"novelty@{k}"] = float((shown_V * surprise_V).sum() / max(1, shown_V.sum()))
        return found
