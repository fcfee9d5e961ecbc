"""Measures any number of models on the same users: metrics with intervals, paired differences, slices, exposure.

Owns: what is computed from a model's ranks, as plain values. Does not own: which models there are (evaluate.py), the
ranking or the metrics themselves. A catalog too large for every user is judged on a drawn sample of users, never of
items: that widens the intervals and biases nothing.

Shapes: U users, V items.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from train.baselines import MARKOV
from train.data import Sequences
from train.exposure import Exposure
from train.intervals import difference_of, interval_of
from train.metrics import KS, PRIMARY, K, values_of
from train.ranking import Scorer, held_out_ranks
from train.slices import ACTIVITY, POPULARITY, by_activity, by_popularity, popularity_groups

CHAMPION = "champion"
MOST_USERS = 50_000
_SLICED = (PRIMARY, f"hr@{K}")


class Judged(NamedTuple):
    """A model's test values user by user, and what it showed to all of them."""

    values: dict[str, np.ndarray]
    exposure: Exposure
    seconds: float


def best_of(ranked: Mapping[str, Judged]) -> str:
    """The name of the best by the primary metric."""
    return max(ranked, key=lambda name: ranked[name].values[PRIMARY].mean())


class Judge:
    """The same users, catalog and lengths for every model."""

    def __init__(self, sequences: Sequences, *, users: np.ndarray, ks: Sequence[int] = KS) -> None:
        self._sequences, self.users, self._ks = sequences, users, ks
        self._groups = {
            ACTIVITY: by_activity(sequences, users),
            POPULARITY: by_popularity(sequences, users),
        }

    def rank(self, scorer: Scorer) -> Judged:
        began = time.perf_counter()
        exposure = Exposure(len(self._sequences.catalog), self._ks)
        ranks_U = held_out_ranks(self._sequences, scorer, users=self.users, watch=exposure)
        values = values_of(ranks_U, catalog_size=len(self._sequences.catalog), ks=self._ks)
        return Judged(values, exposure, round(time.perf_counter() - began, 3))

    def metrics(self, judged: Judged) -> dict[str, float]:
        """Means over users, then what is measured over all of them together."""
        means = {name: float(values_U.mean()) for name, values_U in judged.values.items()}
        return means | judged.exposure.metrics(self._sequences.train_counts_V)

    def scored(self, judged: Judged) -> dict[str, Any]:
        """The metrics, and the interval of each that is a mean over users."""
        intervals = {name: list(interval_of(values_U)) for name, values_U in judged.values.items()}
        return {"metrics": self.metrics(judged), "intervals": intervals}

    def comparisons(
        self, judged: Judged, champion: Judged | None, ranked: Mapping[str, Judged]
    ) -> list[dict[str, Any]]:
        """The model against the champion, Markov counts and the best baseline, on the primary metric."""
        rivals = {CHAMPION: champion} if champion else {}
        rivals |= {name: ranked[name] for name in dict.fromkeys([MARKOV, best_of(ranked)])}
        found = []
        for name, rival in rivals.items():
            apart = difference_of(judged.values[PRIMARY], rival.values[PRIMARY])
            found.append({"against": name, "metric": PRIMARY, **apart._asdict(), "verdict": apart.verdict})
        return found

    def slices(self, judged: Judged, rivals: Mapping[str, Judged | None]) -> dict[str, list[dict[str, Any]]]:
        """Each group's size, the model's metrics there with the interval of the first, and its rivals' means of it."""
        return {
            kind: [
                {
                    "name": group.name,
                    "users": len(group.members),
                    "metrics": {name: float(judged.values[name][group.members].mean()) for name in _SLICED},
                    "interval": list(interval_of(judged.values[PRIMARY][group.members])),
                    "rivals": {
                        name: float(rival.values[PRIMARY][group.members].mean())
                        for name, rival in rivals.items()
                        if rival
                    },
                }
                for group in groups
            ]
            for kind, groups in self._groups.items()
        }

    def shown(self, models: Mapping[str, Judged]) -> dict[str, dict[str, float]]:
        """The share of all first K places that each group of items gets, and that of the held-out items."""
        masks = popularity_groups(self._sequences.train_counts_V)
        found = {name: _shares(judged.exposure.shown_V(K), masks) for name, judged in models.items()}
        held_out = {group.name: len(group.members) / len(self.users) for group in self._groups[POPULARITY]}
        return {"held-out items": {name: held_out.get(name, 0.0) for name in masks}, **found}


def _shares(shown_V: np.ndarray, masks: Mapping[str, np.ndarray]) -> dict[str, float]:
    return {name: float(shown_V[mask_V].sum() / max(1, shown_V.sum())) for name, mask_V in masks.items()}
