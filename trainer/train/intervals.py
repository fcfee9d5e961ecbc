"""How sure a mean over users is: percentile bootstrap intervals, of one model and of the difference of two.

Owns: resampling users. Does not own: what is measured. Users of the same value are interchangeable, so a resample of
all users is one multinomial draw over the distinct values (Efron, 1979): a metric of the first k places has k + 1 of
them, however many users there are. Values that differ by less than a thousandth count as one, with their mean.
"""

from typing import NamedTuple

import numpy as np

LEVEL = 0.95
RESAMPLES = 2_000
_DISTINCT = 1e-3
_SEED = 0


class Interval(NamedTuple):
    """Both ends of a mean's 95% interval."""

    low: float
    high: float


class Difference(NamedTuple):
    """A paired difference of means over the same users."""

    mean: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """Whether the first is `better` or `worse` by more than chance, or the two are `alike`."""
        return "better" if self.low > 0 else "worse" if self.high < 0 else "alike"


def interval_of(values_U: np.ndarray) -> Interval:
    """The interval of the mean; of no users it is (nan, nan)."""
    if not len(values_U):
        return Interval(float("nan"), float("nan"))
    _, group_U, count_G = np.unique(np.round(values_U / _DISTINCT), return_inverse=True, return_counts=True)
    mean_G = np.bincount(group_U, weights=values_U) / count_G
    drawn_RG = np.random.default_rng(_SEED).multinomial(len(values_U), count_G / len(values_U), size=RESAMPLES)
    edges = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
    return Interval(*(float(edge) for edge in np.quantile(drawn_RG @ mean_G / len(values_U), edges)))


def difference_of(values_U: np.ndarray, others_U: np.ndarray) -> Difference:
    """How much higher the first values are, user by user."""
    apart_U = values_U - others_U
    return Difference(float(apart_U.mean()), *interval_of(apart_U))
