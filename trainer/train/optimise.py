"""The optimizer's parts: the learning rate's course, and the running average of weights that is evaluated and kept.

Shapes: none.
"""

import math

import torch

_LOWEST_SHARE = 0.02


def learning_rate_share(step: int, *, warmup_steps: int, total_steps: int) -> float:
    """Share of the peak rate at `step`: a linear warm-up, then half a cosine down to a small rest at `total_steps`."""
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    done = min(1.0, (step - warmup_steps) / max(1, total_steps - warmup_steps))
    return max(_LOWEST_SHARE, 0.5 * (1 + math.cos(math.pi * done)))


class WeightAverage:
    """An exponential moving average of a model's parameters, young at first so that it forgets the start."""

    def __init__(self, model: torch.nn.Module, *, decay: float) -> None:
        self._parameters = list(model.parameters())
        self._decay = decay
        self.values = [parameter.detach().clone() for parameter in self._parameters]

    def update(self, step: int) -> None:
        decay = min(self._decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self.values, [parameter.detach() for parameter in self._parameters], 1 - decay)

    def swap(self) -> None:
        """Exchanges average and parameters; a second call undoes it."""
        with torch.no_grad():
            for average, parameter in zip(self.values, self._parameters, strict=True):
                held = parameter.detach().clone()
                parameter.copy_(average)
                average.copy_(held)


def adamw(model: torch.nn.Module, *, learning_rate: float, weight_decay: float) -> torch.optim.AdamW:
    """Fused AdamW; matrices decay, biases and norms do not."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [parameter for parameter in parameters if parameter.ndim > 1], "weight_decay": weight_decay},
        {"params": [parameter for parameter in parameters if parameter.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=learning_rate, betas=(0.9, 0.98), fused=True)
