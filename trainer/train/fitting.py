"""One training of a model as a job does it: from a new model, a champion or a checkpoint to the best weights.

Owns: putting model, checkpoints and loop together, and what a SIGTERM leaves. Does not own: how training goes on
(loop.py), or what becomes of the model (main.py).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from train import warm_start
from train.checkpoint import Checkpoints
from train.continuation import Terms, continued
from train.data import Sequences
from train.log import now
from train.loop import Interrupted, TrainingLoop
from train.model import SHAPES, ModelConfig, NextItemModel
from train.presets import Settings
from train.progress import Progress
from train.run import Run
from train.storage import join, open_folder
from train.successors import feature_sizes


class StateLost(Exception):
    """The process was told to stop, and its state is not stored."""


class Fitting(NamedTuple):
    """A training that is about to begin or to continue."""

    model: NextItemModel
    terms: Terms
    loop: TrainingLoop
    checkpoints: Checkpoints


def prepared(
    run: Run,
    sequences: Sequences,
    settings: Settings,
    start: warm_start.Start,
    *,
    fits: Callable[[Settings], None] = lambda _settings: None,
) -> Fitting:
    """On a checkpoint's terms where the run has one, else on these. `fits` may refuse the settings before they cost
    anything.
    """
    checkpoints = Checkpoints(
        open_folder(join(run.environment.checkpoint_dir, run.environment.run_id)),
        warn=run.log.warning,
        stored=lambda step, seconds: run.log.info("checkpoint stored", step=step, seconds=round(seconds, 3)),
        kept=run.flags.checkpoint_keep,
    )
    saved = run.ranks.decided(checkpoints.load)
    share = warm_start.newest_share(start, run.flags)
    terms = Terms(
        fingerprint=sequences.fingerprint,
        tags=sequences.tags.fingerprint if sequences.tags else "",
        settings=settings,
        learned=share,
        start=start.described(),
    )
    if saved is not None:
        terms = _kept(run, saved.identity, terms)
    fits(terms.settings)
    model = new_model(sequences, terms.settings, None if saved else start.champion).to(run.device)
    loop = _loop(run, model, sequences, terms, checkpoints)
    if saved is not None:
        loop.restore(saved.state)
        run.log.info("resumed", step=loop.progress.step)
    elif start.champion:
        loop.judge_the_start()
    return Fitting(model, terms, loop, checkpoints)


def _kept(run: Run, held: dict[str, Any], terms: Terms) -> Terms:
    uri = join(run.environment.checkpoint_dir, run.environment.run_id)
    asked = {**warm_start.asked_settings(run.flags), "learn_newest": run.flags.learn_newest}
    terms, differences = continued(held, terms, asked, uri=uri)
    if differences:
        run.log.info(f"the checkpoint's settings are kept: {'; '.join(differences)}")
    return terms


def new_model(sequences: Sequences, settings: Settings, champion: warm_start.Champion | None) -> NextItemModel:
    torch.manual_seed(settings.seed)
    shape = {name: getattr(settings, name) for name in SHAPES}
    config = ModelConfig(items=len(sequences.catalog), feature_sizes=feature_sizes(sequences), **shape)
    model = NextItemModel(config, sequences.tags)
    model.start_from_popularity(sequences.train_counts_V)
    model.successors.fit(sequences)
    if champion:
        warm_start.carry_over(model, champion, sequences)
    return model


def _loop(run: Run, model: NextItemModel, sequences: Sequences, terms: Terms, checkpoints: Checkpoints) -> TrainingLoop:
    identity = terms.identity()

    def save(state: dict[str, Any], step: int) -> None:
        if not run.ranks.is_first:
            return
        is_last = bool(run.told_to_stop or loop.is_interrupted or loop.progress.stopped_by)
        checkpoints.save(state, step=step, identity=identity, wait=is_last)

    def rewind(step: int) -> dict[str, Any] | None:
        saved = run.ranks.decided(lambda: checkpoints.load(at_most_step=step))
        return saved.state if saved else None

    loop = TrainingLoop(
        model,
        sequences,
        terms.settings,
        learned=warm_start.newest(sequences, terms.learned, context=terms.settings.window),
        log=run.log,
        seconds=run.seconds_to_train(),
        save=save,
        save_every_seconds=run.flags.checkpoint_seconds,
        save_every_steps=run.flags.checkpoint_steps,
        saved_in=lambda: checkpoints.written_in,
        rewind=rewind,
        interrupted=lambda: bool(run.told_to_stop),
        now=now,
        clock=run.clock,
        ranks=run.ranks,
    )
    return loop


def fit(run: Run, fitting: Fitting) -> Progress:
    """Trains to the end. Raises Interrupted once the state is stored, or StateLost."""
    try:
        progress = fitting.loop.run()
    except Interrupted as interrupted:
        raise _stopped(run, fitting) from interrupted
    finally:
        fitting.checkpoints.flush()
    return progress


def stop_if_told(run: Run, fitting: Fitting) -> None:
    """After training: its last state is the one to continue from."""
    if run.told_to_stop and run.ranks.size == 1:  # one of several would leave the others waiting
        raise _stopped(run, fitting)


def _stopped(run: Run, fitting: Fitting) -> Exception:
    if fitting.checkpoints.flush() or not run.ranks.is_first:
        return Interrupted()
    return StateLost(f"the checkpoint was not stored in {run.environment.checkpoint_dir}")
