"""Who else hears of a run: Vertex Experiments and Weights & Biases, as the environment asks.

Owns: starting and finishing them. Does not own: the structured log, which is always written.
"""

import importlib
import tempfile
from collections.abc import Callable
from typing import Any, Protocol

from train.environment import Environment
from train.experiments import ExperimentRun, Parameter
from train.log import Log


class Tracker(Protocol):
    """Hears of a run's metrics."""

    def start(self, parameters: dict[str, Parameter]) -> None: ...

    def observe(self, name: str, value: float, step: int) -> None: ...

    def finish(self, state: str) -> None:
        """`state` is COMPLETE or FAILED."""
        ...


def trackers(environment: Environment, log: Log) -> list[Tracker]:
    """The trackers that the environment asks for; each hears of every metric that `log` writes."""
    asked: list[Tracker] = []
    if environment.vertex_experiment:
        asked.append(
            ExperimentRun(
                project=environment.project,
                region=environment.region,
                endpoint=environment.vertex_endpoint,
                experiment=environment.vertex_experiment,
                run_id=environment.run_id,
                warn=log.warning,
            )
        )
    if environment.wandb_enabled:
        asked.append(_Wandb(environment, warn=log.warning))
    log.observers.extend(tracker.observe for tracker in asked)
    return asked


class _Wandb:
    """Weights & Biases. A mistake of its service warns and trains on. Its files are gone when the run ends: what counts
    is what was sent.
    """

    def __init__(self, environment: Environment, *, warn: Callable[[str], None]) -> None:
        self._environment, self._warn = environment, warn
        self._run: Any = None
        self._is_heard = True
        self._folder = tempfile.TemporaryDirectory(prefix="wandb-", ignore_cleanup_errors=True)

    def start(self, parameters: dict[str, Parameter]) -> None:
        wandb = importlib.import_module("wandb")
        try:
            self._run = wandb.init(
                project=self._environment.experiment_name,
                id=self._environment.run_id,
                name=self._environment.run_id,
                config=parameters,
                resume="allow",
                dir=self._folder.name,
                settings=wandb.Settings(console="off", silent=True),
            )
        except Exception as error:
            self._warn(f"wandb is not logged: {error}")

    def observe(self, name: str, value: float, step: int) -> None:
        if self._run is None or not self._is_heard:
            return
        try:
            self._run.log({name: value}, step=step)
        except Exception as error:
            self._is_heard = False  # said once, not with every metric
            self._warn(f"wandb no longer logs metrics: {error}")

    def finish(self, state: str) -> None:
        try:
            if self._run is not None:
                self._run.finish(exit_code=0 if state == "COMPLETE" else 1)
        except Exception as error:
            self._warn(f"wandb did not finish: {error}")
        finally:
            self._folder.cleanup()
