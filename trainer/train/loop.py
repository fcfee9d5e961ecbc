"""The training loop: steps, evaluations, early stopping, the time budget, and a state that can be resumed bit for bit.

Owns: when to step, evaluate, save and stop. Does not own: where checkpoints go (checkpoint.py) or what the final model
is judged by.

The state after any step is complete: parameters, their average, the best so far, optimizer, random numbers, and the
place in the data. Everything that follows is a function of it and, where a time budget is set, of the clock.
"""

import json
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from torch.nn import functional as F

from train.batches import Batch, Batches, Epoch
from train.data import VALIDATION, Sequences
from train.learner import learner_of
from train.log import Log
from train.metrics import PRIMARY, K, metrics_of, worth
from train.model import NextItemModel
from train.optimise import WeightAverage, learning_rate_share
from train.presets import Settings
from train.ranking import Histories, drawn_users, variant_ranks
from train.ranks import ALONE, Ranks
from train.successors import STRENGTHS, strengths_around

# An evaluation may cost about this share of the time between two of them. Young models are looked at more closely than
# that, old ones less often.
_EVALUATION_SHARE = 0.04
_LONGEST_BETWEEN_EPOCHS = 2.0
_LONGEST_BETWEEN_SHARE = 0.1
_CHOOSING_SHARE = 0.05
_STEPS_BETWEEN_LINES = 50
_STEPS_BETWEEN_QUESTIONS = 10  # of several ranks whether one was told to stop


class TrainingDiverged(Exception):
    """The loss is no longer a finite number."""


class Interrupted(Exception):
    """The process was told to stop; the state is saved."""


class Progress(BaseModel):
    """Where a training run stands, without its tensors."""

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
    stopped_by: str = ""
    first_step: str = ""
    curve: list[dict[str, Any]] = []


class TrainingLoop:
    """One training run of a model on one data set. `seconds` is the time that it may take, its evaluations included.
    `learned`: the part of the data to learn from (default: all).
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
        interrupted: Callable[[], bool] = lambda: False,
        now: Callable[[], str] = lambda: "",
        clock: Callable[[], float] = time.monotonic,
        ranks: Ranks = ALONE,
    ) -> None:
        self._model, self._sequences, self._settings = model, sequences, settings
        self._log, self._seconds, self._save, self._save_every = log, seconds, save, save_every_seconds
        self._interrupted, self._now, self._ranks = interrupted, now, ranks
        self._clock = lambda: ranks.of_first(clock())
        self._device = model.item_bias.device
        self._batches = Batches(
            learned or sequences, window=settings.window, tokens=settings.batch_tokens, seed=settings.seed
        )
        self._learner = learner_of(model, settings, counts_V=sequences.train_counts_V, ranks=ranks)
        self._average = WeightAverage(model, decay=settings.average_decay, as_they_are=self._learner.not_averaged)
        self._best = [value.clone() for value in self._average.values]
        self._loss_sum = torch.zeros((), device=self._device)
        self._validation = validation_users(sequences, settings)
        self._epoch = self._batches.epoch(0)
        self._steps_an_epoch = max(1, len(self._epoch))  # about: each epoch cuts its windows elsewhere
        self._evaluation_steps = self._steps_an_evaluation_costs()
        steps = min(_LONGEST_BETWEEN_EPOCHS * self._steps_an_epoch, self._evaluation_steps / _EVALUATION_SHARE)
        self._evaluate_every = max(1, round(steps))
        self.progress = Progress(
            total_steps=settings.max_epochs * self._steps_an_epoch, next_evaluation=self._evaluate_every
        )

    def judge_the_start(self) -> None:
        """Makes the weights that a run starts with the first to be evaluated: those of a champion may stay the best."""
        self.progress.next_evaluation = 0

    def run(self) -> Progress:
        """Trains until the model stops improving or a limit is reached; the model then holds the best average.

        Raises Interrupted after saving when it is told to stop, TrainingDiverged when the loss is not finite.
        """
        started = self._clock() - self.progress.seconds
        self._model.train()
        try:
            self._train(started)
        except Interrupted:
            self._save(self.state(), self.progress.step)
            raise
        self._save(self.state(), self.progress.step)
        self._take_best()
        return self.progress

    def _train(self, started: float) -> None:
        saved = self._clock()
        while not self.progress.stopped_by:
            if self._ranks.size == 1 or self.progress.step % _STEPS_BETWEEN_QUESTIONS == 0:
                self._stop_if_interrupted()
            now = self._clock()
            self.progress.seconds = now - started
            if now - saved > self._save_every:
                self._save(self.state(), self.progress.step)
                saved = self._clock()
            if self.progress.step >= self.progress.next_evaluation:
                self._evaluate(started)
            elif self._out_of_time():
                self.progress.stopped_by = "max_minutes"
            elif self._advance_epoch():
                self.progress.stopped_by = "max_epochs"
            else:
                self._step()
                self._log_loss()
                self._plan_early()
        if not self.progress.curve or self.progress.curve[-1]["step"] != self.progress.step:
            self._evaluate(started)

    def _stop_if_interrupted(self) -> None:
        if self._ranks.any(self._interrupted()):
            raise Interrupted

    def state(self) -> dict[str, Any]:
        """Everything that the rest of the run depends on, as plain tensors and strings."""
        cuda = torch.cuda.get_rng_state_all() if self._device.type == "cuda" else []
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
        if state["random_cuda"]:
            torch.cuda.set_rng_state_all(state["random_cuda"])
        self.progress = Progress.model_validate(json.loads(state["progress"]))
        self._epoch = self._batches.epoch(self.progress.epoch)
        self._use_a_larger_budget()

    def _use_a_larger_budget(self) -> None:
        """A run that ended at a limit goes on where the limit is a higher one now."""
        progress = self.progress
        total_steps = self._settings.max_epochs * self._steps_an_epoch
        if math.isinf(self._seconds):
            progress.total_steps = total_steps
        has_epochs = progress.batch < len(self._epoch) or progress.epoch + 1 < self._settings.max_epochs
        if progress.stopped_by in ("max_epochs", "max_minutes") and has_epochs and not self._out_of_time():
            progress.stopped_by, progress.total_steps = "", total_steps
            self._plan()

    def _step(self) -> None:
        progress, settings = self.progress, self._settings
        share = learning_rate_share(progress.step, warmup_steps=settings.warmup_steps, total_steps=progress.total_steps)
        batch = self._batches.batch(self._epoch, progress.batch)
        if self._ranks.size > 1:
            torch.manual_seed(_seed_of(settings.seed, progress.step))
        loss = self._learner.step(Batch(*(part.to(self._device, non_blocking=True) for part in batch)), share=share)
        self._average.update(progress.step)
        self._loss_sum += loss
        progress.step += 1
        progress.batch += 1
        progress.loss_steps += 1
        progress.first_step = progress.first_step or self._now()

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
        self._epoch: Epoch = self._batches.epoch(self.progress.epoch)
        return False

    def _evaluate(self, started: float) -> None:
        """Ranks validation items with the averaged weights, keeps the best, decides whether to stop, and plans anew."""
        progress = self.progress
        begun = self._clock()
        loss = float(self._loss_sum) / max(1, progress.loss_steps)
        if not math.isfinite(loss):
            raise TrainingDiverged(f"the loss is {loss} at step {progress.step}")
        metrics, strength, network_metrics, validation_loss = self._validate()
        if worth(network_metrics) > progress.network_best:
            progress.network_best, progress.improved_step = worth(network_metrics), progress.step
        if worth(metrics) > progress.best:
            progress.improved_step = progress.step
            progress.best, progress.best_step, progress.best_strength = worth(metrics), progress.step, strength
            for kept, value in zip(self._best, self._average.values, strict=True):
                kept.copy_(value)
        self._loss_sum.zero_()
        progress.loss_steps = 0
        ended = self._clock()
        progress.seconds = ended - started
        progress.evaluation_seconds = ended - begun
        losses = {"train_loss": loss if progress.step else validation_loss, "validation_loss": validation_loss}
        point = {"step": progress.step, "seconds": round(progress.seconds, 3), **losses, "metrics": metrics}
        progress.curve.append(point)
        for name, value in losses.items():
            self._log.metric(name, value, step=progress.step)
        for name, value in metrics.items():
            self._log.metric(f"validation_{name}", value, step=progress.step)
        progress.next_evaluation = progress.step + max(
            self._evaluate_every, round(progress.step * _LONGEST_BETWEEN_SHARE)
        )
        self._plan()
        patience_steps = self._settings.patience_epochs * self._steps_an_epoch
        if progress.step - progress.improved_step > patience_steps and not progress.stopped_by:
            progress.stopped_by = "early_stopping"

    def _validate(self) -> tuple[dict[str, float], float, dict[str, float], float]:
        """Validation metrics at the best strength of the counts, that strength, and metrics and loss at strength 0."""
        losses: list[float] = []
        self._average.swap()
        self._model.eval()
        try:
            found = self._metrics_by_strength(self._validation, STRENGTHS, losses)
        finally:
            self._average.swap()
            self._model.train()
        best = max(STRENGTHS, key=lambda strength: found[strength][PRIMARY])
        loss = self._ranks.total(float(sum(losses))) / max(1, len(self._validation))
        return found[best], best, found[0.0], loss

    def _metrics_by_strength(
        self, users: np.ndarray, strengths: tuple[float, ...], losses: list[float]
    ) -> dict[float, dict[str, float]]:
        """Metrics of the users' validation items; the network's summed loss of each batch goes to `losses`."""
        # Ranks have not the same number of batches to rank, so none may ask the others in between.
        interrupt = self._stop_if_interrupted if self._ranks.size == 1 else lambda: None
        ranks_SU = self._ranks.divided(
            users,
            lambda part: variant_ranks(
                self._sequences,
                lambda histories: self._variants(histories, strengths, losses),
                held_out=VALIDATION,
                users=part,
                interrupt=interrupt,
            ),
        )
        size = len(self._sequences.catalog)
        pairs = zip(strengths, ranks_SU, strict=True)
        return {strength: metrics_of(ranks_U, catalog_size=size, k=K) for strength, ranks_U in pairs}

    def _variants(
        self, histories: Histories, strengths: tuple[float, ...], losses: list[float]
    ) -> Iterator[torch.Tensor]:
        """The model's variants of a batch; the summed loss of the network alone is noted on the way."""
        targets_B = torch.from_numpy(histories.items_N[histories.ends_B]).to(self._device)
        for strength, scores_BV in zip(strengths, self._model.variants(histories, strengths), strict=True):
            if strength == 0.0:
                losses.append(float(F.cross_entropy(scores_BV, targets_B, reduction="sum")))
            yield scores_BV

    def _plan_early(self) -> None:
        """The first plan comes as soon as the speed is known, not only at the first evaluation."""
        progress = self.progress
        if progress.step in (10, 30, 100) and (not progress.curve or self._only_judged()):
            self._plan()

    def _only_judged(self) -> bool:
        """Whether the weights that the run started with are all that was evaluated."""
        return bool(self.progress.curve) and self.progress.curve[-1]["step"] == 0

    def _plan(self) -> None:
        """Fits the learning rate's course to the time that is left, so that it ends where the time does."""
        progress = self.progress
        if math.isinf(self._seconds) or progress.step == 0:
            return
        left = self._seconds - progress.seconds
        before_the_first_step = progress.evaluation_seconds if self._only_judged() else 0.0
        speed = progress.step / max(1e-9, progress.seconds - before_the_first_step)
        most = self._settings.max_epochs * self._steps_an_epoch
        progress.total_steps = max(progress.step + 1, min(most, progress.step + int(left * speed)))

    def _out_of_time(self) -> bool:
        """Whether what is left is needed to rank the validation items once more, and then all test items."""
        if math.isinf(self._seconds):
            return False
        seconds = self.progress.evaluation_seconds
        if not self.progress.curve:
            seconds = self._evaluation_steps * self.progress.seconds / max(1, self.progress.step)
        samples = len(self._sequences.evaluated) / max(1, len(self._validation))
        rankings = 1 + samples / len(STRENGTHS) + (samples if self._may_choose_finely(seconds) else 0)
        return self.progress.seconds + seconds * rankings >= self._seconds

    def _take_best(self) -> None:
        with torch.no_grad():
            for parameter, value in zip(self._model.parameters(), self._best, strict=True):
                parameter.copy_(value)
        self._model.eval()
        if self._may_choose_finely(self.progress.evaluation_seconds):
            strengths = strengths_around(self.progress.best_strength)
            found = self._metrics_by_strength(self._sequences.evaluated, strengths, [])
            self.progress.chosen_strength = max(strengths, key=lambda strength: found[strength][PRIMARY])
        else:
            self.progress.chosen_strength = self.progress.best_strength
        self._model.successors.strength.fill_(self.progress.chosen_strength)

    def _may_choose_finely(self, evaluation_seconds: float) -> bool:
        """Whether the counts' strength is chosen in small steps on every user's validation item: a sample is too small
        for that, and all of them take a while.
        """
        samples = len(self._sequences.evaluated) / max(1, len(self._validation))
        if math.isinf(self._seconds):
            return samples > 1
        return samples > 1 and samples * evaluation_seconds < _CHOOSING_SHARE * self._seconds

    def _steps_an_evaluation_costs(self) -> float:
        """Estimated from sizes, not from the clock, so that evaluations are always at the same steps."""
        size, window = len(self._sequences.catalog), self._settings.window
        ranking = len(self._validation) * (size * 2.0 * (1 + len(STRENGTHS)) + window * 3_000.0)
        epoch = self._batches.targets * self._settings.members * (size * 4.0 + 10_000.0)
        return self._steps_an_epoch * ranking / max(1.0, epoch)


def validation_users(sequences: Sequences, settings: Settings) -> np.ndarray:
    """The users whose validation item is ranked while training: all, or as many as the settings allow."""
    return drawn_users(sequences.evaluated, settings.validation_users, seed=(settings.seed, 2**32 - 1))


def _seed_of(seed: int, step: int) -> int:
    """Random numbers of a step that all ranks share, whatever they drew before."""
    return int(np.random.SeedSequence((seed, step)).generate_state(1, np.uint64)[0] >> np.uint64(2))
