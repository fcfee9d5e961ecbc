"""The training loop: steps, evaluations, early stopping, the time budget, and a state that can be resumed bit for bit.

Owns: when to step, evaluate, save, go back and stop. Does not own: where checkpoints go (checkpoint.py), when a loss
counts as diverged (steadiness.py), how a model is looked at (validation.py), or what the final one is judged by.

The state after any step is complete: parameters, their average, the best so far, optimizer, random numbers, and the
place in the data. Everything that follows is a function of it and, where a time budget is set, of the clock.
"""

import json
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from train.batches import Batch, Batches, Epoch
from train.budget import Budget, evaluation_steps
from train.checkpoint import Cadence
from train.data import Sequences
from train.learner import learner_of
from train.log import Log
from train.metrics import worth
from train.model import NextItemModel
from train.optimise import WeightAverage, learning_rate_share
from train.presets import Settings
from train.progress import Progress
from train.ranks import ALONE, Ranks
from train.steadiness import STEPS_A_WINDOW, TrainingDiverged
from train.validation import Look, Validation

_STEPS_BETWEEN_LINES = 50
_STEPS_BETWEEN_QUESTIONS = 10  # of several ranks whether one was told to stop


class Interrupted(Exception):
    """The process was told to stop; the state is saved."""


class TrainingLoop:
    """One training run of a model on one data set. `seconds` is the time that it may take, its evaluations included.
    `learned`: the part of the data to learn from (default: all). `rewind`: the newest saved state up to a step;
    `saved_in`: the CPU seconds that the newest took behind training's back.
    """

    def __init__(
        self,
        model: NextItemModel,
        sequences: Sequences,
        settings: Settings,
        *,
        learned: Sequences | None = None,
        log: Log,
        seconds: float = math.inf,
        save: Callable[[dict[str, Any], int], None] = lambda _state, _step: None,
        save_every_seconds: float = math.inf,
        save_every_steps: int = 0,
        saved_in: Callable[[], float] = lambda: 0.0,
        rewind: Callable[[int], dict[str, Any] | None] = lambda _step: None,
        interrupted: Callable[[], bool] = lambda: False,
        now: Callable[[], str] = lambda: "",
        clock: Callable[[], float] = time.monotonic,
        ranks: Ranks = ALONE,
    ) -> None:
        self._model, self._settings, self._log = model, settings, log
        self._save, self._rewind = save, rewind
        self._save_every_seconds, self._save_every_steps, self._saved_in = (
            save_every_seconds,
            save_every_steps,
            saved_in,
        )
        self._interrupted, self._now, self._ranks = interrupted, now, ranks
        self._own_clock, self._clock = clock, lambda: ranks.of_first(clock())
        self._device = model.item_bias.device
        self._batches = Batches(
            learned or sequences, window=settings.window, tokens=settings.batch_tokens, seed=settings.seed
        )
        self._learner = learner_of(model, settings, counts_V=sequences.train_counts_V, ranks=ranks)
        self._average = WeightAverage(model, decay=settings.average_decay, as_they_are=self._learner.not_averaged)
        self._best = [value.clone() for value in self._average.values]
        self._loss_sum = torch.zeros((), device=self._device)
        self._validation = Validation(model, sequences, settings, interrupt=self._stop_if_interrupted, ranks=ranks)
        self._epoch: Epoch = self._batches.epoch(0)
        self._steps_an_epoch = max(1, len(self._epoch))  # about: each epoch cuts its windows elsewhere
        self._budget = self._budget_of(sequences, seconds)
        self._has_stepped = False
        self.is_interrupted = False  # by a signal to any of the ranks
        self.progress = Progress(total_steps=self._budget.most_steps, next_evaluation=self._budget.evaluate_every)

    def _budget_of(self, sequences: Sequences, seconds: float) -> Budget:
        steps = evaluation_steps(
            self._settings,
            steps_an_epoch=self._steps_an_epoch,
            targets=self._batches.targets,
            items=len(sequences.catalog),
            users=len(self._validation.users),
        )
        return Budget(
            self._settings,
            seconds=seconds,
            steps_an_epoch=self._steps_an_epoch,
            evaluation_steps=steps,
            samples=self._validation.samples,
        )

    def judge_the_start(self) -> None:
        """Makes the weights that a run starts with the first to be evaluated: those of a champion may stay the best."""
        self.progress.next_evaluation = 0

    def run(self) -> Progress:
        """Trains until the model stops improving or a limit is reached; the model then holds the best average.

        Raises Interrupted after saving when it is told to stop, TrainingDiverged when the loss diverges and going back
        to a state before that does not help.
        """
        started = self._clock() - self.progress.seconds
        self._model.train()
        try:
            self._train_steadily(started)
        except Interrupted:
            self.is_interrupted = True
            self._save_now()
            raise
        self._save_now()
        self._take_best()
        return self.progress

    def _train_steadily(self, started: float) -> None:
        if not self.progress.step:
            self._save_now()  # a state to go back to
        while True:
            try:
                return self._train(started)
            except TrainingDiverged as diverged:
                self._go_back(diverged)

    def _go_back(self, diverged: TrainingDiverged) -> None:
        """Continues from the newest state before the loss diverged, slower. Time that was spent stays spent."""
        slower, seconds = self.progress.steadiness.slowed(), self.progress.seconds
        state = self._rewind(slower.sound_step) if slower is not None else None
        if state is None or slower is None:
            raise diverged
        self.restore(state)
        step = self.progress.step
        self.progress.seconds = seconds
        self.progress.steadiness = slower.at(step)
        self._log.warning(f"{diverged}: back to step {step} with {slower.rate:g} of the learning rate", step=step)
        self._save_now()

    def _save_now(self) -> None:
        self._save(self.state(), self.progress.step)

    def _train(self, started: float) -> None:
        cadence = Cadence(
            seconds=self._save_every_seconds,
            steps=self._save_every_steps,
            step=self.progress.step,
            clock=self._own_clock,
            written_in=self._saved_in,
        )
        while not self.progress.stopped_by:
            if self._ranks.size == 1 or self.progress.step % _STEPS_BETWEEN_QUESTIONS == 0:
                self._stop_if_interrupted()
            self.progress.seconds = self._clock() - started
            if self._ranks.any(self._ranks.is_first and cadence.is_due(self.progress.step)):
                cadence.run(self._save_now, self.progress.step)
            if self.progress.step >= self.progress.next_evaluation:
                self._evaluate(started)
            elif self._budget.is_spent(self.progress):
                self.progress.stopped_by = "max_minutes"
            elif self._advance_epoch():
                self.progress.stopped_by = "max_epochs"
            else:
                self._step()
                self._watch()
                self._log_loss()
                self._plan_early()
        if not self.progress.curve or self.progress.curve[-1]["step"] != self.progress.step:
            self._evaluate(started)

    def _stop_if_interrupted(self) -> None:
        if self._ranks.any(self._interrupted()):
            raise Interrupted

    def state(self) -> dict[str, Any]:
        """Everything that the rest of the run depends on, as plain tensors and strings."""
        cuda = [torch.cuda.get_rng_state(self._device)] if self._device.type == "cuda" else []
        return {
            "parameters": [parameter.detach() for parameter in self._model.parameters()],
            "average": self._average.values,
            "best": self._best,
            "optimizer": self._learner.state_dict(),
            "loss_sum": self._loss_sum,
            "random": torch.get_rng_state(),
            "random_cuda": cuda,
            "progress": self.progress.model_dump_json(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continues from a `state()` of the same data and settings; a budget that has grown since is used."""
        parameters = [parameter.data for parameter in self._model.parameters()]
        for name, held in (("parameters", parameters), ("average", self._average.values), ("best", self._best)):
            for value, saved in zip(held, state[name], strict=True):
                value.copy_(saved)
        self._learner.load_state_dict(state["optimizer"])
        self._loss_sum.copy_(state["loss_sum"])
        torch.set_rng_state(state["random"].cpu())
        if state["random_cuda"] and self._device.type == "cuda":
            torch.cuda.set_rng_state(state["random_cuda"][0].cpu(), self._device)
        self.progress = Progress.model_validate(json.loads(state["progress"]))
        self._epoch = self._batches.epoch(self.progress.epoch)
        self._use_a_larger_budget()

    def _use_a_larger_budget(self) -> None:
        """A run that ended at a limit goes on where the limit is a higher one now."""
        progress = self.progress
        if self._budget.is_endless:
            progress.total_steps = self._budget.most_steps
        has_epochs = progress.batch < len(self._epoch) or progress.epoch + 1 < self._settings.max_epochs
        if progress.stopped_by in ("max_epochs", "max_minutes") and has_epochs and not self._budget.is_spent(progress):
            progress.stopped_by, progress.total_steps = "", self._budget.most_steps
            self._budget.plan(progress)

    def _step(self) -> None:
        progress, settings = self.progress, self._settings
        share = learning_rate_share(progress.step, warmup_steps=settings.warmup_steps, total_steps=progress.total_steps)
        batch = self._batches.batch(self._epoch, progress.batch)
        batch = Batch(*(part.to(self._device, non_blocking=True) for part in batch))
        if self._ranks.size > 1:
            torch.manual_seed(_seed_of(settings.seed, progress.step))
        loss = self._learner.step(batch, share=share * progress.steadiness.rate)
        self._average.update(progress.step)
        self._loss_sum += loss
        progress.step += 1
        progress.batch += 1
        progress.loss_steps += 1
        if not self._has_stepped:
            self._has_stepped = True
            progress.first_step = progress.first_step or self._now()
            self._log.info("first step of this process", step=progress.step)

    def _watch(self) -> None:
        progress = self.progress
        if progress.step % STEPS_A_WINDOW == 0:
            progress.steadiness = progress.steadiness.after(
                progress.step, loss_sum=float(self._loss_sum), steps=progress.loss_steps
            )

    def _log_loss(self) -> None:
        """The mean loss since the last evaluation, now and then: evaluations may be far apart."""
        progress = self.progress
        if progress.step % _STEPS_BETWEEN_LINES == 0 and progress.step < progress.next_evaluation:
            self._log.metric("train_loss", float(self._loss_sum) / progress.loss_steps, step=progress.step)

    def _advance_epoch(self) -> bool:
        """Draws the next epoch where this one is over; True where that was the last."""
        if self.progress.batch < len(self._epoch):
            return False
        if self.progress.epoch + 1 >= self._settings.max_epochs:
            return True
        self.progress.epoch += 1
        self.progress.batch = 0
        self._epoch = self._batches.epoch(self.progress.epoch)
        return False

    def _evaluate(self, started: float) -> None:
        """Ranks validation items with the averaged weights, keeps the best, decides whether to stop, and plans anew."""
        progress = self.progress
        begun = self._clock()
        loss = float(self._loss_sum) / max(1, progress.loss_steps)
        if not math.isfinite(loss):
            raise TrainingDiverged(f"the loss is {loss} at step {progress.step}")
        look = self._validation.look(self._average)
        self._keep_the_best(look)
        self._loss_sum.zero_()
        progress.loss_steps = 0
        ended = self._clock()
        progress.seconds = ended - started
        progress.evaluation_seconds = ended - begun
        self._note(look, train_loss=loss if progress.step else look.network_loss)
        progress.next_evaluation = self._budget.next_evaluation(progress.step)
        self._budget.plan(progress)
        patience_steps = self._settings.patience_epochs * self._steps_an_epoch
        if progress.step - progress.improved_step > patience_steps and not progress.stopped_by:
            progress.stopped_by = "early_stopping"

    def _keep_the_best(self, look: Look) -> None:
        progress = self.progress
        if worth(look.network_metrics) > progress.network_best:
            progress.network_best, progress.improved_step = worth(look.network_metrics), progress.step
        if worth(look.metrics) > progress.best:
            progress.improved_step = progress.step
            progress.best, progress.best_step, progress.best_strength = (
                worth(look.metrics),
                progress.step,
                look.strength,
            )
            for kept, value in zip(self._best, self._average.values, strict=True):
                kept.copy_(value)

    def _note(self, look: Look, *, train_loss: float) -> None:
        """The evaluation's point of the curve, and its lines."""
        progress = self.progress
        losses = {"train_loss": train_loss, "validation_loss": look.network_loss}
        seconds = round(progress.seconds, 3)
        progress.curve.append({"step": progress.step, "seconds": seconds, **losses, "metrics": look.metrics})
        for name, value in losses.items():
            self._log.metric(name, value, step=progress.step)
        for name, value in look.metrics.items():
            self._log.metric(f"validation_{name}", value, step=progress.step)

    def _plan_early(self) -> None:
        """The first plan comes as soon as the speed is known, not only at the first evaluation."""
        progress = self.progress
        if progress.step in (10, 30, 100) and (not progress.curve or progress.is_only_judged()):
            self._budget.plan(progress)

    def _take_best(self) -> None:
        progress = self.progress
        with torch.no_grad():
            for parameter, value in zip(self._model.parameters(), self._best, strict=True):
                parameter.copy_(value)
        self._model.eval()
        progress.chosen_strength = progress.best_strength
        if self._budget.may_choose_finely(progress.evaluation_seconds):
            progress.chosen_strength = self._validation.finest_strength(progress.best_strength)
        self._model.successors.strength.fill_(progress.chosen_strength)


def _seed_of(seed: int, step: int) -> int:
    """Random numbers of a step that all ranks share, whatever they drew before."""
    return int(np.random.SeedSequence((seed, step)).generate_state(1, np.uint64)[0] >> np.uint64(2))
