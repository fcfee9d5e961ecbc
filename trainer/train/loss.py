"""Cross-entropy over the catalog, or over a sample of it, fused with the output projection so that logits exist for one
chunk of tokens only.

The gradient is computed in the forward pass, chunk by chunk, as in Cut Cross-Entropy (Wijmans et al., arXiv 2411.09009)
but in plain PyTorch: each chunk's softmax is used at once and dropped.

Shapes: T tokens, C tokens of a chunk, V items, S candidates among them, D width.
"""

from typing import Any

import torch

_LOGITS_AT_ONCE = 1 << 20
_FEWEST_TOKENS = 64


def full_cross_entropy(
    hidden_TD: torch.Tensor,
    items_VD: torch.Tensor,
    bias_V: torch.Tensor,
    targets_T: torch.Tensor,
    *,
    low_precision: bool,
) -> torch.Tensor:
    """Mean negative log likelihood of the targets under softmax(hidden @ items.T + bias).

    `low_precision` computes the logits and their gradient in bfloat16; sums stay in float32.
    """
    return _FusedCrossEntropy.apply(hidden_TD, items_VD, bias_V, targets_T, None, low_precision)  # type: ignore[no-any-return]


def sampled_cross_entropy(
    hidden_TD: torch.Tensor,
    items_SD: torch.Tensor,
    bias_S: torch.Tensor,
    targets_T: torch.Tensor,
    log_chance_S: torch.Tensor,
    *,
    low_precision: bool,
) -> torch.Tensor:
    """Mean negative log likelihood of the targets, each other candidate weighed by one over its chance to be drawn.

    A token's own target is there for certain, so it counts once; `targets_T` are places among the candidates.
    """
    arguments = (hidden_TD, items_SD, bias_S - log_chance_S, targets_T, log_chance_S[targets_T])
    return _FusedCrossEntropy.apply(*arguments, low_precision)  # type: ignore[no-any-return]


class _FusedCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any,
        hidden_TD: torch.Tensor,
        items_VD: torch.Tensor,
        bias_V: torch.Tensor,
        targets_T: torch.Tensor,
        gains_T: torch.Tensor | None,  # added to each target's own logit
        low_precision: bool,  # noqa: FBT001 - autograd passes by position
    ) -> torch.Tensor:
        tokens, size = len(hidden_TD), len(items_VD)
        kind = torch.bfloat16 if low_precision else hidden_TD.dtype
        hidden, items, bias = hidden_TD.to(kind), items_VD.to(kind), bias_V.to(kind)
        total = hidden_TD.new_zeros((), dtype=torch.float32)
        grad_hidden_TD = torch.empty_like(hidden_TD)
        grad_items_VD = torch.zeros_like(items_VD)
        grad_bias_V = torch.zeros_like(bias_V)
        chunk = max(_FEWEST_TOKENS, _LOGITS_AT_ONCE // size)
        for first in range(0, tokens, chunk):
            some = slice(first, first + chunk)
            targets_C1 = targets_T[some, None]
            logits_CV = torch.addmm(bias, hidden[some], items.T)
            if gains_T is not None:
                logits_CV.scatter_add_(1, targets_C1, gains_T[some, None].to(kind))
            # Starts as the softmax and becomes the gradient of the logits.
            grad_CV = torch.softmax(logits_CV, dim=1)
            likelihood_C1 = grad_CV.gather(1, targets_C1)
            total -= likelihood_C1.float().clamp_min(torch.finfo(torch.float32).tiny).log().sum()
            grad_CV.scatter_(1, targets_C1, likelihood_C1 - 1)
            grad_hidden_TD[some] = grad_CV @ items
            grad_items_VD += grad_CV.T @ hidden[some]
            grad_bias_V += grad_CV.sum(0, dtype=torch.float32)
        ctx.save_for_backward(grad_hidden_TD / tokens, grad_items_VD / tokens, grad_bias_V / tokens)
        return total / tokens

    @staticmethod
    def backward(ctx: Any, *grad_outputs: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        scale = grad_outputs[0]
        hidden_TD, items_VD, bias_V = ctx.saved_tensors
        return hidden_TD * scale, items_VD * scale, bias_V * scale, None, None, None
