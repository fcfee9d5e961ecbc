"""One attempt of a job: its replicas, and what their ends mean for the job.

Source: https://cloud.google.com/vertex-ai/docs/training/understanding-training-service. A job succeeds when its
primary replica exits with 0; the others are then shut down. What is started again, and how often, is in restarts.py.
"""

from dataclasses import dataclass, field

from local.cloud.jobs.environment import ReplicaPlace
from local.cloud.jobs.images import RuntimeManifest
from local.cloud.jobs.keepers import LOST, START_ERROR, Exited
from local.cloud.jobs.restarts import TRANSIENT_EXIT_CODES, Cause, Restarts, Step
from local.cloud.jobs.spec import Job, JobError, JobState, JobUpdate

CANCELLED_CODE = 1
INVALID_ARGUMENT = 3
DEADLINE_EXCEEDED = 4
RESOURCE_EXHAUSTED = 8
INTERNAL = 13


@dataclass(frozen=True)
class Program:
    """What each replica of a worker pool executes. `own`: the runtime is this job's alone, no other may share it."""

    runtime: RuntimeManifest
    argv: list[str]
    own: bool = False


@dataclass
class Replica:
    """`code` is None while it runs, or waits to run. `fate` is why the service itself has ended it, if it has.

    `kill_at` is when its grace is over, of the monotonic clock. `starts` tells the processes of one replica apart.
    """

    place: ReplicaPlace
    job: str
    attempt: int
    starts: int = 1
    started: bool = False
    pid: int = 0
    code: int | None = None
    fate: Cause | None = None
    kill_at: float | None = None

    @property
    def id(self) -> str:
        return f"{self.job}/{self.attempt}/{self.place.task}/{self.starts}"

    def begin_again(self) -> None:
        """The same replica, on a machine in place of the one that was lost."""
        self.starts += 1
        self.started, self.pid, self.code, self.fate, self.kill_at = False, 0, None, None, None


@dataclass
class Attempt:
    """A job's replicas now, where they listen and what they execute. `ending` is what the job comes to once all of
    them have ended, unless it `restarts`.
    """

    job: Job
    number: int = 1
    programs: list[Program] = field(default_factory=list)
    addresses: list[list[str]] = field(default_factory=list)
    replicas: list[Replica] = field(default_factory=list)
    state: JobState = JobState.PENDING
    ending: JobUpdate | None = None
    restarts: Cause | None = None

    @property
    def alive(self) -> list[Replica]:
        return [replica for replica in self.replicas if replica.code is None]

    def note_start(self, replica: Replica, pid: int) -> bool:
        """True where this was the last replica to start."""
        replica.started, replica.pid = True, pid
        return self.state is JobState.PENDING and all(each.started for each in self.replicas)

    def note_exit(self, replica: Replica, exited: Exited, restarts: Restarts, log_tail: list[str]) -> Step | None:
        """Take an exit in. What follows it: None where the others just go on, or are ending already; after the
        primary's success and for every step but REPLICA the others must be shut down.
        """
        replica.code = exited.code
        if self.ending is not None:
            return None
        if exited.code == 0 and replica.fate is None:
            primary = replica.place.pool == 0
            self.ending = JobUpdate(JobState.SUCCEEDED) if primary else None
            return Step.END if primary else None
        cause = cause_of(replica, exited)
        step = restarts.after(self.job, cause, replica.place.task)
        if step is not Step.REPLICA:
            self.restarts = cause if step is Step.JOB else None
            self.ending = JobUpdate(JobState.FAILED, failure(self.job, cause, replica.place.task, exited, log_tail))
        return step


def cause_of(replica: Replica, exited: Exited) -> Cause:
    if replica.fate is not None:
        return replica.fate
    if exited.reason == LOST:
        return Cause.SERVICE
    return Cause.CRASH if exited.code in TRANSIENT_EXIT_CODES else Cause.EXIT


def failure(job: Job, cause: Cause, task: str, exited: Exited, log_tail: list[str]) -> JobError:
    """The error of a job whose replica ended badly, in Vertex AI's words and with the last lines that it wrote."""
    if cause in {Cause.PREEMPTED, Cause.STOCK_OUT}:
        return stock_out(job)
    if cause is Cause.MACHINE_LOST:
        return JobError(INTERNAL, f"Internal error occurred for the current attempt. The machine of {task} was lost.")
    if cause is Cause.SERVICE:
        return JobError(INTERNAL, "Internal error occurred for the current attempt.")
    if cause is Cause.OUT_OF_MEMORY:
        text = f"The replica {task} ran out of memory and exited with a non-zero status of {exited.code}."
    else:
        reason = "StartError" if exited.reason and exited.code == START_ERROR else "Error"
        text = f"The replica {task} exited with a non-zero status of {exited.code}. Termination reason: {reason}."
    tail = "\n".join(([exited.reason] if exited.reason else []) + log_tail)
    if tail:
        text += f"\n{tail}\n"
    return JobError(
        INVALID_ARGUMENT,
        f"{text} To find out more about why your job exited please check the logs: "
        f'resource.type="ml_job" resource.labels.job_id="{job.id}"',
    )


def stock_out(job: Job) -> JobError:
    return JobError(
        RESOURCE_EXHAUSTED,
        f"Resources are insufficient in region: {job.location}. Try a different region or use a different accelerator.",
    )
