"""What is measured beside ranks, each against a slow and plain computation of its own."""

import math
from collections import Counter
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
import torch
from train.baselines import EASE, ITEM_KNN, MARKOV, MOST_POPULAR, RECENT_POPULAR, RecentPopularity, baselines
from train.data import TEST, Sequences
from train.exposure import Exposure
from train.intervals import difference_of, interval_of
from train.judge import Judge
from train.linear_baselines import Ease, ItemNeighbours
from train.metrics import values_of
from train.ranking import Histories, drawn_users, held_out_ranks
from train.slices import by_activity, by_popularity, popularity_groups

from tests.unit.train.examples import random_sequences, sequences_of

from .test_ranking import FixedScores


def history_of(sequences: Sequences, user: int) -> list[int]:
    return sequences.items_N[sequences.offsets_U1[user] : sequences.offsets_U1[user + 1]].tolist()


def learned_of(sequences: Sequences, user: int) -> list[int]:
    history = history_of(sequences, user)
    return history[:-2] if len(history) >= 3 else history


def scores_before_the_test_item(sequences: Sequences, scorer: Any) -> np.ndarray:
    """scores_UV of the users who can be evaluated, from one batch."""
    users = sequences.evaluated
    histories = Histories(sequences.items_N, sequences.offsets_U1[users], sequences.offsets_U1[users + 1] - TEST)
    return scorer(histories).double().numpy()


def distinct_scores(sequences: Sequences, seed: int = 0) -> torch.Tensor:
    random = np.random.default_rng(seed)
    shape = (len(sequences.users), 1)
    rows = np.tile(np.arange(len(sequences.catalog), dtype=float), shape)
    return torch.from_numpy(random.permuted(rows, axis=1))


def shown_lists(sequences: Sequences, scores_UV: torch.Tensor, k: int) -> list[list[int]]:
    lists = []
    for user in sequences.evaluated:
        history = history_of(sequences, user)
        left = [item for item in range(len(sequences.catalog)) if item not in history[:-1] or item == history[-1]]
        lists.append(sorted(left, key=lambda item, row=scores_UV[user]: -float(row[item]))[:k])
    return lists


@pytest.mark.parametrize("k", [1, 3, 10])
def test_values_of_each_user_follow_the_lists_that_are_shown(k: int) -> None:
    sequences = random_sequences(seed=k)
    scores_UV = distinct_scores(sequences)
    ranks_U = held_out_ranks(sequences, FixedScores(sequences, scores_UV))
    values = values_of(ranks_U, catalog_size=len(sequences.catalog), ks=(k,))
    whole = shown_lists(sequences, scores_UV, len(sequences.catalog))
    for place, (user, shown) in enumerate(zip(sequences.evaluated, whole, strict=True)):
        rank = shown.index(history_of(sequences, user)[-1])
        assert values["mrr"][place] == pytest.approx(1 / (rank + 1))
        hit = rank < k
        assert values[f"hr@{k}"][place] == values[f"recall@{k}"][place] == float(hit)
        assert values[f"ndcg@{k}"][place] == pytest.approx(1 / math.log2(rank + 2) if hit else 0.0)
        # The rest at random: on average the target stands in the middle of what is not shown.
        others = len(sequences.catalog) - 1
        beaten = others - rank if hit else (others - k) / 2
        assert values[f"auc@{k}"][place] == pytest.approx(beaten / others)


def test_coverage_and_novelty_follow_the_lists_that_are_shown() -> None:
    sequences = random_sequences(users=30, items=60)
    scores_UV = distinct_scores(sequences)
    exposure = Exposure(len(sequences.catalog), ks=(2, 7))
    held_out_ranks(sequences, FixedScores(sequences, scores_UV), watch=exposure)
    counts: Counter[int] = Counter()
    for user in range(len(sequences.users)):
        counts.update(learned_of(sequences, user))
    total = sum(counts.values()) + len(sequences.catalog)
    for k in (2, 7):
        shown = [item for items in shown_lists(sequences, scores_UV, k) for item in items]
        found = exposure.metrics(sequences.train_counts_V)
        assert found[f"coverage@{k}"] == len(set(shown)) / len(sequences.catalog)
        novelty = -sum(math.log2((counts[item] + 1) / total) for item in shown) / len(shown)
        assert found[f"novelty@{k}"] == pytest.approx(novelty)


def test_who_has_seen_nearly_everything_is_shown_what_is_left() -> None:
    exposure = Exposure(4, ks=(3,))
    exposure(torch.tensor([[1.0, -torch.inf, -torch.inf, 0.5], [-torch.inf, 2.0, -torch.inf, -torch.inf]]))
    assert exposure.shown_V(3).tolist() == [1, 1, 0, 1]


@pytest.mark.parametrize("values", [[0.0, 0.5, 1.0], [0.0, 1.0], list(np.linspace(0, 1, 400))])
def test_an_interval_is_that_of_users_drawn_with_replacement(values: list[float]) -> None:
    random = np.random.default_rng(1)
    values_U = random.choice(values, 300)
    means = values_U[random.integers(0, 300, (20_000, 300))].mean(1)
    low, high = interval_of(values_U)
    spread = means.std()
    assert low == pytest.approx(np.quantile(means, 0.025), abs=0.15 * spread)
    assert high == pytest.approx(np.quantile(means, 0.975), abs=0.15 * spread)


def test_a_difference_is_paired_and_says_whether_it_may_be_chance() -> None:
    random = np.random.default_rng(2)
    base_U = random.random(400)
    better = difference_of(base_U + 0.01, base_U)
    assert (better.verdict, difference_of(base_U, base_U + 0.01).verdict) == ("better", "worse")
    assert better.low == pytest.approx(0.01)  # every user gains as much: unpaired, the noise would hide it
    noisy = difference_of(base_U, random.permutation(base_U))
    assert noisy.verdict == "alike"
    assert noisy.low < noisy.mean < noisy.high


def test_activity_groups_hold_every_user_once_from_least_to_most_active() -> None:
    sequences = random_sequences(users=90)
    groups = by_activity(sequences, sequences.evaluated)
    assert sorted(np.concatenate([group.members for group in groups])) == list(range(len(sequences.evaluated)))
    lengths = [[len(learned_of(sequences, sequences.evaluated[place])) for place in group.members] for group in groups]
    for lower, higher in pairwise(lengths):
        assert max(lower) < min(higher)
    ends = [(min(each), max(each)) for each in lengths]
    told = [f"{low} events" if low == high else f"{low} to {high} events" for low, high in ends]
    assert [group.name for group in groups] == told


def test_best_sellers_middle_and_tail_have_a_third_of_all_events_each() -> None:
    counts_V = np.array([0, 1, 30, 10, 10, 10, 1, 28])
    masks = popularity_groups(counts_V)
    assert {name: np.flatnonzero(mask_V).tolist() for name, mask_V in masks.items()} == {
        "head": [2],
        "middle": [3, 7],
        "tail": [1, 4, 5, 6],
        "new": [0],
    }


def test_users_are_grouped_by_the_popularity_of_what_they_chose() -> None:
    sequences = sequences_of([["a", "a", "a", "b", "a"], ["a", "a", "a", "b", "new"], ["a", "a", "c", "b", "c"]])
    groups = {group.name: group.members.tolist() for group in by_popularity(sequences, sequences.evaluated)}
    assert groups == {"head": [0], "new": [1], "tail": [2]}


def test_recent_popularity_halves_with_each_period_and_knows_no_later_one() -> None:
    histories = [["a", "b", "c", "b", "a"], ["c", "c", "d", "a", "b"], ["d", "d", "a", "b", "c"], ["a", "b"]]
    sequences = sequences_of(histories)
    scorer = RecentPopularity(sequences, half_life=1.0, periods=3)
    learned = sorted((time, item) for user in range(4) for time, item in enumerate(learned_of(sequences, user)))
    times = [time for time, _ in learned]  # nought to two, with as many events in each as in the next
    assert Counter(times) == {0: 4, 1: 4, 2: 3}
    scores_UV = scores_before_the_test_item(sequences, scorer)
    for row in scores_UV:  # each user's last event before the test item is of the last period
        expected = [sum(0.5 ** (2 - time) for time, its in learned if its == item) for item in range(4)]
        assert row.tolist() == pytest.approx(expected)
    early = scorer(Histories(sequences.items_N, sequences.offsets_U1[:1], sequences.offsets_U1[:1] + 1))
    assert early[0].tolist() == [sum(1.0 for time, its in learned if (its, time) == (item, 0)) for item in range(4)]


def test_item_neighbours_score_by_summed_cosines_of_the_nearest() -> None:
    sequences = random_sequences(users=70, items=20)
    sets = [set(learned_of(sequences, user)) for user in range(len(sequences.users))]
    size, near = len(sequences.catalog), 6
    cosine = np.zeros((size, size))
    for one, other in product(range(size), repeat=2):
        if one != other:
            both = sum(one in items and other in items for items in sets)
            counts = [max(1, sum(item in items for items in sets)) for item in (one, other)]
            cosine[one, other] = both / math.sqrt(counts[0] * counts[1])
    for row in cosine:
        row[row < np.sort(row)[-near]] = 0
    found = scores_before_the_test_item(sequences, ItemNeighbours(sequences, neighbours=near))
    for user, row in zip(sequences.evaluated, found, strict=True):
        expected = cosine[sorted(set(history_of(sequences, user)[:-1]))].sum(0)
        # Where neighbours tie for the last place either may be kept.
        assert np.mean(np.isclose(row, expected, atol=1e-6)) > 0.6


def test_item_neighbours_with_room_for_all_are_exact() -> None:
    sequences = random_sequences(users=70, items=20)
    owns_UV = np.zeros((len(sequences.users), len(sequences.catalog)))
    for user in range(len(sequences.users)):
        owns_UV[user, learned_of(sequences, user)] = 1
    both_VV = owns_UV.T @ owns_UV
    norm_V = np.sqrt(np.maximum(1, np.diag(both_VV)))
    cosine_VV = both_VV / np.outer(norm_V, norm_V)
    np.fill_diagonal(cosine_VV, 0)
    found = scores_before_the_test_item(sequences, ItemNeighbours(sequences, neighbours=len(sequences.catalog)))
    for user, row in zip(sequences.evaluated, found, strict=True):
        assert row == pytest.approx(cosine_VV[sorted(set(history_of(sequences, user)[:-1]))].sum(0), abs=1e-5)


def test_ease_is_the_ridge_regression_of_each_item_on_the_others() -> None:
    sequences = random_sequences(users=80, items=15)
    owns_UV = np.zeros((len(sequences.users), len(sequences.catalog)))
    for user in range(len(sequences.users)):
        owns_UV[user, learned_of(sequences, user)] = 1
    size, ridge = len(sequences.catalog), 7.0
    weights_VV = np.zeros((size, size))
    for item in range(size):
        others = [other for other in range(size) if other != item]
        rows = np.vstack([owns_UV[:, others], math.sqrt(ridge) * np.eye(size - 1)])
        goal = np.concatenate([owns_UV[:, item], np.zeros(size - 1)])
        weights_VV[others, item] = np.linalg.lstsq(rows, goal, rcond=None)[0]
    found = scores_before_the_test_item(sequences, Ease(sequences, regularisation=ridge))
    for user, row in zip(sequences.evaluated, found, strict=True):
        assert row == pytest.approx(weights_VV[sorted(set(history_of(sequences, user)[:-1]))].sum(0), abs=1e-4)


def test_chunks_of_the_catalog_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    sequences = random_sequences(users=70, items=20)
    whole = scores_before_the_test_item(sequences, Ease(sequences, regularisation=5.0))
    monkeypatch.setattr("train.linear_baselines._COUNTS_AT_ONCE", 3 * len(sequences.catalog))
    assert scores_before_the_test_item(sequences, Ease(sequences, regularisation=5.0)) == pytest.approx(whole)


def test_a_catalog_too_large_leaves_the_dense_baselines_out_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    sequences = random_sequences()
    assert list(baselines(sequences)) == [MOST_POPULAR, RECENT_POPULAR, MARKOV, ITEM_KNN, EASE]
    monkeypatch.setattr("train.linear_baselines._MOST_EASE_ITEMS", 24)
    monkeypatch.setattr("train.linear_baselines._MOST_COOCCURRENCES", 100)
    found = baselines(sequences)
    assert list(found) == [MOST_POPULAR, RECENT_POPULAR, MARKOV]
    assert "the catalog has 25 items" in found.left_out[EASE]
    assert "at most 100" in found.left_out[ITEM_KNN]


def test_a_sample_of_users_is_always_the_same_and_ranks_as_among_all() -> None:
    sequences = random_sequences(users=90)
    some = drawn_users(sequences.evaluated, 20)
    assert len(some) == 20
    assert np.array_equal(some, drawn_users(sequences.evaluated, 20))
    assert np.array_equal(drawn_users(sequences.evaluated, 10_000), sequences.evaluated)
    scorer = FixedScores(sequences, distinct_scores(sequences))
    whole = dict(zip(sequences.evaluated.tolist(), held_out_ranks(sequences, scorer), strict=True))
    judged = Judge(sequences, users=some).rank(scorer)
    assert judged.values["mrr"].tolist() == pytest.approx([1 / (whole[int(user)] + 1) for user in some])


def test_slices_and_shares_add_up_to_the_whole() -> None:
    sequences = random_sequences(users=90)
    judge = Judge(sequences, users=sequences.evaluated)
    judged = judge.rank(FixedScores(sequences, distinct_scores(sequences)))
    popular = judge.rank(baselines(sequences)[MOST_POPULAR])
    for groups in judge.slices(judged, {"most_popular": popular}).values():
        for of, whole in (("metrics", judged), ("rivals", popular)):
            name = "ndcg@10" if of == "metrics" else "most_popular"
            summed = sum(group["users"] * group[of][name] for group in groups)
            assert summed / len(judge.users) == pytest.approx(whole.values["ndcg@10"].mean())
    for shares in judge.shown({"this model": judged}).values():
        assert sum(shares.values()) == pytest.approx(1.0)
