"""Ranking metrics of one held-out item per user, from its rank.

A rank is 0 for the best place. Ties count half against the model, rounded up, so a constant score is no better than
chance. Since one item is held out, recall@k is hr@k.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np

K = 10
KS = (5, 10, 20)
MRR = "mrr"
PRIMARY = f"ndcg@{K}"


def rank_from_counts(greater: np.ndarray, equal: np.ndarray) -> np.ndarray:
    """Rank of a target that `greater` candidates beat and `equal` others tie with."""
    return greater + (equal + 1) // 2


def metrics_of(ranks_U: np.ndarray, *, catalog_size: int, k: int = K) -> dict[str, float]:
    """ndcg@k, hr@k and auc@k averaged over users."""
    return {
        f"ndcg@{k}": float(gains(ranks_U, k=k).mean()),
        f"hr@{k}": float((ranks_U < k).mean()),
        f"auc@{k}": float(limited_auc(ranks_U, catalog_size=catalog_size, k=k).mean()),
    }


def values_of(ranks_U: np.ndarray, *, catalog_size: int, ks: Sequence[int] = KS) -> dict[str, np.ndarray]:
    """Every metric's value for each user, by its name: their means are the metrics."""
    values = {MRR: 1.0 / (ranks_U + 1.0)}
    for k in ks:
        hit_U = (ranks_U < k).astype(np.float64)
        values |= {f"ndcg@{k}": gains(ranks_U, k=k), f"hr@{k}": hit_U, f"recall@{k}": hit_U}
        values[f"auc@{k}"] = limited_auc(ranks_U, catalog_size=catalog_size, k=k)
    return values


def gains(ranks_U: np.ndarray, *, k: int) -> np.ndarray:
    """Discounted gain of a target within the first k places; the ideal is 1."""
    return np.where(ranks_U < k, 1.0 / np.log2(ranks_U + 2.0), 0.0)


def limited_auc(ranks_U: np.ndarray, *, catalog_size: int, k: int) -> np.ndarray:
    """Area under the ROC curve of the top k, the rest taken as ordered at random (`implicit.evaluation`, AUC@K).

    Every other item of the catalog is a negative, items that were filtered from the ranking included.
    """
    negatives = catalog_size - 1
    if negatives <= 0:
        return np.ones(len(ranks_U))
    shown = min(k, negatives)
    return np.where(ranks_U < k, 1.0 - ranks_U / negatives, 0.5 * (negatives - shown) / negatives)


def worth(metrics: Mapping[str, float]) -> float:
    """The number by which models are compared; a missing or non-finite one is the worst."""
    value = metrics.get(PRIMARY, -math.inf)
    return value if math.isfinite(value) else -math.inf
