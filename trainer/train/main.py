"""The container's entry point: `python -m train.main`. With no flags the environment alone drives it.

Owns: the order of a run: check the environment, read, train, judge, store. Does not own: any of these steps.
Exit codes: 0 trained and stored; 1 failed; 2 input refused before any work; 143 told to stop, the
checkpoint is stored (1 where it could not be).
"""

import argparse
import math
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch

from train import environment as job_environment
from train import warm_start
from train.artifacts import write_model
from train.checkpoint import Checkpoints
from train.data import Sequences, read_bigquery, read_folder
from train.environment import Environment
from train.evaluate import evaluate
from train.export import write_bundle
from train.flags import add_run_flags, flag_problems
from train.health import HealthServer
from train.launch import Place, further_ranks, places_here
from train.log import Log, now
from train.loop import Interrupted, Progress, TrainingDiverged, TrainingLoop
from train.model import SHAPES, ModelConfig, NextItemModel
from train.presets import Settings, resolve, statistics
from train.problems import EXIT_REFUSED, Problem, Refused, refuse_if
from train.ranks import ALONE, RankLost, Ranks, joined
from train.serve import BUNDLE_FOLDER
from train.storage import join, open_folder, probe
from train.successors import feature_sizes
from train.trackers import trackers

EXIT_TERMINATED = 128 + signal.SIGTERM
_STORING_SECONDS = 2.0
_EXPORT_SECONDS = 3.0
_CORES_OF_A_GPU = 20  # small models leave most of one idle; this is what is left of it


class StateLost(Exception):
    """The process was told to stop, and its state is not stored."""


class Run(NamedTuple):
    """What every part of a run needs."""

    environment: Environment
    flags: argparse.Namespace
    log: Log
    started: str
    begun: float  # what the clock showed when the process began
    clock: Callable[[], float]
    device: torch.device
    ranks: Ranks = ALONE


def main(argv: Sequence[str] | None = None, *, clock: Callable[[], float] = time.monotonic) -> int:
    """`clock` tells the seconds that --max-minutes is held against."""
    started, begun = now(), clock()
    flags = parser().parse_args(argv)
    run_id, request_id, experiment = job_environment.identity()
    log = Log(run_id=run_id, request_id=request_id, experiment=experiment)
    try:
        environment = job_environment.load()
        refuse_if("flags", flag_problems(flags))
        here, *others = places_here(environment.place, flags.processes)
        log = Log(
            run_id=environment.run_id,
            request_id=environment.request_id,
            experiment=environment.experiment_name,
            rank=here.rank,
        )
        again = [*(sys.argv[1:] if argv is None else argv), "--processes", "1"]
        run = Run(environment, flags, log, started, begun, clock, _device(flags.device, here))
        with further_ranks(others, again, run_id=environment.run_id):
            return _run(run, here)
    except Refused as refused:
        for problem in refused.problems:
            log.failure(str(problem), refused=refused.subject)
        return EXIT_REFUSED
    except RankLost as lost:
        log.failure(f"training failed: {lost}. A job with this RUN_ID continues from the last checkpoint")
        return 1
    except Exception as error:
        log.failure(f"training failed: {type(error).__name__}: {error}", stack_trace=traceback.format_exc())
        return 1


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(
        prog="python -m train.main",
        description="Train a next-item recommender. The environment names data, model and checkpoint folders.",
    )
    add_run_flags(result)
    return result


def _run(run: Run, place: Place) -> int:
    torch.set_num_threads(run.flags.threads)
    told_to_stop: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: told_to_stop.append(number))
    health = _health(run) if place.rank == 0 else None
    try:
        with joined(place, run.device) as ranks:
            return _train(run._replace(ranks=ranks), told_to_stop)
    finally:
        signal.signal(signal.SIGTERM, before)
        if health:
            health.close()


def _health(run: Run) -> HealthServer | None:
    """The optional probe; training is worth more than it."""
    port = run.flags.health_port or run.environment.health_port
    if not port:
        return None
    try:
        health = HealthServer(port, run_id=run.environment.run_id)
    except OSError as error:
        run.log.warning(f"/healthz is not served: port {port} cannot be taken ({error.strerror})")
        return None
    run.log.observers.append(health.observe)
    return health


def _train(run: Run, told_to_stop: list[int]) -> int:
    if run.ranks.is_first:
        refuse_if("environment", _unwritable("MODEL_DIR", join(run.environment.model_dir, run.environment.run_id)))
    sequences = _read(run)
    refuse_if("data", _of_other_bytes(run, sequences))
    data = statistics(sequences)
    refuse_if("data", _too_short(run, sequences, targets=data.targets))
    resolved = partial(resolve, data, core_seconds=_core_seconds(run))
    start = run.ranks.decided(
        lambda: warm_start.plan(run.flags, sequences, open_folder(run.environment.staging_prefix), resolved)
    )
    settings = warm_start.settings_of(start, warm_start.asked_settings(run.flags), resolved)
    run.log.info("data", data=data.model_dump(), fingerprint=sequences.fingerprint)
    run.log.info(f"start: {start.mode}, since {start.reason}", start=start.mode, champion=start.uri)
    run.log.info(
        "settings",
        settings=settings.model_dump(),
        git_sha=run.environment.git_sha,
        device=str(run.device),
        ranks=run.ranks.size,
        torch=torch.__version__,
    )
    tracked = trackers(run.environment, run.log) if run.ranks.is_first else []
    for tracker in tracked:
        tracker.start({**settings.model_dump(), **data.model_dump(), "git_sha": run.environment.git_sha})
    state = "FAILED"
    try:
        _fit_and_store(run, sequences, settings, start, told_to_stop)
        state = "COMPLETE"
    except Interrupted:
        run.log.warning("told to stop: the checkpoint is stored, a job with this RUN_ID continues from it")
        return EXIT_TERMINATED
    except StateLost as lost:
        run.log.failure(
            f"told to stop, and {lost}: a job with this RUN_ID continues from an older one or from the start"
        )
        return 1
    except TrainingDiverged as diverged:
        run.log.failure(f"training failed: {diverged}. Lower --learning-rate, now {settings.learning_rate}")
        return 1
    finally:
        for tracker in tracked:
            tracker.finish(state)
    return 0


def _unwritable(name: str, uri: str) -> list[Problem]:
    """A probe is written, so that no run trains for hours and then finds no place for its model."""
    try:
        probe(open_folder(uri))
    except Refused:
        raise
    except Exception as error:
        rule = f"cannot be written to ({type(error).__name__}: {str(error).splitlines()[0]})"
        return [Problem(name, uri, rule, "Name a folder or a bucket that this job may write to")]
    return []


def _read(run: Run) -> Sequences:
    environment = run.environment
    if run.flags.source == "bigquery":
        return read_bigquery(project=environment.project, table=environment.feedback_table)
    return read_folder(open_folder(environment.staging_prefix))


def _of_other_bytes(run: Run, sequences: Sequences) -> list[Problem]:
    if run.ranks.same(sequences.fingerprint):
        return []
    rule = "the ranks read different data: it changed while they started"
    return [Problem("data", sequences.fingerprint, rule, "Start the job again once the data is written")]


def _too_short(run: Run, sequences: Sequences, *, targets: int) -> list[Problem]:
    if not len(sequences.evaluated):
        rule = "no user has three events: one to learn from, one to validate and one to test"
    elif not targets:
        rule = "no user has four events, of which two are held out and two are one step to learn"
    else:
        return []
    source = run.environment.feedback_table if run.flags.source == "bigquery" else run.environment.staging_prefix
    return [Problem("data", source, rule, "Read a longer history")]


def _fit_and_store(
    run: Run, sequences: Sequences, settings: Settings, start: warm_start.Start, told_to_stop: list[int]
) -> None:
    model = _new_model(sequences, settings, start).to(run.device)
    progress = _fit(run, model, sequences, settings, start, told_to_stop)
    metrics = evaluate(sequences, model.scores, ranks=run.ranks)
    training = _summary(run, sequences, settings, progress, metrics) | {"start": start.described()}
    if not run.ranks.is_first:
        return
    uri = join(run.environment.model_dir, run.environment.run_id)
    write_model(
        open_folder(uri), model=model, catalog=sequences.catalog, counts_V=sequences.train_counts_V, training=training
    )
    if run.flags.export:
        _export(run, model, sequences, uri)
    run.log.info("model stored", uri=uri, stopped_by=progress.stopped_by, seconds=training["seconds"])
    for name, value in metrics.items():
        run.log.metric(name, value, step=progress.step)


def _export(run: Run, model: NextItemModel, sequences: Sequences, uri: str) -> None:
    """The serving bundle beside the model. The model is worth more than it, and it can be made later."""
    try:
        folder = open_folder(join(uri, BUNDLE_FOLDER))
        write_bundle(
            folder,
            model=model,
            catalog=sequences.catalog,
            counts_V=sequences.train_counts_V,
            run_id=run.environment.run_id,
        )
    except Exception as error:
        fix = f"Make it by: python -m train.export --model-uri {uri}"
        run.log.warning(f"the model has no serving bundle ({type(error).__name__}: {error}). {fix}")


def _new_model(sequences: Sequences, settings: Settings, start: warm_start.Start) -> NextItemModel:
    torch.manual_seed(settings.seed)
    shape = {name: getattr(settings, name) for name in SHAPES}
    model = NextItemModel(ModelConfig(items=len(sequences.catalog), feature_sizes=feature_sizes(sequences), **shape))
    model.start_from_popularity(sequences.train_counts_V)
    model.successors.fit(sequences)
    if start.champion:
        warm_start.carry_over(model, start.champion, sequences)
    return model


def _fit(
    run: Run,
    model: NextItemModel,
    sequences: Sequences,
    settings: Settings,
    start: warm_start.Start,
    told_to_stop: list[int],
) -> Progress:
    checkpoints = Checkpoints(
        open_folder(join(run.environment.checkpoint_dir, run.environment.run_id)),
        warn=run.log.warning,
        stored=lambda step: run.log.info("checkpoint stored", step=step),
    )
    limit = {}
    if run.flags.max_minutes is not None:
        storing = _STORING_SECONDS + (_EXPORT_SECONDS if run.flags.export else 0.0)
        left = run.flags.max_minutes * 60 - (run.clock() - run.begun) - storing
        limit["seconds"] = run.ranks.of_first(max(1.0, left))
    share = warm_start.newest_share(start, run.flags)
    learned = {"learned": share} if share < 1 else {}
    identity = {
        "fingerprint": sequences.fingerprint,
        "settings": settings.model_dump(exclude={"max_epochs"}),
        **learned,
    }

    def save(state: dict[str, Any], step: int) -> None:
        if run.ranks.is_first:
            checkpoints.save(state, step=step, identity=identity)

    loop = TrainingLoop(
        model,
        sequences,
        settings,
        learned=warm_start.newest(sequences, share, context=settings.window),
        log=run.log,
        save=save,
        save_every_seconds=run.flags.checkpoint_seconds,
        interrupted=lambda: bool(told_to_stop),
        now=now,
        ranks=run.ranks,
        clock=run.clock,
        **limit,
    )
    state = run.ranks.decided(lambda: checkpoints.load(identity))
    if state is not None:
        loop.restore(state)
        run.log.info("resumed", step=loop.progress.step)
    elif start.champion:
        loop.judge_the_start()
    try:
        return loop.run()
    except Interrupted as interrupted:
        if run.ranks.is_first and not checkpoints.flush():
            raise StateLost(f"the checkpoint was not stored in {run.environment.checkpoint_dir}") from interrupted
        raise
    finally:
        checkpoints.flush()


def _summary(
    run: Run, sequences: Sequences, settings: Settings, progress: Progress, metrics: dict[str, float]
) -> dict[str, Any]:
    """training.json, as contracts.run_artifacts.TrainingSummary describes it, with what else tells how the model came
    about.
    """
    return {
        "run_id": run.environment.run_id,
        "git_sha": run.environment.git_sha,
        "started": run.started,
        "first_step": progress.first_step,
        "seconds": round(run.clock() - run.begun, 3),
        "cpu_minutes": _cpu_minutes(run, progress),
        "steps": progress.step,
        "stopped_by": progress.stopped_by,
        "data_fingerprint": sequences.fingerprint,
        "users": len(sequences.users),
        "items": len(sequences.catalog),
        "interactions": len(sequences.items_N),
        "curve": progress.curve,
        "metrics": metrics,
        "best_step": progress.best_step,
        "successor_strength": progress.chosen_strength,
        "trained_on": "all but each user's last two events",
        "settings": settings.model_dump(),
    }


def _core_seconds(run: Run) -> float:
    """The budget in seconds of one core; from the flags alone, so that a run that is started again gets the same."""
    if run.flags.max_minutes is None:
        return math.inf
    cores = _CORES_OF_A_GPU if run.device.type == "cuda" else run.flags.threads
    return run.flags.max_minutes * 60 * cores * run.ranks.size


def _cpu_minutes(run: Run, progress: Progress) -> float:
    """What the run cost so far: its processes now, and the seconds that earlier ones of the same run trained."""
    earlier = max(0.0, progress.seconds - (run.clock() - run.begun)) * run.ranks.size
    return round((run.ranks.total(time.process_time()) + earlier) / 60, 3)


def _device(asked: str, place: Place) -> torch.device:
    """The device of a rank: of several GPUs in a machine, each rank has its own."""
    kind = ("cuda" if torch.cuda.is_available() else "cpu") if asked == "auto" else asked
    return torch.device(kind, place.local_rank) if kind == "cuda" else torch.device(kind)


if __name__ == "__main__":
    sys.exit(main())
