"""Jobs that are not final, and when one that waits has its machines.

A stock-out is tried again after a pause; by how often, restarts.py says, and for FLEX_START how long the job is willing
to wait. Source: https://cloud.google.com/vertex-ai/docs/training/schedule-jobs-dws
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from local.cloud.jobs.images import RuntimeManifest
from local.cloud.jobs.launching import Surroundings
from local.cloud.jobs.restarts import Cause, Restarts, Step
from local.cloud.jobs.running import Attempt, stock_out
from local.cloud.jobs.spec import Job, JobError, Strategy

_PAUSE_SECONDS = 0.5  # between two tries to get machines


@dataclass
class Known:
    """A job that is not final. `attempt` is None while it waits: for its turn, or until `not_before` for machines.

    Machines that a job has are kept when it crashes, not when they were what failed.
    """

    job: Job
    runtimes: Mapping[str, RuntimeManifest]
    since: datetime
    attempt: Attempt | None = None
    attempts: int = 0
    queued: bool = False
    told_waiting: bool = False
    has_machines: bool = False
    not_before: datetime | None = None
    restarts: Restarts = field(default_factory=Restarts)

    def ready_at(self, now: datetime) -> bool:
        """Whether it waits for its turn alone."""
        return self.not_before is None or now >= self.not_before

    def wait_again(self, cause: Cause, now: datetime) -> None:
        """Its attempt has ended and another follows."""
        if cause is not Cause.CRASH:
            self.has_machines = False
        if cause is Cause.PREEMPTED:
            self.not_before = now + timedelta(seconds=_PAUSE_SECONDS)


def find_machines(known: Known, around: Surroundings) -> JobError | None:
    """Ask for a job's machines: it has them, or `not_before` is set. The error of a job that gets none any more."""
    known.not_before = None
    if known.has_machines:
        return None
    now, wait = around.now(), around.provision(known.job)
    if wait is None:
        if not _may_wait(known, now):
            return stock_out(known.job)
        known.not_before = now + timedelta(seconds=_PAUSE_SECONDS)
        return None
    known.has_machines = True
    if wait > 0:
        known.not_before = now + timedelta(seconds=wait)
    return None


def _may_wait(known: Known, now: datetime) -> bool:
    job = known.job
    if job.strategy is Strategy.FLEX_START:
        return job.max_wait_seconds == 0 or (now - known.since).total_seconds() < job.max_wait_seconds
    return known.restarts.after(job, Cause.STOCK_OUT) is Step.JOB
