"""Full ranking of held-out items: every item of the catalog competes, items that the user has already seen are
filtered.

Owns: the protocol (who is ranked against whom, ties, refusal of non-finite scores). Does not own: scores, metrics.
Users are ranked in batches of bounded size, so users times items never exist at once.

Shapes: B users of a batch, V items of the catalog, N events.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

import numpy as np
import torch

from train.data import TEST, VALIDATION, Sequences
from train.metrics import rank_from_counts

PROTOCOL = (
    "leave-one-out: each user's last event by (time, file order) is the test item, the one before it validates; "
    "full ranking over the whole catalog; items that the user has already seen are filtered, the held-out item itself "
    "never is; ties count half against"
)
_SCORES_AT_ONCE = 1 << 22
_MAX_USERS_AT_ONCE = 512


def drawn_users(users: np.ndarray, most: int, *, seed: int | tuple[int, ...] = 0) -> np.ndarray:
    """All of them or, of more than `most`, a sample in their order that is the same for a seed."""
    if len(users) <= most:
        return users
    return np.sort(np.random.default_rng(seed).choice(users, most, replace=False))


class Histories(NamedTuple):
    """What a batch of users did before the events to predict: user b's items are items_N[starts_B[b] : ends_B[b]]."""

    items_N: np.ndarray
    starts_B: np.ndarray
    ends_B: np.ndarray


class Scorer(Protocol):
    """Scores every item of the catalog for each history; higher is better. The returned scores_BV are the caller's to
    overwrite.
    """

    def __call__(self, histories: Histories) -> torch.Tensor: ...


def held_out_ranks(
    sequences: Sequences,
    scorer: Scorer,
    *,
    held_out: int = TEST,
    users: np.ndarray | None = None,
    watch: Callable[[torch.Tensor], None] = lambda _scores_BV: None,
) -> np.ndarray:
    """Rank (0 is best) of each user's validation or test item, in the order of `users` (default: all who can be
    evaluated).

    `watch` sees each batch's scores_BV as they are ranked: -inf for what is filtered. Raises FloatingPointError on a
    non-finite score.
    """
    (ranks_U,) = variant_ranks(
        sequences, lambda histories: [scorer(histories)], held_out=held_out, users=users, watch=watch
    )
    return ranks_U


@torch.inference_mode()
def variant_ranks(
    sequences: Sequences,
    variants: Callable[[Histories], Iterable[torch.Tensor]],
    *,
    held_out: int,
    users: np.ndarray | None = None,
    interrupt: Callable[[], None] = lambda: None,
    watch: Callable[[torch.Tensor], None] = lambda _scores_BV: None,
) -> np.ndarray:
    """ranks_SU of S variants of a model that share most of their work; each scores_BV may be overwritten once it was
    yielded.

    `interrupt` is called before each batch and may raise.
    """
    if held_out not in (TEST, VALIDATION):
        raise ValueError(f"held_out must be TEST or VALIDATION, not {held_out!r}")
    chosen = sequences.evaluated if users is None else users
    ends_U = sequences.offsets_U1[chosen + 1] - held_out
    starts_U = sequences.offsets_U1[chosen]
    by_length = np.argsort(ends_U - starts_U, kind="stable")
    batch_size = max(1, min(_MAX_USERS_AT_ONCE, _SCORES_AT_ONCE // max(1, len(sequences.catalog))))
    found = []
    for first in range(0, len(chosen), batch_size):
        interrupt()
        batch = by_length[first : first + batch_size]
        histories = Histories(sequences.items_N, starts_U[batch], ends_U[batch])
        found.append(np.stack([_batch_ranks(scores_BV, histories, watch) for scores_BV in variants(histories)]))
    ranks_SU = np.concatenate(found, axis=1)
    ranks_SU[:, by_length] = ranks_SU.copy()
    return ranks_SU


def _batch_ranks(scores_BV: torch.Tensor, histories: Histories, watch: Callable[[torch.Tensor], None]) -> np.ndarray:
    if scores_BV.numel():
        low, high = torch.aminmax(scores_BV)
        if not (torch.isfinite(low) and torch.isfinite(high)):
            raise FloatingPointError("a model gave a score that is not finite: its ranking would be arbitrary")
    device = scores_BV.device
    targets_B1 = torch.from_numpy(histories.items_N[histories.ends_B]).to(device).long()[:, None]
    target_scores_B1 = scores_BV.gather(1, targets_B1)
    row_N, place_N = spans(histories.starts_B, histories.ends_B - histories.starts_B)
    seen_N = torch.from_numpy(histories.items_N[place_N]).to(device).long()
    scores_BV.index_put_((torch.from_numpy(row_N).to(device), seen_N), scores_BV.new_tensor(-torch.inf))
    scores_BV.scatter_(1, targets_B1, target_scores_B1)
    watch(scores_BV)
    greater_B = (scores_BV > target_scores_B1).sum(1)
    equal_B = (scores_BV == target_scores_B1).sum(1) - 1
    return rank_from_counts(greater_B.cpu().numpy(), equal_B.cpu().numpy())


def spans(starts: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The places of many ranges, flattened: which range each belongs to, and the place itself."""
    row = np.repeat(np.arange(len(starts)), lengths)
    within = np.arange(len(row)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return row, np.repeat(starts, lengths) + within
