"""One attempt of a job: its replicas, and what their ends mean for the job.

Source: https://cloud.google.com/vertex-ai/docs/training/understanding-training-service. A job succeeds when its
primary replica exits with 0; the others are then shut down. A replica that exits with anything else is a permanent
error and ends the job, unless the code may be transient (SIGABRT, SIGSEGV) or the machine was lost: then the whole
job starts again.
"""

from dataclasses import dataclass, field

from local.cloud.jobs.environment import ReplicaPlace
from local.cloud.jobs.keepers import LOST, START_ERROR, Exited
from local.cloud.jobs.spec import Job, JobError, JobState, JobUpdate

CANCELLED_CODE = 1
INVALID_ARGUMENT = 3
DEADLINE_EXCEEDED = 4
INTERNAL = 13
TRANSIENT_EXIT_CODES = frozenset({6, 11, 134, 139})
MAX_JOB_RESTARTS = 3
MAX_INTERNAL_RESTARTS = 2


@dataclass
class Replica:
    """`code` is None while it runs, or waits to run."""

    id: str
    place: ReplicaPlace
    started: bool = False
    code: int | None = None


@dataclass
class Attempt:
    """A job's replicas now. `ending` is what the job comes to once all of them have ended."""

    job: Job
    number: int = 1
    replicas: list[Replica] = field(default_factory=list)
    state: JobState = JobState.PENDING
    ending: JobUpdate | None = None
    restarts: bool = False
    deadline: float | None = None
    kill_at: float | None = None

    @property
    def alive(self) -> list[Replica]:
        return [replica for replica in self.replicas if replica.code is None]

    def note_start(self, replica: Replica) -> bool:
        """True where this was the last replica to start."""
        replica.started = True
        return self.state is JobState.PENDING and all(each.started for each in self.replicas)

    def note_exit(self, replica: Replica, exited: Exited, log_tail: list[str]) -> bool:
        """Take an exit in; True where the other replicas must be shut down now."""
        replica.code = exited.code
        if self.ending is not None:
            return False
        if exited.code == 0:
            primary = replica.place.pool == 0
            self.ending = JobUpdate(JobState.SUCCEEDED) if primary else None
            return primary
        self.restarts = self._may_restart(exited)
        self.ending = JobUpdate(JobState.FAILED, failure(self.job, replica.place.task, exited, log_tail))
        return True

    def _may_restart(self, exited: Exited) -> bool:
        if self.job.disable_retries:
            return False
        if exited.reason == LOST:
            return self.number <= MAX_INTERNAL_RESTARTS
        return exited.code in TRANSIENT_EXIT_CODES and self.number <= MAX_JOB_RESTARTS


def failure(job: Job, task: str, exited: Exited, log_tail: list[str]) -> JobError:
    """The error of a job whose replica ended badly, in Vertex AI's words and with the last lines that it wrote."""
    if exited.reason == LOST:
        return JobError(INTERNAL, "Internal error occurred for the current attempt.")
    reason = "StartError" if exited.reason and exited.code == START_ERROR else "Error"
    tail = "\n".join(([exited.reason] if exited.reason else []) + log_tail)
    text = f"The replica {task} exited with a non-zero status of {exited.code}. Termination reason: {reason}."
    if tail:
        text += f"\n{tail}\n"
    return JobError(
        INVALID_ARGUMENT,
        f"{text} To find out more about why your job exited please check the logs: "
        f'resource.type="ml_job" resource.labels.job_id="{job.id}"',
    )
