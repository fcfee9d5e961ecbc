"""Matrix factorisation by `implicit`: a user is a set of items, their order says nothing.

ALS computes a user's factors anew from the history given; BPR cannot, its users are as they were learned.

Shapes: B users of a batch, U users, V items, F factors.
"""

import numpy as np
import torch
from implicit.cpu.als import AlternatingLeastSquares
from implicit.cpu.bpr import BayesianPersonalizedRanking
from scipy.sparse import csr_matrix
from train.ranking import Histories, spans

from tests.bench.train.points import Task
from tests.bench.train.windows import learned

_FACTORS = 128
_ALS_ITERATIONS, _BPR_ITERATIONS = 30, 1_000


def train_als(task: Task) -> None:
    model = AlternatingLeastSquares(
        factors=_FACTORS,
        regularization=0.01,
        alpha=1.0,
        iterations=_ALS_ITERATIONS,
        num_threads=1,
        random_state=task.seed,
    )

    def scores(histories: Histories) -> torch.Tensor:
        owned = _owned(histories, len(task.sequences.catalog))
        factors_BF = np.asarray(model.recalculate_user(np.arange(owned.shape[0]), owned))
        return torch.from_numpy(factors_BF.reshape(owned.shape[0], -1)) @ torch.from_numpy(model.item_factors).T

    model.fit(_pairs(task), show_progress=False, callback=lambda *_told: task.offer(scores))


def train_bpr(task: Task) -> None:
    model = BayesianPersonalizedRanking(
        factors=_FACTORS - 1,  # it adds a bias
        learning_rate=0.01,
        regularization=0.01,
        iterations=_BPR_ITERATIONS,
        num_threads=1,
        random_state=task.seed,
    )

    def scores(histories: Histories) -> torch.Tensor:
        users_B = np.searchsorted(task.sequences.offsets_U1, histories.starts_B, side="right") - 1
        return torch.from_numpy(model.user_factors[users_B]) @ torch.from_numpy(model.item_factors).T

    model.fit(_pairs(task), show_progress=False, callback=lambda *_told: task.offer(scores))


def _pairs(task: Task) -> csr_matrix:
    user_N, item_N, _ = learned(task.sequences)
    shape = (len(task.sequences.users), len(task.sequences.catalog))
    return _sets(user_N, item_N, shape)


def _owned(histories: Histories, size: int) -> csr_matrix:
    row_N, place_N = spans(histories.starts_B, histories.ends_B - histories.starts_B)
    return _sets(row_N, histories.items_N[place_N], (len(histories.ends_B), size))


def _sets(row_N: np.ndarray, item_N: np.ndarray, shape: tuple[int, int]) -> csr_matrix:
    """1 where a row has an item, however often."""
    found = csr_matrix((np.ones(len(row_N), dtype=np.float32), (row_N, item_N)), shape=shape)
    found.data[:] = 1.0
    return found
