"""Counts of which item follows which, as an addition to a network's scores.

A network needs many passes before it remembers single transitions that counts know at once. So the counts join as a
product of experts: item j gains `strength * log(how much oftener than by its share the mixture expects it)`, which for
strength 1 and a network that knows popularity alone is the mixture of transitions.py. Above 1 the network recedes, in
whose place popularity comes, so that in the end the mixture ranks alone. The network is trained without it; trained
together, it learns to subtract what it has memorised. The strength is chosen on the validation items, and 0 leaves the
network alone.

Owns: the fitted mixture as tables, and what each item gains after a history. Does not own: fitting (transitions.py).
Shapes: B histories, L places, K lags, V items, S kept successors of an item, F features, D values of a feature, E
pairs.
"""

import numpy as np
import torch

from train.data import Sequences
from train.transitions import FAVOURITE_SMOOTHING, LAGS, SMOOTHING, Mixture, fit, item_shares, ordered_features

_MOST_KEPT, _LEAST_KEPT = 64, 8
_KEPT_IN_ALL = 8_000_000
STRENGTHS = (0.0, 0.25, 0.5, 1.0, 2.0, 8.0)
_FINE_STRENGTHS = (0.0, 0.125, 0.25, 0.375, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 16.0, 32.0)


def strengths_around(strength: float) -> tuple[float, ...]:
    """The chosen one of STRENGTHS with finer steps to both sides."""
    place = _FINE_STRENGTHS.index(strength)
    return _FINE_STRENGTHS[max(0, place - 2) : place + 3]


def kept_successors(items: int) -> int:
    """How many successors of each item have a place in the tables: fewer where the catalog is large."""
    return max(_LEAST_KEPT, min(_MOST_KEPT, _KEPT_IN_ALL // max(1, items)))


class SuccessorCounts(torch.nn.Module):
    """The mixture's tables. Odds are relative to an item's share of all events; absent ones are 0.

    `feature_sizes`: how many values each of the items' features has, that first which tells most of the next item.
    """

    def __init__(self, items: int, *, feature_sizes: tuple[int, ...] = ()) -> None:
        super().__init__()
        kept, most = kept_successors(items), max(feature_sizes, default=0)
        first = feature_sizes[0] if feature_sizes else 0
        self._sizes = feature_sizes
        self.others_2VS: torch.Tensor
        self.odds_2VS: torch.Tensor
        self.rest_2V: torch.Tensor
        self.weights_2K: torch.Tensor
        self.popular: torch.Tensor
        self.values_FV: torch.Tensor
        self.share_FD: torch.Tensor
        self.favourites_F: torch.Tensor
        self.lift_2DD: torch.Tensor
        self.log_share_V: torch.Tensor
        self.strength: torch.Tensor
        self.register_buffer("others_2VS", torch.zeros(2, items, kept, dtype=torch.int32))
        self.register_buffer("odds_2VS", torch.zeros(2, items, kept))
        self.register_buffer("rest_2V", torch.zeros(2, items))
        self.register_buffer("weights_2K", torch.zeros(2, LAGS))
        self.register_buffer("popular", torch.ones(()))
        self.register_buffer("values_FV", torch.zeros(len(feature_sizes), items, dtype=torch.long))
        self.register_buffer("share_FD", torch.ones(len(feature_sizes), most))
        self.register_buffer("favourites_F", torch.zeros(len(feature_sizes)))
        self.register_buffer("lift_2DD", torch.ones(2, first, first))
        self.register_buffer("log_share_V", torch.zeros(items))
        self.register_buffer("strength", torch.zeros(()))

    def fit(self, sequences: Sequences) -> None:
        """Takes the mixture of the events that may be learned from; the strength stays as it is."""
        mixture, share_V = fit(sequences), item_shares(sequences)
        pairs = mixture.pairs
        self._keep(0, pairs.item_E, pairs.next_E, pairs.count_E, mixture.leads_V, share_V)
        self._keep(1, pairs.next_E, pairs.item_E, pairs.count_E, mixture.led_V, share_V)
        self.weights_2K.copy_(torch.from_numpy(mixture.weights_2K))
        self.popular.fill_(mixture.popular)
        self.log_share_V.copy_(torch.from_numpy(np.log(share_V)))
        self._take_features(mixture, share_V)

    def _keep(
        self,
        way: int,
        item_E: np.ndarray,
        other_E: np.ndarray,
        count_E: np.ndarray,
        all_V: np.ndarray,
        share_V: np.ndarray,
    ) -> None:
        """The likeliest others of each item, that way."""
        kept = self.others_2VS.shape[2]
        by_count = np.lexsort((other_E, -count_E, item_E))
        item_E, other_E, count_E = item_E[by_count], other_E[by_count], count_E[by_count]
        place_E = np.arange(len(item_E)) - np.searchsorted(item_E, item_E)
        some = (place_E < kept) & (count_E > 0)
        where = (item_E[some], place_E[some])
        odds_E = count_E[some] / (all_V[item_E[some]] + SMOOTHING) / share_V[other_E[some]]
        self.others_2VS[way].zero_()[where] = torch.from_numpy(other_E[some]).to(self.others_2VS)
        self.odds_2VS[way].zero_()[where] = torch.from_numpy(odds_E).to(self.odds_2VS)
        self.rest_2V[way].copy_(torch.from_numpy(SMOOTHING / (all_V + SMOOTHING)))

    def _take_features(self, mixture: Mixture, share_V: np.ndarray) -> None:
        for number, feature in enumerate(mixture.features):
            share_D = np.bincount(feature.values_V, weights=share_V, minlength=feature.size)
            self.values_FV[number].copy_(torch.from_numpy(feature.values_V))
            self.share_FD[number, : feature.size].copy_(torch.from_numpy(np.maximum(share_D, 1e-12)))
        self.favourites_F.copy_(torch.from_numpy(mixture.favourites_F))
        self.lift_2DD.copy_(torch.from_numpy(mixture.lift_2DD))

    def gains(self, items_BL: torch.Tensor, lengths_B: torch.Tensor) -> torch.Tensor:
        """gains_BV of strength 1, after histories that are padded right."""
        place_BK = lengths_B[:, None] - 1 - torch.arange(LAGS, device=items_BL.device)
        recent_BK = items_BL.gather(1, place_BK.clamp_min(0))
        weights_2BK = self.weights_2K[:, None, :] * (place_BK >= 0)
        rest_2BK = weights_2BK * self.rest_2V[:, recent_BK]
        odds_BN = (self.odds_2VS[:, recent_BK] * weights_2BK[..., None]).transpose(0, 1).flatten(1)
        others_BN = self.others_2VS[:, recent_BK].transpose(0, 1).flatten(1).long()
        ratio_BV = self._otherwise(items_BL, lengths_B, recent_BK, rest_2BK)
        return ratio_BV.scatter_add(1, others_BN, odds_BN).log_()

    def add_to(self, scores_BV: torch.Tensor, gains_BV: torch.Tensor, *, strength: float | None = None) -> torch.Tensor:
        """Adds gains, in place."""
        factor = self.strength if strength is None else torch.as_tensor(strength, device=gains_BV.device)
        return scores_BV.add_(gains_BV * factor).add_(self.log_share_V * (factor - 1.0).clamp_min(0.0))

    def _otherwise(
        self, items_BL: torch.Tensor, lengths_B: torch.Tensor, recent_BK: torch.Tensor, rest_2BK: torch.Tensor
    ) -> torch.Tensor:
        """ratio_BV without the pairs: popularity, favourite values, and where items of such a value mostly go."""
        if not self._sizes:
            return (self.popular + rest_2BK.sum((0, 2)))[:, None].expand(-1, self.rest_2V.shape[1])
        ratio_BV = self.popular
        is_real_BL = (torch.arange(items_BL.shape[1], device=items_BL.device) < lengths_B[:, None]).to(rest_2BK.dtype)
        all_B1 = is_real_BL.sum(1, keepdim=True) + FAVOURITE_SMOOTHING
        for number, size in enumerate(self._sizes):
            values_V = self.values_FV[number]
            liked_BD = is_real_BL.new_zeros(is_real_BL.shape[0], size).scatter_add(1, values_V[items_BL], is_real_BL)
            share_D = self.share_FD[number, :size]
            ratio_BD = self.favourites_F[number] * (liked_BD / share_D + FAVOURITE_SMOOTHING) / all_B1
            if number == 0:
                ratio_BD = ratio_BD + (self._lift(values_V[recent_BK]) * rest_2BK[..., None]).sum((0, 2))
            ratio_BV = ratio_BV + ratio_BD[:, values_V]
        return ratio_BV

    def _lift(self, value_BK: torch.Tensor) -> torch.Tensor:
        return self.lift_2DD[:, value_BK]


def feature_sizes(sequences: Sequences) -> tuple[int, ...]:
    """How many values each feature has, in the order of the tables."""
    return tuple(feature.size for feature in ordered_features(sequences))
