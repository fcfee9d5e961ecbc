"""Where a training run stands, without its tensors: what of a checkpoint is numbers and words.

Owns: the names. Does not own: what changes them (loop.py, budget.py).
"""

from typing import Any

from pydantic import BaseModel, ConfigDict

from train.steadiness import Steadiness


class Progress(BaseModel):
    """Changed in place as the run goes on."""

    model_config = ConfigDict(extra="forbid", validate_assignment=False)

    step: int = 0
    epoch: int = 0
    batch: int = 0
    total_steps: int
    next_evaluation: int
    loss_steps: int = 0
    seconds: float = 0.0
    evaluation_seconds: float = 0.0
    best: float = -1.0
    best_step: int = 0
    best_strength: float = 0.0
    chosen_strength: float = 0.0
    network_best: float = -1.0  # without the successor counts, which may hide that the network still learns
    improved_step: int = 0
    steadiness: Steadiness = Steadiness()
    stopped_by: str = ""
    first_step: str = ""
    curve: list[dict[str, Any]] = []

    def is_only_judged(self) -> bool:
        """Whether the weights that the run started with are all that was evaluated."""
        return bool(self.curve) and self.curve[-1]["step"] == 0
