"""What every part of a training process needs to know of the job it is: environment, flags, log and clock.

Owns: no decision but how its seconds, cores and device are counted.
"""

import argparse
import math
import time
from collections.abc import Callable
from typing import NamedTuple

import torch

from train.environment import Environment
from train.log import Log
from train.ranks import ALONE, Ranks

_CORES_OF_A_GPU = 20  # small models leave most of one idle; this is what is left of it
_STORING_SECONDS = 2.0
_EXPORT_SECONDS = 3.0


class Run(NamedTuple):
    """One process of a job. `told_to_stop` is not empty from the moment that it should end."""

    environment: Environment
    flags: argparse.Namespace
    log: Log
    started: str
    begun: float  # what the clock showed when the process began
    clock: Callable[[], float]
    told_to_stop: list[int]
    ranks: Ranks = ALONE

    @property
    def device(self) -> torch.device:
        """Of several GPUs in a machine, each rank has its own."""
        kind = self.flags.device
        if kind == "auto":
            kind = "cuda" if torch.cuda.is_available() else "cpu"
        return torch.device(kind, self.ranks.local_rank) if kind == "cuda" else torch.device(kind)

    def seconds(self) -> float:
        """Since the process began."""
        return self.clock() - self.begun

    def seconds_to_train(self) -> float:
        """What --max-minutes leaves for training from now on."""
        if self.flags.max_minutes is None:
            return math.inf
        storing = _STORING_SECONDS + (_EXPORT_SECONDS if self.flags.export else 0.0)
        return self.ranks.of_first(max(1.0, self.flags.max_minutes * 60 - self.seconds() - storing))

    def core_seconds(self) -> float:
        """The budget in seconds of one core; from the flags alone, so that a run that is started again gets the
        same.
        """
        if self.flags.max_minutes is None:
            return math.inf
        cores = _CORES_OF_A_GPU if self.device.type == "cuda" else self.flags.threads
        return self.flags.max_minutes * 60 * cores * self.ranks.size

    def cpu_minutes(self, trained_seconds: float) -> float:
        """What the run cost so far: its processes now, and the seconds that earlier ones of the same run trained."""
        earlier = max(0.0, trained_seconds - self.seconds()) * self.ranks.size
        return round((self.ranks.total(time.process_time()) + earlier) / 60, 3)
