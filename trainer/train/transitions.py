"""Which item follows which, by counting: pairs of items, and what makes a transition out of two events.

A user's next item is taken for a draw from a mixture: one of the last items chooses it among those that follow that
item, or it is liked for a category that the user likes, or it is popular (a mixture transition distribution, Raftery,
JRSS B 1985, with Dirichlet smoothing, MacKay and Peto, 1995). Expectation maximisation tells how much each of these
explains and gives each pair its share of the events. Two things make such counts sharp: events of one moment have no
order, so that either may have led to the other; and where items have categories, those that follow an item are sought
first where such items mostly go.

Owns: counting and fitting. Does not own: scores (successors.py). Each event is explained without its own count.
Shapes: V items, E pairs, N events, T events to explain, C candidates for having led to one of them, K how far back a
candidate stands, F features, D values of the first of them.
"""

from typing import NamedTuple

import numpy as np

from train.data import Sequences
from train.item_features import Feature

LAGS = 8
SMOOTHING = 8.0  # unseen successors count as much as so many events
FAVOURITE_SMOOTHING = 2.0
_DISTANCES = 4  # moments back that are told apart; farther ones are one
_ROUNDS = 12
MOST_EVENTS = 1_500_000
_LEAST_POPULAR = 1e-4


class Transitions(NamedTuple):
    """Distinct (item, next item) pairs of the events that may be learned from, ordered by item, then next item."""

    item_E: np.ndarray
    next_E: np.ndarray
    count_E: np.ndarray


def transitions(sequences: Sequences) -> Transitions:
    """How often each item was followed by each other, in the order of the data."""
    items_N = sequences.items_N.astype(np.int64)  # pairs of items are one number
    size = np.int64(len(sequences.catalog))
    first_of_user_N = np.zeros(len(items_N), dtype=bool)
    first_of_user_N[sequences.offsets_U1[:-1][sequences.lengths_U > 0]] = True
    later = np.flatnonzero(sequences.is_train_N & ~first_of_user_N)
    pair_E, count_E = np.unique(items_N[later - 1] * size + items_N[later], return_counts=True)
    return Transitions(pair_E // size, pair_E % size, count_E)


class Mixture(NamedTuple):
    """A fitted mixture. Weights are shares of all events. `lift_2DD[0]` tells how much oftener than by chance an item
    of one value leads to one of another, `lift_2DD[1]` the same backwards; of the first of `features`, empty without.
    """

    pairs: Transitions  # with the events that each explains
    leads_V: np.ndarray  # events that each item led to
    led_V: np.ndarray  # events of each item that another led to
    weights_2K: np.ndarray  # of the item so far back leading to the next one, and of having been led to by it
    popular: float
    favourites_F: np.ndarray
    features: tuple[Feature, ...]
    lift_2DD: np.ndarray


class _Candidates(NamedTuple):
    """What may have led to each event: `kind` is one weight of the mixture, of which an event's candidates have equal
    shares. A candidate at the same moment may also have been led to by the event: then it is there once more, `is_led`.
    """

    event_C: np.ndarray
    lag_C: np.ndarray
    kind_C: np.ndarray
    is_led_C: np.ndarray
    item_C: np.ndarray
    next_C: np.ndarray


def item_shares(sequences: Sequences) -> np.ndarray:
    """Each item's share of the events to learn from."""
    share_V = sequences.train_counts_V + 0.5
    return share_V / share_V.sum()


def fit(sequences: Sequences) -> Mixture:
    """The likeliest mixture for the events that may be learned from, of many a sample of users."""
    share_V = item_shares(sequences)
    place_T = _explained(sequences)
    features = ordered_features(sequences)
    candidates = _candidates(sequences, place_T)
    return _Fit(sequences, place_T, features, candidates, share_V).run()


def _explained(sequences: Sequences) -> np.ndarray:
    """Places of the events to explain: all but each user's first."""
    first_N = np.zeros(len(sequences.items_N), dtype=bool)
    first_N[sequences.offsets_U1[:-1][sequences.lengths_U > 0]] = True
    place_T = np.flatnonzero(sequences.is_train_N & ~first_N)
    if len(place_T) <= MOST_EVENTS:
        return place_T
    user_T = np.searchsorted(sequences.offsets_U1, place_T, side="right") - 1
    order_U = np.random.default_rng(0).permutation(len(sequences.users))
    most = np.quantile(order_U[user_T], MOST_EVENTS / len(place_T))
    return place_T[order_U[user_T] <= most]


def _candidates(sequences: Sequences, place_T: np.ndarray) -> _Candidates:
    items_N, times_N = sequences.items_N.astype(np.int64), sequences.times_N
    user_N = np.repeat(np.arange(len(sequences.users)), sequences.lengths_U)
    starts_N = np.ones(len(items_N), dtype=bool)
    starts_N[1:] = (user_N[1:] != user_N[:-1]) | (times_N[1:] != times_N[:-1])
    moment_N = np.cumsum(starts_N)
    is_tied_T = ~starts_N[place_T]
    parts = []
    for lag in range(1, LAGS + 1):
        event_C = np.flatnonzero((place_T >= lag) & (user_N[place_T] == user_N[place_T - lag]))
        before_C = place_T[event_C] - lag
        distance_C = np.minimum(moment_N[place_T[event_C]] - moment_N[before_C], _DISTANCES)
        kind_C = np.where(is_tied_T[event_C], _DISTANCES + 1 + distance_C, distance_C - 1)
        parts.append((event_C, np.full(len(event_C), lag - 1), kind_C, before_C))
    event_C, lag_C, kind_C, before_C = (np.concatenate(column) for column in zip(*parts, strict=True))
    same = np.flatnonzero(kind_C == _DISTANCES + 1)  # the same moment: also the other way round
    event_C, lag_C, before_C = (np.concatenate([each, each[same]]) for each in (event_C, lag_C, before_C))
    is_led_C = np.arange(len(event_C)) >= len(kind_C)
    kind_C = np.concatenate([kind_C, np.full(len(same), _DISTANCES)])
    earlier_C, later_C = items_N[before_C], items_N[place_T[event_C]]
    item_C, next_C = np.where(is_led_C, later_C, earlier_C), np.where(is_led_C, earlier_C, later_C)
    return _Candidates(event_C, lag_C, kind_C, is_led_C, item_C.astype(np.int64), next_C.astype(np.int64))


def ordered_features(sequences: Sequences) -> tuple[Feature, ...]:
    """The items' features, first the one whose value tells most about the next item's: by their mutual information,
    less what chance alone adds to it.
    """
    place_T = _explained(sequences)
    before_T, after_T = (sequences.items_N[place].astype(np.int64) for place in (place_T - 1, place_T))

    def told(feature: Feature) -> float:
        count_DD = _table(feature.values_V[before_T], feature.values_V[after_T], feature.size, np.ones(len(place_T)))
        return _mutual_information(count_DD)

    return tuple(sorted(sequences.features, key=told, reverse=True))


def _table(one: np.ndarray, other: np.ndarray, size: int, weights: np.ndarray) -> np.ndarray:
    return np.bincount(one * size + other, weights=weights, minlength=size * size).reshape(size, size)


def _mutual_information(count_DD: np.ndarray) -> float:
    total = max(1.0, count_DD.sum())
    joint_DD = count_DD / total
    chance_DD = joint_DD.sum(1)[:, None] * joint_DD.sum(0)[None, :]
    seen = joint_DD > 0
    found = float((joint_DD[seen] * np.log(joint_DD[seen] / chance_DD[seen])).sum())
    free = (np.count_nonzero(joint_DD.sum(1)) - 1) * (np.count_nonzero(joint_DD.sum(0)) - 1)
    return found - free / (2 * total)


class _Fit:
    """Expectation maximisation. All likelihoods are ratios to the item's share of all events."""

    def __init__(
        self,
        sequences: Sequences,
        place_T: np.ndarray,
        features: tuple[Feature, ...],
        candidates: _Candidates,
        share_V: np.ndarray,
    ) -> None:
        self._share_V, self._features, self._candidates = share_V, features, candidates
        self._size, self._events = len(share_V), len(place_T)
        pair_C = candidates.item_C * self._size + candidates.next_C
        self._pair_E, self._pair_C = np.unique(pair_C, return_inverse=True)
        self._target_C = np.where(candidates.is_led_C, candidates.item_C, candidates.next_C)
        kinds = 2 * _DISTANCES + 2
        shared = np.bincount(candidates.event_C * kinds + candidates.kind_C, minlength=self._events * kinds)
        self._part_C = 1.0 / shared[candidates.event_C * kinds + candidates.kind_C]
        self._is_tied_T = np.bincount(candidates.event_C[candidates.is_led_C], minlength=self._events) > 0
        self._tied = np.array([(~self._is_tied_T).sum(), self._is_tied_T.sum()])
        self._liked_FT = _liked(sequences, place_T, features)
        self._weights = np.full(kinds, 0.5 / kinds)
        self._popular_2 = np.full(2, 0.3)
        self._favourites_F2 = np.full((len(features), 2), 0.2 / max(1, len(features)))
        self._led_C = np.full(len(pair_C), 0.1)
        self._lift_2DD = np.ones((2, 0, 0))

    def run(self) -> Mixture:
        for _ in range(_ROUNDS):
            self._round()
        candidates, share_2 = self._candidates, self._tied / max(1, self._events)
        weights_2K = np.bincount(
            candidates.is_led_C * LAGS + candidates.lag_C, weights=self._led_C, minlength=2 * LAGS
        ).reshape(2, LAGS)
        count_E = np.bincount(self._pair_C, weights=self._led_C, minlength=len(self._pair_E))
        return Mixture(
            pairs=Transitions(self._pair_E // self._size, self._pair_E % self._size, count_E),
            leads_V=np.bincount(candidates.item_C, weights=self._led_C, minlength=self._size),
            led_V=np.bincount(candidates.next_C, weights=self._led_C, minlength=self._size),
            weights_2K=weights_2K / max(1, self._events),
            popular=max(_LEAST_POPULAR, float(self._popular_2 @ share_2)),
            favourites_F=self._favourites_F2 @ share_2,
            features=self._features,
            lift_2DD=self._lift_2DD,
        )

    def _round(self) -> None:
        candidates, tied_T = self._candidates, self._is_tied_T.astype(int)
        explained_C = self._weights[candidates.kind_C] * self._part_C * self._odds()
        by_popular_T = self._popular_2[tied_T]
        by_favourite_FT = self._favourites_F2[:, tied_T] * self._liked_FT
        total_T = np.bincount(candidates.event_C, weights=explained_C, minlength=self._events)
        total_T += by_popular_T + by_favourite_FT.sum(0)
        self._led_C = explained_C / total_T[candidates.event_C]
        count = np.maximum(1, self._tied)
        of_kind = np.bincount(candidates.kind_C, weights=self._led_C, minlength=len(self._weights))
        self._weights = of_kind / np.where(np.arange(len(of_kind)) < _DISTANCES, *count)
        self._popular_2 = np.bincount(tied_T, weights=by_popular_T / total_T, minlength=2) / count
        for number, by_T in enumerate(by_favourite_FT):
            self._favourites_F2[number] = np.bincount(tied_T, weights=by_T / total_T, minlength=2) / count

    def _odds(self) -> np.ndarray:
        """How much oftener than by its share each candidate's pair gives the event, that event left out."""
        candidates, size = self._candidates, self._size
        count_E = np.bincount(self._pair_C, weights=self._led_C, minlength=len(self._pair_E))
        leads_V = np.bincount(candidates.item_C, weights=self._led_C, minlength=size)
        led_V = np.bincount(candidates.next_C, weights=self._led_C, minlength=size)
        all_C = np.where(candidates.is_led_C, led_V[candidates.next_C], leads_V[candidates.item_C]) - self._led_C
        others_C = np.maximum(count_E[self._pair_C] - self._led_C, 0.0)
        return (others_C / self._share_V[self._target_C] + SMOOTHING * self._lift()) / (all_C + SMOOTHING)

    def _lift(self) -> np.ndarray | float:
        if not self._features:
            return 1.0
        first, candidates = self._features[0], self._candidates
        item_C, next_C = first.values_V[candidates.item_C], first.values_V[candidates.next_C]
        share_D = np.maximum(np.bincount(first.values_V, weights=self._share_V, minlength=first.size), 1e-12)
        count_DD = _table(item_C, next_C, first.size, self._led_C)
        self._lift_2DD = np.stack(
            [
                (each + SMOOTHING * share_D) / (each.sum(1)[:, None] + SMOOTHING) / share_D
                for each in (count_DD, count_DD.T)
            ]
        )
        return np.where(candidates.is_led_C, self._lift_2DD[1][next_C, item_C], self._lift_2DD[0][item_C, next_C])


def _liked(sequences: Sequences, place_T: np.ndarray, features: tuple[Feature, ...]) -> np.ndarray:
    """liked_FT: how much oftener than by its share the event's value is among the user's other events."""
    user_N = np.repeat(np.arange(len(sequences.users)), sequences.lengths_U)
    learned = sequences.is_train_N
    user_T, item_T = user_N[place_T], sequences.items_N[place_T].astype(np.int64)
    others_T = sequences.train_lengths_U[user_T] - 1
    share_V = item_shares(sequences)
    liked = []
    for feature in features:
        share_D = np.maximum(np.bincount(feature.values_V, weights=share_V, minlength=feature.size), 1e-12)
        key_N = user_N[learned] * feature.size + feature.values_V[sequences.items_N[learned]]
        held, count = np.unique(key_N, return_counts=True)
        value_T = feature.values_V[item_T]
        own_T = count[np.searchsorted(held, user_T * feature.size + value_T)] - 1
        ratio_T = (own_T / share_D[value_T] + FAVOURITE_SMOOTHING) / (others_T + FAVOURITE_SMOOTHING)
        liked.append(ratio_T)
    return np.array(liked).reshape(len(features), len(place_T))
