"""The container's entry point: `python -m train.main`. With no flags the environment alone drives it.

Owns: the order of a run: check the environment, read, train, judge, store. Does not own: any of these steps.
Exit codes: 0 trained and stored; 1 failed; 2 input refused before any work; 143 told to stop, the
checkpoint is stored (1 where it could not be).
"""

import argparse
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch

from train import environment as job_environment
from train import warm_start
from train.artifacts import write_model
from train.data import Sequences, read_bigquery, read_folder
from train.estimate import Estimate, estimate, table, too_large
from train.evaluate import evaluate
from train.export import write_bundle
from train.fitting import Fitting, StateLost, fit, prepared, stop_if_told
from train.flags import add_run_flags, flag_problems
from train.health import HealthServer
from train.launch import Place, further_ranks, places_here
from train.log import Log, now
from train.loop import Interrupted
from train.machine import free_memory
from train.model import NextItemModel
from train.presets import Settings, Statistics, resolve, statistics
from train.problems import EXIT_REFUSED, Problem, Refused, refuse_if
from train.progress import Progress
from train.ranking import Histories
from train.ranks import RankLost, Ranks, joined
from train.run import Run
from train.serve import BUNDLE_FOLDER
from train.steadiness import TrainingDiverged
from train.storage import join, open_folder, probe
from train.trackers import trackers

EXIT_TERMINATED = 128 + signal.SIGTERM


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
        names = (environment.run_id, environment.request_id, environment.experiment_name)
        log = Log(run_id=names[0], request_id=names[1], experiment=names[2], rank=here.rank)
        run = Run(environment, flags, log, started, begun, clock, told_to_stop=[], ranks=Ranks(here))
        with further_ranks(others, sys.argv[1:] if argv is None else argv, run_id=environment.run_id):
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
    before = signal.signal(signal.SIGTERM, lambda number, _frame: run.told_to_stop.append(number))
    health = _health(run) if place.rank == 0 else None
    try:
        with joined(place, run.device):
            return _train(run)
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


def _train(run: Run) -> int:
    places = {"MODEL_DIR": run.environment.model_dir, "CHECKPOINT_DIR": run.environment.checkpoint_dir}
    unwritable = [
        problem
        for name, uri in (places.items() if run.ranks.is_first and not run.flags.estimate else ())
        for problem in _unwritable(name, join(uri, run.environment.run_id))
    ]
    refuse_if("environment", unwritable)
    sequences = _read(run)
    refuse_if("data", _of_other_bytes(run, sequences))
    data = statistics(sequences)
    refuse_if("data", _too_short(run, sequences, targets=data.targets))
    resolved = partial(resolve, data, core_seconds=run.core_seconds())
    start = run.ranks.decided(
        lambda: warm_start.plan(run.flags, sequences, open_folder(run.environment.staging_prefix), resolved)
    )
    settings = warm_start.settings_of(start, warm_start.asked_settings(run.flags), resolved)
    run.log.info("data", data=data.model_dump(), fingerprint=sequences.fingerprint)
    if run.flags.estimate:
        sys.stdout.write(table(_estimate(run, sequences, data, settings)))
        return 0
    run.log.info(f"start: {start.mode}, since {start.reason}", start=start.mode, champion=start.uri)
    fitting = prepared(run, sequences, settings, start, fits=partial(_refuse_too_large, run, sequences, data))
    settings = fitting.terms.settings
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
        code = _ended(run, fitting, sequences)
        state = "COMPLETE" if code == 0 else state
        return code
    finally:
        for tracker in tracked:
            tracker.finish(state)


def _ended(run: Run, fitting: Fitting, sequences: Sequences) -> int:
    """Trains and stores; the exit code."""
    try:
        _fit_and_store(run, fitting, sequences)
    except Interrupted:
        run.log.warning("told to stop: the checkpoint is stored, a job with this RUN_ID continues from it")
        return EXIT_TERMINATED
    except StateLost as lost:
        run.log.failure(
            f"told to stop, and {lost}: a job with this RUN_ID continues from an older one or from the start"
        )
        return 1
    except TrainingDiverged as diverged:
        advice = f"Lower --learning-rate, now {fitting.terms.settings.learning_rate}, and choose another RUN_ID"
        run.log.failure(f"training failed: {diverged}, and going back with a lower rate did not help. {advice}")
        return 1
    return 0


def _estimate(run: Run, sequences: Sequences, data: Statistics, settings: Settings) -> Estimate:
    """What the run will need."""
    sizes = tuple(feature.size for feature in sequences.features)
    on_accelerator = run.device.type == "cuda"
    ranks = run.ranks.size
    found = estimate(data, settings, on_accelerator=on_accelerator, ranks=ranks, feature_sizes=sizes)
    run.log.info("estimate", estimate=found.described())
    return found


def _refuse_too_large(run: Run, sequences: Sequences, data: Statistics, settings: Settings) -> None:
    """Refuses a run for which the machine has not enough; its ranks on this machine share what is free."""
    found = _estimate(run, sequences, data, settings)
    accelerator_free = float(torch.cuda.mem_get_info(run.device)[0]) if run.device.type == "cuda" else 0.0
    host_free = free_memory() / max(1, run.flags.processes)
    refuse_if("memory", too_large(found, host_free=host_free, accelerator_free=accelerator_free))


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


def _fit_and_store(run: Run, fitting: Fitting, sequences: Sequences) -> None:
    progress, model = fit(run, fitting), fitting.model
    model.fold_tags()

    def scores(histories: Histories) -> torch.Tensor:
        stop_if_told(run, fitting)
        return model.scores(histories)

    metrics = evaluate(sequences, scores, ranks=run.ranks)
    training = _summary(run, fitting, sequences, progress, metrics)
    if not run.ranks.is_first:
        return
    uri = join(run.environment.model_dir, run.environment.run_id)
    write_model(
        open_folder(uri), model=model, catalog=sequences.catalog, counts_V=sequences.train_counts_V, training=training
    )
    if run.flags.export:
        _export(run, model, sequences, uri)
    fitting.checkpoints.discard_scratch()
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


def _summary(
    run: Run, fitting: Fitting, sequences: Sequences, progress: Progress, metrics: dict[str, float]
) -> dict[str, Any]:
    """training.json, as contracts.run_artifacts.TrainingSummary describes it, with what else tells how the model came
    about.
    """
    return {
        "run_id": run.environment.run_id,
        "git_sha": run.environment.git_sha,
        "started": run.started,
        "first_step": progress.first_step,
        "seconds": round(run.seconds(), 3),
        "cpu_minutes": run.cpu_minutes(progress.seconds),
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
        "settings": fitting.terms.settings.model_dump(),
        "start": fitting.terms.start,
    }


if __name__ == "__main__":
    sys.exit(main())
