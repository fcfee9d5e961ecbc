"""Two models without training: most popular, and first-order Markov counts. A network that loses to them is not worth
its machine.

Both are fitted on all but the last two events of each user (data.Sequences.is_train_N).

Shapes: B users of a batch, V items of the catalog, E distinct transitions.
"""

import numpy as np
import torch

from train.data import Sequences
from train.ranking import Histories, Scorer, spans
from train.successors import transitions

MOST_POPULAR = "most_popular"
MARKOV = "markov"


class Popularity:
    """Scores an item by how often it occurs."""

    def __init__(self, sequences: Sequences) -> None:
        self._counts_V = torch.from_numpy(sequences.train_counts_V.astype(np.float64))

    def __call__(self, histories: Histories) -> torch.Tensor:
        return self._counts_V.repeat(len(histories.ends_B), 1)


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


def baselines(sequences: Sequences) -> dict[str, Scorer]:
    """The baselines by the name under which reports show them."""
    return {MOST_POPULAR: Popularity(sequences), MARKOV: Markov(sequences)}
