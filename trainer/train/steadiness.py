"""Whether a training run's loss still behaves, and how it goes on after it did not.

Owns: what counts as diverged (a loss that is not finite, or that rises far above the lowest seen), to which step a run
must go back for it, how much slower it then learns, and when it gives up. Does not own: the states that it goes back
to. All of it is part of a checkpoint, so that a run that resumes judges as one that was never interrupted.
"""

import math

from pydantic import BaseModel, ConfigDict

STEPS_A_WINDOW = 50
# Nats: the targets have become 7 times less likely. Windows of sound runs differ by a few tenths.
_SPIKE = 2.0
_SLOWER = 0.5
_MOST_ROLLBACKS = 3


class TrainingDiverged(Exception):
    """The loss is not finite, or far above what it was."""


class Steadiness(BaseModel):
    """The losses so far, read once a window of steps, so that the device is not waited for at each."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rate: float = 1.0  # share of the learning rate that is left
    rollbacks: int = 0
    sound_step: int = 0  # the newest step up to which the loss was seen to behave
    lowest: float | None = None
    read_sum: float = 0.0  # what had been summed, over how many steps, at the last reading
    read_steps: int = 0

    def after(self, step: int, *, loss_sum: float, steps: int) -> "Steadiness":
        """With a window that ends at `step`; `loss_sum` over `steps` steps restarts at evaluations. Raises
        TrainingDiverged.
        """
        restarted = step - steps != self.sound_step - self.read_steps
        summed = loss_sum if restarted else loss_sum - self.read_sum
        counted = steps if restarted else steps - self.read_steps
        mean = summed / counted
        if not math.isfinite(mean):
            raise TrainingDiverged(f"the loss is {mean} at step {step}")
        lowest = mean if self.lowest is None else min(self.lowest, mean)
        if mean > lowest + _SPIKE:
            raise TrainingDiverged(f"the loss rose from {lowest:.2f} to {mean:.2f} at step {step}")
        read = {"lowest": lowest, "read_sum": loss_sum, "read_steps": steps, "sound_step": step}
        return self.model_copy(update=read)

    def slowed(self) -> "Steadiness | None":
        """For a run that goes back and learns slower; None where it has done so too often."""
        if self.rollbacks >= _MOST_ROLLBACKS:
            return None
        return self.model_copy(update={"rate": self.rate * _SLOWER, "rollbacks": self.rollbacks + 1})

    def at(self, step: int) -> "Steadiness":
        """As it was at a state of `step`: the readings begin anew there."""
        return self.model_copy(update={"sound_step": step, "read_sum": 0.0, "read_steps": 0})
