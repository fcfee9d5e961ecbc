"""Models without training by gradient. A network that loses to them is not worth its machine.

Owns: which baselines a data set gets, and those that count: most popular, popular at the time, and first-order Markov.
Does not own: item-kNN and EASE (linear_baselines.py), or who is ranked. All are fitted on all but the last two events
of each user (data.Sequences.is_train_N); where one has a choice to make, the validation items make it.

Shapes: B users of a batch, V items of the catalog, E distinct transitions, N events, P periods.
"""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import torch

from train.data import VALIDATION, Sequences
from train.linear_baselines import EASE, ITEM_KNN, Ease, ItemNeighbours, too_large_for_ease, too_large_for_neighbours
from train.metrics import gains
from train.ranking import Histories, Scorer, drawn_users, held_out_ranks, spans
from train.transitions import transitions

MOST_POPULAR = "most_popular"
RECENT_POPULAR = "recency_popular"
MARKOV = "markov"
_MOST_CHOOSING = 1_000
_COUNTS_AT_ONCE = 1 << 24


class Popularity:
    """Scores an item by how often it occurs."""

    def __init__(self, sequences: Sequences) -> None:
        self._counts_V = torch.from_numpy(sequences.train_counts_V.astype(np.float64))

    def __call__(self, histories: Histories) -> torch.Tensor:
        return self._counts_V.repeat(len(histories.ends_B), 1)


class RecentPopularity:
    """Scores an item by how often it occurred up to the time of the user's last event, older events counting less.

    The calendar is cut into periods with equally many events each, and a count halves every `half_life` of them.
    """

    def __init__(self, sequences: Sequences, *, half_life: float, periods: int = 64) -> None:
        size = len(sequences.catalog)
        periods = max(1, min(periods, _COUNTS_AT_ONCE // size))
        learned = np.flatnonzero(sequences.is_train_N)
        times_N = sequences.times_N
        cuts = np.quantile(times_N[learned], np.arange(1, periods) / periods, method="lower")
        self._period_N = np.searchsorted(cuts, times_N, side="left")
        flat = self._period_N[learned] * size + sequences.items_N[learned]
        counts_PV = np.bincount(flat, minlength=periods * size).reshape(periods, size).astype(np.float32)
        for period in range(1, periods):
            counts_PV[period] += counts_PV[period - 1] * np.float32(0.5 ** (1 / half_life))
        self._counts_PV = torch.from_numpy(counts_PV)

    def __call__(self, histories: Histories) -> torch.Tensor:
        return self._counts_PV[torch.from_numpy(self._period_N[histories.ends_B - 1])]


class Markov:
    """Scores an item by how often it came right after the user's last one; popularity breaks ties and so backs off.

    Popularity is scaled below one count.
    """

    def __init__(self, sequences: Sequences) -> None:
        pairs = transitions(sequences)
        self._next_E, self._counts_E = pairs.next_E, pairs.count_E
        self._offsets_V1 = np.searchsorted(pairs.item_E, np.arange(len(sequences.catalog) + 1))
        popular_V = sequences.train_counts_V
        self._backoff_V = torch.from_numpy(popular_V / (popular_V.max() + 1.0))

    def __call__(self, histories: Histories) -> torch.Tensor:
        last_B = histories.items_N[histories.ends_B - 1]
        row_E, place_E = spans(self._offsets_V1[last_B], self._offsets_V1[last_B + 1] - self._offsets_V1[last_B])
        scores_BV = self._backoff_V.repeat(len(last_B), 1)
        where = (torch.from_numpy(row_E), torch.from_numpy(self._next_E[place_E]))
        return scores_BV.index_put_(
            where, torch.from_numpy(self._counts_E[place_E].astype(np.float64)), accumulate=True
        )


class Baselines(Mapping[str, Scorer]):
    """Scorers by the name under which reports show them, each fitted when it is asked for. `left_out` says which the
    data set is too large for, and why.
    """

    def __init__(self, makers: dict[str, Callable[[], Scorer]], left_out: dict[str, str]) -> None:
        self._makers = {name: maker for name, maker in makers.items() if name not in left_out}
        self.left_out = left_out

    def __getitem__(self, name: str) -> Scorer:
        return self._makers[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


def baselines(sequences: Sequences) -> Baselines:
    """Every baseline that the data set is small enough for."""
    reasons = {ITEM_KNN: too_large_for_neighbours(sequences), EASE: too_large_for_ease(sequences)}
    return Baselines(
        {
            MOST_POPULAR: lambda: Popularity(sequences),
            RECENT_POPULAR: lambda: _chosen(sequences, [RecentPopularity(sequences, half_life=h) for h in (1, 4, 16)]),
            MARKOV: lambda: Markov(sequences),
            ITEM_KNN: lambda: ItemNeighbours(sequences),
            EASE: lambda: _chosen(sequences, [Ease(sequences, regularisation=r) for r in (30.0, 150.0, 750.0)]),
        },
        left_out={name: reason for name, reason in reasons.items() if reason},
    )


def _chosen(sequences: Sequences, candidates: list[Scorer]) -> Scorer:
    """The best of them on the validation items of some users."""
    users = drawn_users(sequences.evaluated, _MOST_CHOOSING)
    ranks = [held_out_ranks(sequences, each, held_out=VALIDATION, users=users) for each in candidates]
    return candidates[int(np.argmax([gains(ranks_U, k=100).mean() for ranks_U in ranks]))]
