"""How replicas are made to end: asked first, killed after the grace; at their timeout, beyond their memory.

Owns: signals and the limits of what runs. Does not own: what an end means (running.py).
"""

import signal
import time
from collections.abc import Callable, Container, Iterable

from local.cloud.jobs.keepers import Exited
from local.cloud.jobs.machines import Machines
from local.cloud.jobs.memory import resident_bytes
from local.cloud.jobs.restarts import Cause
from local.cloud.jobs.running import DEADLINE_EXCEEDED, Attempt, Replica
from local.cloud.jobs.spec import JobError, JobState, JobUpdate

_MEMORY_SECONDS = 1.0


class Endings:
    """`post` takes the exit of a replica that was never started. One thread calls it."""

    def __init__(self, machines: Machines, post: Callable[[Exited], None], *, grace_seconds: float) -> None:
        self.grace_seconds = grace_seconds
        self._machines = machines
        self._post = post
        self._measured = 0.0

    def ask(self, replicas: Iterable[Replica]) -> None:
        """Let them save their work; what has not ended after the grace is killed."""
        for replica in replicas:
            replica.kill_at = time.monotonic() + self.grace_seconds
            self._signal(replica, signal.SIGTERM)

    def take_away(self, replica: Replica, cause: Cause) -> None:
        """The replica's machine is gone: at once, or with the notice that a Spot machine gets."""
        replica.fate = cause
        if cause is Cause.PREEMPTED:
            self.ask([replica])
        else:
            self._signal(replica, signal.SIGKILL)

    def tick(self, attempts: list[Attempt], late: Container[str]) -> None:
        """Kill whose grace is over, end the jobs that are `late`, by name, and what holds too much memory."""
        now = time.monotonic()
        for attempt in attempts:
            for replica in attempt.alive:
                if replica.kill_at is not None and now >= replica.kill_at:
                    replica.kill_at = now + self.grace_seconds
                    self._signal(replica, signal.SIGKILL)
            if attempt.ending is None and attempt.job.name in late:
                seconds = attempt.job.timeout_seconds
                error = JobError(DEADLINE_EXCEEDED, f"The job ran longer than its timeout, {seconds:g}s.")
                attempt.ending = JobUpdate(JobState.FAILED, error)
                self.ask(attempt.alive)
        if now - self._measured >= _MEMORY_SECONDS:
            self._measured = now
            self._limit_memory(attempts)

    def _limit_memory(self, attempts: list[Attempt]) -> None:
        limits = {
            replica.pid: (replica, limit)
            for attempt in attempts
            for replica in attempt.alive
            if replica.pid and (limit := attempt.job.pools[replica.place.pool].size.memory_bytes)
        }
        for pid, held in resident_bytes(limits).items():
            replica, limit = limits[pid]
            if held > limit and replica.fate is None:
                self.take_away(replica, Cause.OUT_OF_MEMORY)

    def _signal(self, replica: Replica, number: int) -> None:
        if self._machines.withdraw(replica.id):
            self._post(Exited(replica.id, 128 + number))
        else:
            self._machines.signal(replica.id, number)
