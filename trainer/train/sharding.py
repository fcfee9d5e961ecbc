"""A table of items whose rows lie on several ranks, and the cross-entropy over all of them: for catalogs whose table
and optimizer one rank cannot hold.

A rank holds one block of rows and their bias. A look-up sums what each rank finds in its block; the loss exchanges the
hidden states, scores them against the rank's own rows, and joins the parts of the softmax by their greatest logit and
sum (as Megatron-LM does, Shoeybi et al., arXiv 1909.08053). Logits of all rows never exist on one rank, and a rank's
gradients are of its own rows alone, so that their optimizer needs no exchange.

Owns: the exchange forward and backward. Does not own: the network, whose gradients the ranks add (ranks.py).
Every rank must bring the same number of tokens; `padded` brings it about.

Shapes: V items, R rows of a rank, T tokens of a rank, A tokens of all ranks, D width.
"""

from typing import Any

import torch
from torch.nn import functional as F

from train.ranks import Ranks

_NO_TARGET = -1


def rows_of(ranks: Ranks, items: int) -> slice:
    """The rows that this rank holds: blocks of one size, of which the last may be shorter or empty."""
    size = -(-items // ranks.size)
    return slice(min(items, ranks.rank * size), min(items, (ranks.rank + 1) * size))


def padded(hidden_TD: torch.Tensor, targets_T: torch.Tensor, *, ranks: Ranks) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens and targets up to the longest rank's number of them; those that were added have no target."""
    missing = int(ranks.greatest(torch.tensor(len(targets_T)))) - len(targets_T)
    return F.pad(hidden_TD, (0, 0, 0, missing)), F.pad(targets_T, (0, missing), value=_NO_TARGET)


def look_up(rows_RD: torch.Tensor, items_BL: torch.Tensor, *, first: int, ranks: Ranks) -> torch.Tensor:
    """The rows of the items of this rank's histories; `items_BL` must have one shape on all ranks."""
    return _LookUp.apply(rows_RD, items_BL, first, ranks)  # type: ignore[no-any-return]


def sharded_cross_entropy(
    hidden_TD: torch.Tensor,
    rows_RD: torch.Tensor,
    bias_R: torch.Tensor,
    targets_T: torch.Tensor,
    *,
    first: int,
    ranks: Ranks,
) -> torch.Tensor:
    """Mean negative log likelihood of all ranks' targets under the softmax over all ranks' rows, the same on each."""
    return _ShardedCrossEntropy.apply(hidden_TD, rows_RD, bias_R, targets_T, first, ranks)  # type: ignore[no-any-return]


def _local(items: torch.Tensor, *, first: int, rows: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Places in this rank's block, and which of them are there."""
    place = items - first
    is_here = (place >= 0) & (place < rows) & (items != _NO_TARGET)
    return place.where(is_here, 0), is_here


class _LookUp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows_RD: torch.Tensor, items_BL: torch.Tensor, first: int, ranks: Ranks) -> torch.Tensor:  # type: ignore[override]
        parts_ABL = torch.stack(ranks.gathered(items_BL))
        place_ABL, is_here_ABL = _local(parts_ABL, first=first, rows=len(rows_RD))
        found = rows_RD.new_zeros(*parts_ABL.shape, rows_RD.shape[1])
        found[is_here_ABL] = rows_RD[place_ABL[is_here_ABL]]
        ctx.save_for_backward(place_ABL, is_here_ABL)
        ctx.ranks, ctx.shape = ranks, rows_RD.shape
        return ranks.add(found)[ranks.rank].clone()

    @staticmethod
    def backward(ctx: Any, *grad_outputs: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        place_ABL, is_here_ABL = ctx.saved_tensors
        grads = torch.stack(ctx.ranks.gathered(grad_outputs[0]))
        grad_RD = grads.new_zeros(ctx.shape)
        grad_RD.index_add_(0, place_ABL[is_here_ABL], grads[is_here_ABL])
        return grad_RD, None, None, None


class _ShardedCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any,
        hidden_TD: torch.Tensor,
        rows_RD: torch.Tensor,
        bias_R: torch.Tensor,
        targets_T: torch.Tensor,
        first: int,
        ranks: Ranks,
    ) -> torch.Tensor:
        hidden_AD, targets_A = torch.cat(ranks.gathered(hidden_TD)), torch.cat(ranks.gathered(targets_T))
        is_real_A = targets_A != _NO_TARGET
        place_A, is_here_A = _local(targets_A, first=first, rows=len(rows_RD))
        logits_AR = torch.addmm(bias_R, hidden_AD, rows_RD.T)
        lowest = logits_AR.new_full((len(targets_A), 1), torch.finfo(logits_AR.dtype).min)
        greatest_A1 = ranks.greatest(torch.cat([logits_AR, lowest], 1).amax(1, keepdim=True))
        found_A = logits_AR.new_zeros(len(targets_A))
        here = is_here_A.nonzero()[:, 0]
        found_A[here] = logits_AR[here, place_A[here]] - greatest_A1[here, 0]
        grad_AR = logits_AR.sub_(greatest_A1).exp_()
        sums_2A = ranks.add(torch.stack([grad_AR.sum(1), found_A]))
        count = int(is_real_A.sum())
        loss = (sums_2A[0].log() - sums_2A[1])[is_real_A].sum() / count
        grad_AR /= sums_2A[0, :, None]
        grad_AR[here, place_A[here]] -= 1
        grad_AR *= is_real_A[:, None] / count
        own = slice(ranks.rank * len(targets_T), (ranks.rank + 1) * len(targets_T))
        grad_TD = ranks.add(grad_AR @ rows_RD)[own].clone()
        ctx.save_for_backward(grad_TD, grad_AR.T @ hidden_AD, grad_AR.sum(0))
        return loss

    @staticmethod
    def backward(ctx: Any, *grad_outputs: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        grad_TD, grad_RD, grad_R = (grad * grad_outputs[0] for grad in ctx.saved_tensors)
        return grad_TD, grad_RD, grad_R, None, None, None
