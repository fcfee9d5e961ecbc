"""Metrics, ranks and baselines against independent implementations."""

import math
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from implicit.evaluation import ranking_metrics_at_k
from train.baselines import MARKOV, MOST_POPULAR, baselines
from train.data import TEST, VALIDATION, Sequences
from train.metrics import limited_auc, metrics_of, rank_from_counts
from train.ranking import Histories, held_out_ranks, variant_ranks

from tests.unit.train.examples import random_sequences, sequences_of


class FixedScores:
    """Scores by user, for histories of any batch; remembers how many rows were asked for at once."""

    def __init__(self, sequences: Sequences, scores_UV: torch.Tensor) -> None:
        self._user_of_start = {int(start): user for user, start in enumerate(sequences.offsets_U1[:-1])}
        self._scores_UV = scores_UV
        self.most_rows = 0

    def __call__(self, histories: Histories) -> torch.Tensor:
        self.most_rows = max(self.most_rows, len(histories.starts_B))
        return self._scores_UV[[self._user_of_start[int(start)] for start in histories.starts_B]].clone()


def brute_force_ranks(sequences: Sequences, scores_UV: torch.Tensor, held_out: int) -> list[int]:
    ranks = []
    for user in sequences.evaluated:
        history = sequences.items_N[sequences.offsets_U1[user] : sequences.offsets_U1[user + 1]].tolist()
        target, seen = history[-held_out], set(history[:-held_out])
        own = float(scores_UV[user, target])
        others = [float(scores_UV[user, item]) for item in range(len(sequences.catalog)) if item != target]
        unseen = [
            score
            for item, score in zip(
                (item for item in range(len(sequences.catalog)) if item != target), others, strict=True
            )
            if item not in seen
        ]
        ranks.append(sum(score > own for score in unseen) + math.ceil(sum(score == own for score in unseen) / 2))
    return ranks


@pytest.mark.parametrize("held_out", [TEST, VALIDATION])
@pytest.mark.parametrize("seed", [0, 1])
def test_ranks_equal_a_loop_over_users_with_seen_items_filtered_and_ties_half_against(held_out: int, seed: int) -> None:
    sequences = random_sequences(seed=seed)
    random = torch.Generator().manual_seed(seed)
    scores_UV = torch.randint(0, 6, (len(sequences.users), len(sequences.catalog)), generator=random).float()
    found = held_out_ranks(sequences, FixedScores(sequences, scores_UV), held_out=held_out)
    assert found.tolist() == brute_force_ranks(sequences, scores_UV, held_out)


def test_a_constant_score_is_no_better_than_the_middle() -> None:
    sequences = random_sequences()
    constant = torch.zeros(len(sequences.users), len(sequences.catalog))
    ranks = held_out_ranks(sequences, FixedScores(sequences, constant))
    seen = [
        len(set(sequences.items_N[start : end - 1].tolist()) - {int(sequences.items_N[end - 1])})
        for start, end in zip(sequences.offsets_U1[:-1], sequences.offsets_U1[1:], strict=True)
        if end - start >= 3
    ]
    assert ranks.tolist() == [math.ceil((len(sequences.catalog) - 1 - count) / 2) for count in seen]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_a_score_that_is_not_finite_is_refused(bad: float) -> None:
    sequences = random_sequences()
    scores_UV = torch.zeros(len(sequences.users), len(sequences.catalog))
    scores_UV[int(sequences.evaluated[3]), 2] = bad
    with pytest.raises(FloatingPointError, match="not finite"):
        held_out_ranks(sequences, FixedScores(sequences, scores_UV))


def test_users_are_scored_in_batches_of_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    sequences = random_sequences()
    scores_UV = torch.rand(len(sequences.users), len(sequences.catalog))
    whole = held_out_ranks(sequences, FixedScores(sequences, scores_UV))
    monkeypatch.setattr("train.ranking._SCORES_AT_ONCE", 4 * len(sequences.catalog))
    scorer = FixedScores(sequences, scores_UV)
    assert np.array_equal(held_out_ranks(sequences, scorer), whole)
    assert scorer.most_rows == 4


def test_chosen_users_come_back_in_their_order() -> None:
    sequences = random_sequences()
    scorer = FixedScores(sequences, torch.rand(len(sequences.users), len(sequences.catalog)))
    whole = held_out_ranks(sequences, scorer)
    some = np.array([7, 3, 5])
    ranks_SU = variant_ranks(
        sequences, lambda h: (scorer(h) for _ in range(2)), held_out=TEST, users=sequences.evaluated[some]
    )
    assert ranks_SU.tolist() == [whole[some].tolist()] * 2


@pytest.mark.parametrize("k", [1, 5, 10])
def test_metrics_equal_implicits_on_the_same_ranking(k: int) -> None:
    users, items = 80, 40
    random = np.random.default_rng(k)
    targets = random.integers(0, items, users)
    scores_UV = random.permuted(np.tile(np.arange(items, dtype=float), (users, 1)), axis=1)
    ranks = (scores_UV > scores_UV[np.arange(users), targets][:, None]).sum(1)

    class Ranked:
        def recommend(self, ids: np.ndarray, _matrix: sp.csr_matrix, N: int, **_: object) -> tuple:
            order = np.argsort(-scores_UV[ids], axis=1)[:, :N].astype(np.int32)
            return order, np.take_along_axis(scores_UV[ids], order, axis=1)

    held_out = sp.csr_matrix((np.ones(users), (np.arange(users), targets)), shape=(users, items))
    nothing_seen = sp.csr_matrix((users, items))
    theirs = ranking_metrics_at_k(Ranked(), nothing_seen, held_out, K=k, show_progress=False, num_threads=1)
    ours = metrics_of(ranks, catalog_size=items, k=k)
    assert ours[f"auc@{k}"] == pytest.approx(theirs["auc"], abs=1e-9)
    assert ours[f"ndcg@{k}"] == pytest.approx(theirs["ndcg"], abs=1e-6)
    assert ours[f"hr@{k}"] == pytest.approx(theirs["precision"] * 1.0, abs=1e-9)


def test_metrics_of_known_ranks() -> None:
    found = metrics_of(np.array([0, 1, 9, 10]), catalog_size=101)
    assert found["ndcg@10"] == pytest.approx((1 + 1 / math.log2(3) + 1 / math.log2(11)) / 4)
    assert found["hr@10"] == 0.75
    assert limited_auc(np.array([0, 10]), catalog_size=101, k=10).tolist() == [1.0, pytest.approx(0.45)]
    assert rank_from_counts(np.array([2, 2, 2]), np.array([0, 1, 4])).tolist() == [2, 3, 4]


def test_markov_ranks_by_counts_of_what_followed_and_backs_off_to_popularity() -> None:
    sequences = random_sequences(users=90)
    catalog = range(len(sequences.catalog))
    popularity: Counter[int] = Counter()
    follows: Counter[tuple[int, int]] = Counter()
    for user, length in enumerate(sequences.train_lengths_U):
        start = sequences.offsets_U1[user]
        learned = sequences.items_N[start : start + length].tolist()
        popularity.update(learned)
        follows.update(pairwise(learned))
    scores_UV = torch.zeros(len(sequences.users), len(sequences.catalog), dtype=torch.float64)
    for user in range(len(sequences.users)):
        history = sequences.items_N[sequences.offsets_U1[user] : sequences.offsets_U1[user + 1]].tolist()
        if len(history) > 1:
            row = [follows[history[-2], item] + popularity[item] / 1_000 for item in catalog]
            scores_UV[user] = torch.tensor(row, dtype=torch.float64)
    scorer = baselines(sequences)[MARKOV]
    assert held_out_ranks(sequences, scorer).tolist() == brute_force_ranks(sequences, scores_UV, TEST)


def test_most_popular_counts_only_what_may_be_learned_from() -> None:
    sequences = sequences_of([["a", "b", "c"], ["a", "c", "b"], ["b", "c", "c", "c"]])
    scores_BV = baselines(sequences)[MOST_POPULAR](
        Histories(sequences.items_N, sequences.offsets_U1[:1], sequences.offsets_U1[1:2])
    )
    assert scores_BV.tolist() == [[2.0, 1.0, 1.0]]
