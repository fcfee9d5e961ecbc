"""How good a model in training is: its ranks of validation items, at several strengths of the successor counts.

Owns: the users, the strengths that are tried, and the network's own loss on the same items. Does not own: when to look,
or what follows from it (loop.py).
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

from train.data import VALIDATION, Sequences
from train.metrics import PRIMARY, K, metrics_of
from train.model import NextItemModel
from train.optimise import WeightAverage
from train.presets import Settings
from train.ranking import Histories, drawn_users, variant_ranks
from train.ranks import ALONE, Ranks
from train.successors import STRENGTHS, strengths_around


class Look(NamedTuple):
    """Metrics at the best strength of the counts, that strength, and what the network alone has."""

    metrics: dict[str, float]
    strength: float
    network_metrics: dict[str, float]
    network_loss: float


class Validation:
    """`interrupt` is called between batches, and may raise; not where there are several ranks, of which each has its
    users and its own number of batches.
    """

    def __init__(
        self,
        model: NextItemModel,
        sequences: Sequences,
        settings: Settings,
        *,
        interrupt: Callable[[], None],
        ranks: Ranks = ALONE,
    ) -> None:
        self._model, self._sequences, self._ranks = model, sequences, ranks
        self._interrupt = interrupt if ranks.size == 1 else lambda: None
        self.users = validation_users(sequences, settings)
        self.samples = len(sequences.evaluated) / max(1, len(self.users))

    def look(self, average: WeightAverage) -> Look:
        """Ranks with the averaged weights; the model is in training before and after."""
        losses: list[float] = []
        average.swap()
        self._model.eval()
        try:
            found = self.metrics_by_strength(self.users, STRENGTHS, losses)
        finally:
            average.swap()
            self._model.train()
        best = max(STRENGTHS, key=lambda strength: found[strength][PRIMARY])
        return Look(found[best], best, found[0.0], self._ranks.total(float(sum(losses))) / max(1, len(self.users)))

    def finest_strength(self, around: float) -> float:
        """The best strength near one, for every user's validation item."""
        strengths = strengths_around(around)
        found = self.metrics_by_strength(self._sequences.evaluated, strengths, [])
        return max(strengths, key=lambda strength: found[strength][PRIMARY])

    def metrics_by_strength(
        self, users: np.ndarray, strengths: tuple[float, ...], losses: list[float]
    ) -> dict[float, dict[str, float]]:
        """Metrics of the users' validation items; the network's summed loss of each batch goes to `losses`."""
        ranks_SU = self._ranks.divided(
            users,
            lambda part: variant_ranks(
                self._sequences,
                lambda histories: self._variants(histories, strengths, losses),
                held_out=VALIDATION,
                users=part,
                interrupt=self._interrupt,
            ),
        )
        size = len(self._sequences.catalog)
        pairs = zip(strengths, ranks_SU, strict=True)
        return {strength: metrics_of(ranks_U, catalog_size=size, k=K) for strength, ranks_U in pairs}

    def _variants(
        self, histories: Histories, strengths: tuple[float, ...], losses: list[float]
    ) -> Iterator[torch.Tensor]:
        """The model's variants of a batch; the summed loss of the network alone is noted on the way."""
        targets_B = torch.from_numpy(histories.items_N[histories.ends_B]).to(self._model.item_bias.device).long()
        for strength, scores_BV in zip(strengths, self._model.variants(histories, strengths), strict=True):
            if strength == 0.0:
                losses.append(float(F.cross_entropy(scores_BV, targets_B, reduction="sum")))
            yield scores_BV


def validation_users(sequences: Sequences, settings: Settings) -> np.ndarray:
    """The users whose validation item is ranked while training: all, or as many as the settings allow."""
    return drawn_users(sequences.evaluated, settings.validation_users, seed=(settings.seed, 2**32 - 1))
