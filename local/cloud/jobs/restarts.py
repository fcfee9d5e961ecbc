"""What is started again after a replica has ended, and how often. Pure.

Sources: https://cloud.google.com/vertex-ai/docs/training/understanding-training-service (a replica up to five times,
then its job up to three; exit codes that may be transient; internal errors), .../training/use-spot-vms (a pre-empted
job up to six times) and `Scheduling` of the REST reference. `disableRetries` is taken at its word: once a job has
started, nothing of it is started again.
"""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from local.cloud.jobs.spec import Job, Strategy


class Cause(StrEnum):
    """Why a replica has ended."""

    EXIT = "exit"  # by itself, badly: a permanent error
    CRASH = "crash"  # with a code that may be transient
    OUT_OF_MEMORY = "out of memory"
    MACHINE_LOST = "machine lost"  # none of the documented common errors, so that the replica alone starts again
    PREEMPTED = "pre-empted"
    STOCK_OUT = "stock-out"  # it never had a machine
    SERVICE = "service"  # an internal error of what runs it


class Step(StrEnum):
    REPLICA = "start the replica again"
    JOB = "start the whole job again"
    END = "the job has failed"


TRANSIENT_EXIT_CODES = frozenset({6, 11, 134, 139})
MOST_OF_A_REPLICA = 5
MOST_OF_A_JOB = {Cause.CRASH: 3, Cause.MACHINE_LOST: 3, Cause.STOCK_OUT: 3, Cause.SERVICE: 2}
MOST_OF_A_SPOT_JOB = 6  # pre-emptions and stock-outs together
_SPOT_CAUSES = frozenset({Cause.PREEMPTED, Cause.STOCK_OUT})


@dataclass
class Restarts:
    """How often a job and its replicas were started again, by cause and by task."""

    of_job: Counter[Cause] = field(default_factory=Counter)
    of_task: Counter[str] = field(default_factory=Counter)

    def after(self, job: Job, cause: Cause, task: str = "") -> Step:
        """What follows, which is counted."""
        if cause in {Cause.EXIT, Cause.OUT_OF_MEMORY} or (job.disable_retries and cause is not Cause.STOCK_OUT):
            return Step.END
        if cause is Cause.MACHINE_LOST and self.of_task[task] < MOST_OF_A_REPLICA:
            self.of_task[task] += 1
            return Step.JOB if job.restart_on_worker_restart else Step.REPLICA
        if self._spent(job, cause):
            return Step.END
        self.of_job[cause] += 1
        self.of_task.clear()
        return Step.JOB

    def _spent(self, job: Job, cause: Cause) -> bool:
        if job.strategy is Strategy.SPOT and cause in _SPOT_CAUSES:
            return sum(self.of_job[each] for each in _SPOT_CAUSES) >= MOST_OF_A_SPOT_JOB
        return self.of_job[cause] >= MOST_OF_A_JOB.get(cause, MOST_OF_A_SPOT_JOB)
