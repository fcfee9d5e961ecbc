"""What a training run may spend: how far apart evaluations are, where the learning rate's course ends, when time is up.

Owns: the estimates and the rules. Does not own: the clock (loop.py), or the settings for a budget (presets.py).
"""

import math

from train.presets import Settings
from train.progress import Progress
from train.successors import STRENGTHS

# An evaluation may cost about this share of the time between two of them. Young models are looked at more closely than
# that, old ones less often.
_EVALUATION_SHARE = 0.04
_LONGEST_BETWEEN_EPOCHS = 2.0
_LONGEST_BETWEEN_SHARE = 0.1
_CHOOSING_SHARE = 0.05


class Budget:
    """`seconds`: that the run may take, its evaluations included. `samples`: how many times as many users there are as
    validate while training. `evaluation_steps`: what an evaluation costs, in steps, by `evaluation_steps`.
    """

    def __init__(
        self, settings: Settings, *, seconds: float, steps_an_epoch: int, evaluation_steps: float, samples: float
    ) -> None:
        self._seconds, self._samples, self._evaluation_steps = seconds, samples, evaluation_steps
        self.most_steps = settings.max_epochs * steps_an_epoch
        steps = min(_LONGEST_BETWEEN_EPOCHS * steps_an_epoch, evaluation_steps / _EVALUATION_SHARE)
        self.evaluate_every = max(1, round(steps))

    @property
    def is_endless(self) -> bool:
        return math.isinf(self._seconds)

    def next_evaluation(self, step: int) -> int:
        return step + max(self.evaluate_every, round(step * _LONGEST_BETWEEN_SHARE))

    def plan(self, progress: Progress) -> None:
        """Fits the learning rate's course to the time that is left, so that it ends where the time does."""
        if self.is_endless or progress.step == 0:
            return
        left = self._seconds - progress.seconds
        before_the_first_step = progress.evaluation_seconds if progress.is_only_judged() else 0.0
        speed = progress.step / max(1e-9, progress.seconds - before_the_first_step)
        progress.total_steps = max(progress.step + 1, min(self.most_steps, progress.step + int(left * speed)))

    def is_spent(self, progress: Progress) -> bool:
        """Whether what is left is needed to rank the validation items once more, and then all test items."""
        if self.is_endless:
            return False
        seconds = progress.evaluation_seconds
        if not progress.curve:
            seconds = self._evaluation_steps * progress.seconds / max(1, progress.step)
        choosing = self._samples if self.may_choose_finely(seconds) else 0
        rankings = 1 + self._samples / len(STRENGTHS) + choosing
        return progress.seconds + seconds * rankings >= self._seconds

    def may_choose_finely(self, evaluation_seconds: float) -> bool:
        """Whether the counts' strength is chosen in small steps on every user's validation item: a sample is too small
        for that, and all of them take a while.
        """
        if self.is_endless:
            return self._samples > 1
        return self._samples > 1 and self._samples * evaluation_seconds < _CHOOSING_SHARE * self._seconds


def evaluation_steps(settings: Settings, *, steps_an_epoch: int, targets: int, items: int, users: int) -> float:
    """How many steps an evaluation of so many users takes as long as. From sizes, not from the clock, so that
    evaluations are always at the same steps.
    """
    ranking = users * (items * 2.0 * (1 + len(STRENGTHS)) + settings.window * 3_000.0)
    epoch = targets * settings.members * (items * 4.0 + 10_000.0)
    return steps_an_epoch * ranking / max(1.0, epoch)
