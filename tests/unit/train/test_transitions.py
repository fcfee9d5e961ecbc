"""The mixture of transitions: what it finds in data made for it, and its gains against a plain computation."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
import torch
from train.data import Sequences, sequences
from train.item_features import Feature
from train.successors import STRENGTHS, SuccessorCounts, feature_sizes, kept_successors, strengths_around
from train.transitions import (
    FAVOURITE_SMOOTHING,
    LAGS,
    SMOOTHING,
    Mixture,
    fit,
    item_shares,
    ordered_features,
    transitions,
)

from tests.unit.train.examples import random_sequences

ITEMS = 60


def made(*, tied: float = 0.0, led: float = 0.6, liked: float = 0.0, users: int = 900, seed: int = 0) -> Sequences:
    """Histories in which an item leads to the next one of its own with chance `led`, or one of the user's category is
    taken with chance `liked`, or any. Some are of the moment of the one before, in an order that says nothing.
    """
    random = np.random.default_rng(seed)
    rows = []
    for user in range(users):
        favourite, item, time, moment = random.integers(4), random.integers(ITEMS), 0, []
        for _ in range(10):
            moment.append(item)
            way = random.random()
            of_favourite = 4 * random.integers(ITEMS // 4) + favourite
            item = successor(item) if way < led else of_favourite if way < led + liked else random.integers(ITEMS)
            if random.random() >= tied:
                rows += [(user, each, time) for each in random.permutation(moment)]
                time, moment = time + 1, []
    user, item, time = (pa.array(column) for column in zip(*rows, strict=True))
    table = pa.table(
        {"user_id": user, "item_id": pa.array([f"i{each:03}" for each in item.to_pylist()]), "timestamp": time}
    )
    return sequences(table, fingerprint="f", subject="made")


def successor(item: int) -> int:
    return int((item * 7 + 3) % ITEMS)


def category(size: int = 4) -> Feature:
    return Feature("category", np.arange(ITEMS) % size, size)


def test_pairs_are_counted_within_users_and_training_alone() -> None:
    data = random_sequences(users=80)
    follows: Counter[tuple[int, int]] = Counter()
    for start, length in zip(data.offsets_U1[:-1], data.train_lengths_U, strict=True):
        follows.update(pairwise(data.items_N[start : start + length].tolist()))

    found = transitions(data)

    counted = zip(found.item_E.tolist(), found.next_E.tolist(), strict=True)
    assert dict(zip(counted, found.count_E.tolist(), strict=True)) == dict(follows)


def test_what_leads_to_the_next_item_is_told_from_what_is_taken_at_random() -> None:
    mixture = fit(made())

    assert mixture.weights_2K[0, 0] > 0.6  # what follows an item at random follows it, too
    assert mixture.weights_2K[0, 1:].sum() < 0.08
    assert mixture.weights_2K[1].sum() == 0  # nothing is tied
    assert likeliest(mixture) == {item: successor(item) for item in range(ITEMS)}


def test_of_events_of_one_moment_the_pairs_are_found_in_the_right_direction() -> None:
    mixture = fit(made(tied=0.4, users=2_000))

    assert likeliest(mixture) == {item: successor(item) for item in range(ITEMS)}
    assert mixture.weights_2K[1, 0] > 0.05


def likeliest(mixture: Mixture) -> dict[int, int]:
    best: dict[int, tuple[float, int]] = {}
    for item, after, count in zip(*(column.tolist() for column in mixture.pairs), strict=True):
        best[item] = max(best.get(item, (0.0, -1)), (count, after))
    return {item: after for item, (_, after) in best.items()}


def test_a_liked_category_explains_what_no_pair_does_and_noise_explains_nothing() -> None:
    data = made(led=0.2, liked=0.6)
    noise = Feature("noise", np.random.default_rng(1).permutation(ITEMS) % 4, 4)

    mixture = fit(replace(data, features=(noise, category())))

    favourites = dict(zip([feature.name for feature in mixture.features], mixture.favourites_F, strict=True))
    assert favourites["category"] > 0.4
    assert favourites["noise"] < 0.1


def test_the_feature_that_tells_most_of_the_next_item_comes_first() -> None:
    """An item leads to one of the same third: 7 * i + 3 and i are of one class modulo 3."""
    noise = Feature("noise", np.random.default_rng(1).permutation(ITEMS) % 12, 12)

    data = replace(made(), features=(noise, category(3)))

    assert ordered_features(data)[0].size == 3
    assert feature_sizes(data)[0] == 3
    lift_DD = fit(data).lift_2DD[0]
    assert (np.diag(lift_DD) > 1.5).all()


def test_a_sample_of_users_finds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    data = made()
    monkeypatch.setattr("train.transitions.MOST_EVENTS", 2_500)

    mixture = fit(data)

    assert mixture.leads_V.sum() < 2_500
    assert mixture.weights_2K[0, 0] > 0.6
    assert likeliest(mixture) == {item: successor(item) for item in range(ITEMS)}


@pytest.mark.parametrize("with_features", [False, True])
def test_gains_are_what_the_mixture_says_item_by_item(*, with_features: bool) -> None:
    data = replace(
        made(tied=0.3, users=60, liked=0.2, led=0.4), features=(category(), category(3)) if with_features else ()
    )
    counts = SuccessorCounts(ITEMS, feature_sizes=feature_sizes(data))
    counts.fit(data)
    mixture, share_V = fit(data), item_shares(data)
    histories = [[3], [5, 9, 12], list(range(20, 20 + LAGS + 3))]

    lengths_B = torch.tensor([len(history) for history in histories])
    items_BL = torch.zeros(len(histories), int(lengths_B.max()), dtype=torch.long)
    for row, history in enumerate(histories):
        items_BL[row, : len(history)] = torch.tensor(history)
    found_BV = counts.gains(items_BL, lengths_B)

    for row, history in enumerate(histories):
        expected_V = np.log(expected_ratio(mixture, share_V, history))
        torch.testing.assert_close(found_BV[row].double(), torch.from_numpy(expected_V), rtol=1e-4, atol=1e-4)


def expected_ratio(mixture: Mixture, share_V: np.ndarray, history: list[int]) -> np.ndarray:
    count_VV = np.zeros((ITEMS, ITEMS))
    count_VV[mixture.pairs.item_E, mixture.pairs.next_E] = mixture.pairs.count_E
    ratio_V = np.full(ITEMS, mixture.popular)
    for lag, item in enumerate(reversed(history[-LAGS:])):
        for way, (all_V, counts_VV) in enumerate(((mixture.leads_V, count_VV), (mixture.led_V, count_VV.T))):
            prior_V = np.ones(ITEMS)
            if mixture.features:
                values_V = mixture.features[0].values_V
                prior_V = mixture.lift_2DD[way][values_V[item]][values_V]
            odds_V = (counts_VV[item] / share_V + SMOOTHING * prior_V) / (all_V[item] + SMOOTHING)
            ratio_V = ratio_V + mixture.weights_2K[way, lag] * odds_V
    for feature, weight in zip(mixture.features, mixture.favourites_F, strict=True):
        share_D = np.bincount(feature.values_V, weights=share_V, minlength=feature.size)
        liked_D = np.bincount(feature.values_V[history], minlength=feature.size)
        ratio_D = (liked_D / share_D + FAVOURITE_SMOOTHING) / (len(history) + FAVOURITE_SMOOTHING)
        ratio_V = ratio_V + weight * ratio_D[feature.values_V]
    return ratio_V


def test_a_great_strength_ranks_by_the_mixture_alone_and_none_by_the_network() -> None:
    data = made()
    counts = SuccessorCounts(ITEMS)
    counts.fit(data)
    logits_BV = torch.randn(2, ITEMS)
    gains_BV = counts.gains(torch.tensor([[1, 2], [3, 0]]), torch.tensor([2, 1]))

    assert torch.equal(counts.add_to(logits_BV.clone(), gains_BV, strength=0.0), logits_BV)
    alone_BV = counts.add_to(logits_BV.clone(), gains_BV, strength=1e6) / 1e6
    torch.testing.assert_close(
        alone_BV, gains_BV + torch.log(torch.from_numpy(item_shares(data))).float(), atol=1e-3, rtol=1e-3
    )
    assert torch.equal(
        counts.add_to(logits_BV.clone(), gains_BV), logits_BV
    )  # its own strength is 0 until it is chosen


def test_large_catalogs_keep_fewer_successors_of_each_item() -> None:
    assert [kept_successors(items) for items in (100, 100_000, 500_000, 5_000_000)] == [64, 64, 16, 8]


def test_only_the_most_frequent_successors_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    data = made()
    monkeypatch.setattr("train.successors._MOST_KEPT", 8)
    counts, pairs = SuccessorCounts(ITEMS), fit(data).pairs
    counts.fit(data)

    for item in range(ITEMS):
        of_item = pairs.item_E == item
        best = set(pairs.next_E[of_item][np.argsort(-pairs.count_E[of_item], kind="stable")][:8].tolist())
        assert set(counts.others_2VS[0, item].tolist()) == best


def test_finer_strengths_lie_around_the_chosen_one() -> None:
    assert strengths_around(0.0) == (0.0, 0.125, 0.25)
    for strength in STRENGTHS:
        assert strength in strengths_around(strength)
