"""Quality over CPU time of one training run: when a model is judged, what that costs nobody, and when it is enough.

Owns: the clock, the points and the end of a run. Does not own: training, or ranking (train.ranking judges everyone by
the same protocol). A trainer offers its model whenever it could be used; the model is judged at growing intervals, and
the CPU time of judging is not counted.

Everything here also runs in the peers' environment: it needs torch, numpy and pyarrow alone.
"""

import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from train.data import VALIDATION, Sequences
from train.metrics import PRIMARY, metrics_of
from train.ranking import Scorer, drawn_users, held_out_ranks

VALIDATION_USERS = 4_000
_FIRST_SECONDS, _GROWTH = 5.0, 1.6
# A run whose validation was best so many points ago, about a quarter of its time, has learned what it will learn. Slow
# starters are given their share of the cap first.
_STALE_POINTS, _STALE_SHARE = 3, 1 / 3

CAP, STALE, ENDED = "the cap", "validation no longer rose", "its own end"


class Enough(Exception):
    """The run has had its CPU time, or more of it is of no use."""


class Task(NamedTuple):
    """What a contestant is given. `data` is the folder that `sequences` were read from."""

    data: Path
    sequences: Sequences
    seed: int
    cap_seconds: float
    offer: Callable[..., None]


def cpu_seconds() -> float:
    """User and system time of this process with its threads, and of its children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


class Points:
    """The points of one run, which begins now."""

    def __init__(self, sequences: Sequences, *, cap_seconds: float, clock: Callable[[], float] = cpu_seconds) -> None:
        self._sequences, self._cap, self._clock = sequences, cap_seconds, clock
        self._chosen = drawn_users(sequences.evaluated, VALIDATION_USERS)
        self._began, self._judging, self._due = clock(), 0.0, _FIRST_SECONDS
        self._last: tuple[Scorer, float] | None = None
        self.found: list[dict[str, float]] = []
        self.ended = ENDED

    def offer(self, scorer: Scorer, *, judge: bool = False) -> None:
        """A model as it is now; judged at once where `judge`, else if a point is due. Raises Enough where the run is to
        end.
        """
        spent = self._clock() - self._began - self._judging
        self._last = (scorer, spent)
        if judge or spent >= min(self._due, self._cap):
            self._judge(scorer, spent)
        if spent >= self._cap:
            self._end(CAP)
        if spent >= self._cap * _STALE_SHARE and chosen(self.found) in self.found[:-_STALE_POINTS]:
            self._end(STALE)

    def close(self) -> None:
        """Judges the last model offered, where that was not done."""
        if self._last and (not self.found or self.found[-1]["cpu_seconds"] < round(self._last[1], 2)):
            self._judge(*self._last)

    def _end(self, why: str) -> None:
        self.ended = why
        raise Enough(why)

    def _judge(self, scorer: Scorer, spent: float) -> None:
        before = self._clock()
        size = len(self._sequences.catalog)
        validation_U = held_out_ranks(self._sequences, scorer, held_out=VALIDATION, users=self._chosen)
        test_U = held_out_ranks(self._sequences, scorer)
        point = {"cpu_seconds": round(spent, 2), "validation": metrics_of(validation_U, catalog_size=size)[PRIMARY]}
        self.found.append({**point, **metrics_of(test_U, catalog_size=size)})
        self._due = max(self._due, spent) * _GROWTH
        self._judging += self._clock() - before


def chosen(found: list[dict[str, Any]]) -> dict[str, Any]:
    """The point that the validation items choose; of equals the first."""
    return max(found, key=lambda point: point["validation"])
