"""The optimizers' parts: the learning rate's course, the running average of weights that is evaluated and kept, and the
update of a table of which a step touches few rows.

Shapes: V rows of a table, R of them touched, D width.
"""

import math
from collections.abc import Iterable
from typing import Any

import torch

_LOWEST_SHARE = 0.02
_SMALLEST = 1e-10


def learning_rate_share(step: int, *, warmup_steps: int, total_steps: int) -> float:
    """Share of the peak rate at `step`: a linear warm-up, then half a cosine down to a small rest at `total_steps`."""
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    done = min(1.0, (step - warmup_steps) / max(1, total_steps - warmup_steps))
    return max(_LOWEST_SHARE, 0.5 * (1 + math.cos(math.pi * done)))


class WeightAverage:
    """An exponential moving average of a model's parameters, young at first so that it forgets the start.

    `values` follow the model's parameters in their order. Those of `as_they_are` are the parameters themselves: an
    average of a large table would touch every row at every step.
    """

    def __init__(self, model: torch.nn.Module, *, decay: float, as_they_are: Iterable[torch.Tensor] = ()) -> None:
        parameters, exempt = list(model.parameters()), list(as_they_are)
        self._decay = decay
        is_exempt = [any(parameter is other for other in exempt) for parameter in parameters]
        self.values = [
            parameter.detach() if skipped else parameter.detach().clone()
            for parameter, skipped in zip(parameters, is_exempt, strict=True)
        ]
        pairs = zip(self.values, parameters, is_exempt, strict=True)
        self._averaged = [(average, parameter) for average, parameter, skipped in pairs if not skipped]

    def update(self, step: int) -> None:
        decay = min(self._decay, (1 + step) / (10 + step))
        with torch.no_grad():
            for average, parameter in self._averaged:
                average.lerp_(parameter, 1 - decay)

    def swap(self) -> None:
        """Exchanges average and parameters; a second call undoes it."""
        with torch.no_grad():
            for average, parameter in self._averaged:
                held = parameter.detach().clone()
                parameter.copy_(average)
                average.copy_(held)


def adamw(parameters: Iterable[torch.nn.Parameter], *, learning_rate: float, weight_decay: float) -> torch.optim.AdamW:
    """Fused AdamW; matrices decay, biases and norms do not."""
    learned = [parameter for parameter in parameters if parameter.requires_grad]
    groups = [
        {"params": [parameter for parameter in learned if parameter.ndim > 1], "weight_decay": weight_decay},
        {"params": [parameter for parameter in learned if parameter.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=learning_rate, betas=(0.9, 0.98), fused=True)


class RowwiseAdagrad:
    """Adagrad (Duchi et al., JMLR 2011) with one running sum a row, updating only the rows that a step touched.

    A row's first step has the length of the learning rate, however small its gradient; rows that come often slow down.
    So a rare item learns as fast as a popular one, and the state is one number a row.
    """

    def __init__(self, table: torch.Tensor, *, learning_rate: float) -> None:
        self._table, self._learning_rate = table, learning_rate
        self._sums_V = table.new_zeros(len(table), requires_grad=False)

    @torch.no_grad()
    def step(self, rows_R: torch.Tensor, grads_RD: torch.Tensor, *, share: float) -> None:
        """One update of distinct rows with `share` of the learning rate; `grads_RD` is overwritten."""
        squares_R = grads_RD.square().flatten(1).mean(1) if grads_RD.ndim > 1 else grads_RD.square()
        sums_R = self._sums_V[rows_R] + squares_R
        self._sums_V[rows_R] = sums_R
        scales_R = (-self._learning_rate * share) / (sums_R.sqrt() + _SMALLEST)
        grads_RD.mul_(scales_R[:, None] if grads_RD.ndim > 1 else scales_R)
        self._table.index_add_(0, rows_R, grads_RD)

    def state_dict(self) -> dict[str, Any]:
        return {"sums": self._sums_V}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._sums_V.copy_(state["sums"])
