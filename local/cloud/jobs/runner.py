"""Runs jobs: places them, finds machines for them, starts their replicas, takes in their ends.

All decisions are taken in one thread, which reads an inbox: requests from outside, events from the keepers, and the
clock. Its reports are the caller's record of a job; the runner itself remembers nothing over a restart of the cloud.
"""

import contextlib
import logging
import queue
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from local.cloud.jobs.endings import Endings
from local.cloud.jobs.images import ImageNotFoundError, RuntimeManifest, runtime_of
from local.cloud.jobs.keepers import Exited, Keeper, KeeperEvent
from local.cloud.jobs.launching import Launcher, Surroundings
from local.cloud.jobs.logs import JobLogs
from local.cloud.jobs.machines import Machines
from local.cloud.jobs.queue import startable
from local.cloud.jobs.restarts import Cause, Step
from local.cloud.jobs.running import CANCELLED_CODE, INTERNAL, INVALID_ARGUMENT, Attempt, Replica
from local.cloud.jobs.spec import Job, JobError, JobState, JobUpdate, PoolSlot
from local.cloud.jobs.waiting import Known, find_machines

_TICK_SECONDS = 0.25
_LOG = logging.getLogger(__name__)


class JobRunner:
    """The jobs of one cloud. Its methods may be called from any thread."""

    def __init__(
        self, folder: Path, surroundings: Surroundings, *, host_limit: int = 8, grace_seconds: float = 10.0
    ) -> None:
        self._folder = folder
        self._around = surroundings
        self._host_limit = host_limit
        self._inbox: queue.Queue[Callable[[], object] | None] = queue.Queue()
        self._machines = Machines(folder, lambda keeper, event: self._inbox.put(lambda: self._heard(keeper, event)))
        self._launcher = Launcher(folder, surroundings, self._machines)
        self._endings = Endings(
            self._machines,
            lambda exited: self._inbox.put(lambda: self._heard_of(exited)),
            grace_seconds=grace_seconds,
        )
        self._jobs: dict[str, Known] = {}
        self._began: dict[str, datetime] = {}
        self._logs: dict[str, JobLogs] = {}
        self._used: dict[PoolSlot | None, int] = {}
        self._cooling: set[str] = set()
        self._thread = threading.Thread(target=self._work, name="jobs", daemon=True)

    def start(self) -> None:
        self._launcher.prepare()
        self._thread.start()

    def stop(self) -> None:
        """Ask running replicas to end, as a machine that is taken away does, then end all. Their jobs are not
        reported.
        """
        if not self._thread.is_alive():
            return
        self._inbox.put(None)
        self._thread.join()

    def submit(self, job: Job, *, runtimes: Mapping[str, RuntimeManifest] | None = None) -> None:
        """Run `job` as soon as its machines are free. `runtimes` overrides the registry for the images in it."""
        self._inbox.put(lambda: self._take(job, runtimes or {}))

    def warm(self, slot: PoolSlot, image: str) -> None:
        """Begin the image's warm process on a pool, so that the first job there finds it. Raises ImageNotFoundError."""
        runtime = runtime_of(image, self._around.find_image)
        self._inbox.put(lambda: self._machines.warm(slot=slot, image=image, runtime=runtime))

    def cancel(self, name: str) -> None:
        self._inbox.put(lambda: self._cancel(name))

    def release(self, resource: str) -> None:
        """Cancel the jobs on a persistent resource and end its warm processes."""
        self._inbox.put(lambda: self._release(resource))

    def cool(self, resource: str) -> None:
        """End the warm processes of a persistent resource, whose machines start anew."""
        self._inbox.put(lambda: self._cool(resource))

    def take_away(self, name: str, cause: Cause, task: str = "") -> None:
        """The machine of a replica (of the primary, where `task` is "") is lost, or all of a job's are pre-empted."""
        self._inbox.put(lambda: self._take_away(name, cause, task))

    def look_again(self) -> None:
        """Pools have grown, one is running again, or the clock was moved: jobs that wait may start."""
        self._inbox.put(lambda: None)

    def tasks(self, name: str) -> list[str]:
        """The replicas of a job that run now, as `workerpool0-0`."""
        known = self._jobs.get(name)
        attempt = known.attempt if known else None
        return [replica.place.task for replica in attempt.alive if replica.started] if attempt else []

    def used(self, slot: PoolSlot) -> int:
        """How many replicas of a pool are busy."""
        return dict(self._used).get(slot, 0)

    def warm_processes(self) -> dict[tuple[PoolSlot, str], int]:
        """The ready warm processes' ids, by pool and image."""
        return self._machines.warm_processes()

    def logs(self, job_id: str) -> JobLogs:
        """The logs of a job, running or not."""
        return self._logs.get(job_id) or JobLogs(self._folder / job_id / "logs")

    # The rest runs in the one thread.

    def _work(self) -> None:
        ticked = time.monotonic()
        while True:
            request: Callable[[], object] | None = lambda: None  # noqa: E731 - what there is to do where nobody asks
            with contextlib.suppress(queue.Empty):
                request = self._inbox.get(timeout=_TICK_SECONDS if self._busy() else None)
            if request is None:
                self._shut_down()
                return
            try:
                request()
                self._place()
                if time.monotonic() - ticked >= _TICK_SECONDS:
                    ticked = time.monotonic()
                    self._tick()
            except Exception:
                _LOG.exception("a request to the job runner failed")

    def _running(self) -> list[Attempt]:
        return [known.attempt for known in self._jobs.values() if known.attempt]

    def _busy(self) -> bool:
        """Whether time alone can change anything."""
        return any(known.attempt or known.not_before for known in self._jobs.values())

    def _take(self, job: Job, runtimes: Mapping[str, RuntimeManifest]) -> None:
        self._jobs[job.name] = Known(job, runtimes, since=self._around.now())
        self._logs[job.id] = JobLogs(self._folder / job.id / "logs")
        self._say(job, "Vertex AI is setting up this job.")

    def _place(self) -> None:
        now = self._around.now()
        waiting = [known.job for known in self._jobs.values() if known.attempt is None and known.ready_at(now)]
        chosen = startable(waiting, used=self._used, limit=self._around.pool_limit, host_limit=self._host_limit)
        for job in chosen:
            try:
                self._launch(self._jobs[job.name])
            except Exception as error:
                _LOG.exception("job %s could not be started", job.name)
                self._abandon(self._jobs[job.name], f"{type(error).__name__}: {error}")
        for job in waiting:
            known = self._jobs.get(job.name)
            if known and known.attempt is None and known.not_before is None and not known.queued:
                known.queued = True
                self._around.report(job.name, JobUpdate(JobState.QUEUED))
                self._say_that_it_waits(known)

    def _launch(self, known: Known) -> None:
        job = known.job
        try:
            programs = self._launcher.programs(job, known.runtimes)
        except (ImageNotFoundError, ValueError) as error:
            self._conclude(known, JobUpdate(JobState.FAILED, JobError(INVALID_ARGUMENT, str(error))))
            return
        if known.queued:
            known.queued = False
            self._around.report(job.name, JobUpdate(JobState.PENDING))
        missing = find_machines(known, self._around)
        if missing is not None:
            self._conclude(known, JobUpdate(JobState.FAILED, missing))
            return
        if known.not_before is not None:
            self._say_that_it_waits(known)
            return
        known.attempts += 1
        known.told_waiting = False
        attempt = known.attempt = Attempt(job, number=known.attempts, programs=programs)
        for slot, count in job.demand().items():
            self._used[slot] = self._used.get(slot, 0) + count
        self._say(job, "Waiting for training program to start.")
        self._launcher.start(attempt, self.logs(job.id))

    def _abandon(self, known: Known, reason: str) -> None:
        """The job cannot be started for a reason that is this host's."""
        if known.attempt is not None:
            for replica in known.attempt.replicas:
                self._machines.signal(replica.id, signal.SIGKILL)
            self._free(known)
        error = JobError(INTERNAL, f"Internal error occurred for the current attempt. {reason}")
        self._conclude(known, JobUpdate(JobState.FAILED, error))

    def _heard(self, keeper: Keeper, event: KeeperEvent) -> None:
        about = self._machines.handle(keeper, event)
        if about is None:
            return
        known, replica = self._find(about.id)
        if known is None or replica is None or known.attempt is None:
            return
        attempt = known.attempt
        if isinstance(about, Exited):
            self._exited(known, attempt, replica, about)
        elif attempt.note_start(replica, about.pid):
            attempt.state = JobState.RUNNING
            self._began.setdefault(attempt.job.name, self._around.now())
            self._around.report(attempt.job.name, JobUpdate(JobState.RUNNING))
            self._say(attempt.job, "Job is running.")

    def _find(self, replica_id: str) -> tuple[Known | None, Replica | None]:
        for known in self._jobs.values():
            for replica in known.attempt.replicas if known.attempt else ():
                if replica.id == replica_id:
                    return known, replica
        return None, None

    def _exited(self, known: Known, attempt: Attempt, replica: Replica, exited: Exited) -> None:
        logs = self.logs(attempt.job.id)
        logs.note_growth(replica.place.task, self._around.now())
        step = attempt.note_exit(replica, exited, known.restarts, logs.tail(replica.place.task))
        if step is Step.REPLICA:
            self._say(attempt.job, f"The machine of {replica.place.task} was lost. Restarting the replica.")
            self._launcher.start_again(attempt, replica, logs)
            return
        if step is not None:
            self._endings.ask(attempt.alive)
        if attempt.alive:
            return
        self._launcher.clean(attempt)
        self._free(known)
        if attempt.restarts is not None and attempt.ending and attempt.ending.error:
            known.wait_again(attempt.restarts, self._around.now())
            self._say(attempt.job, f"{attempt.ending.error.message} Restarting the job.")
            self._around.report(attempt.job.name, JobUpdate(JobState.PENDING))
            return
        self._conclude(known, attempt.ending or JobUpdate(JobState.SUCCEEDED))

    def _free(self, known: Known) -> None:
        known.attempt = None
        for slot, count in known.job.demand().items():
            self._used[slot] -= count
        self._cool()

    def _conclude(self, known: Known, update: JobUpdate) -> None:
        job = known.job
        del self._jobs[job.name]
        self._began.pop(job.name, None)
        self._say(job, _LAST_WORDS[update.state], severity="ERROR" if update.state is JobState.FAILED else "INFO")
        if update.error and update.state is JobState.FAILED:
            self._say(job, update.error.message, severity="ERROR")
        self._logs.pop(job.id, None)
        self._around.report(job.name, update)

    def _heard_of(self, exited: Exited) -> None:
        known, replica = self._find(exited.id)
        if known and known.attempt and replica:
            self._exited(known, known.attempt, replica, exited)

    def _cancel(self, name: str) -> None:
        known = self._jobs.get(name)
        if known is None:
            return
        cancelled = JobUpdate(JobState.CANCELLED, JobError(CANCELLED_CODE, "CANCELED"))
        if known.attempt is None:
            self._conclude(known, cancelled)
        elif known.attempt.ending is None or known.attempt.restarts is not None:
            known.attempt.ending, known.attempt.restarts = cancelled, None
            self._around.report(name, JobUpdate(JobState.CANCELLING))
            self._endings.ask(known.attempt.alive)

    def _take_away(self, name: str, cause: Cause, task: str) -> None:
        known = self._jobs.get(name)
        if known is None or known.attempt is None or known.attempt.ending is not None:
            return
        replicas = known.attempt.alive
        if cause is not Cause.PREEMPTED:
            replicas = [each for each in replicas if each.place.task == (task or "workerpool0-0")]
        for replica in replicas:
            self._endings.take_away(replica, cause)

    def _release(self, resource: str) -> None:
        for known in list(self._jobs.values()):
            if any(pool.slot and pool.slot.resource == resource for pool in known.job.pools):
                self._cancel(known.job.name)
        self._cool(resource)

    def _cool(self, *resources: str) -> None:
        """End the warm processes of released resources whose last replica has ended: killing them would kill it."""
        self._cooling.update(resources)
        busy = {slot.resource for slot, count in self._used.items() if slot and count}
        for resource in self._cooling - busy:
            self._machines.cool(resource)
        self._cooling &= busy

    def _tick(self) -> None:
        attempts, now = self._running(), self._around.now()
        for attempt in attempts:
            logs = self.logs(attempt.job.id)
            for replica in attempt.replicas:
                logs.note_growth(replica.place.task, now)
        self._endings.tick(attempts, {attempt.job.name for attempt in attempts if self._is_late(attempt.job, now)})

    def _is_late(self, job: Job, now: datetime) -> bool:
        began = self._began.get(job.name)
        return began is not None and (now - began).total_seconds() >= job.timeout_seconds

    def _shut_down(self) -> None:
        """Give what runs the grace to save its work, then end every process."""
        deadline = time.monotonic() + self._endings.grace_seconds
        for attempt in self._running():
            for replica in attempt.alive:
                self._machines.signal(replica.id, signal.SIGTERM)
        alive = {replica.id for attempt in self._running() for replica in attempt.alive}
        self._around = _deaf(self._around)
        while alive and time.monotonic() < deadline:
            with contextlib.suppress(queue.Empty):
                request = self._inbox.get(timeout=0.05)
                if request is not None:
                    request()
            alive = {replica.id for attempt in self._running() for replica in attempt.alive}
        self._machines.close()
        self._launcher.close()

    def _say_that_it_waits(self, known: Known) -> None:
        """Once for each wait, however often machines are asked for."""
        if not known.told_waiting:
            known.told_waiting = True
            self._say(known.job, "Waiting for job to be provisioned.")

    def _say(self, job: Job, text: str, *, severity: str = "INFO") -> None:
        self.logs(job.id).say(self._around.now(), text, severity=severity)


_LAST_WORDS = {
    JobState.SUCCEEDED: "Job completed successfully.",
    JobState.FAILED: "Job failed.",
    JobState.CANCELLED: "Job is cancelled.",
}


def _deaf(surroundings: Surroundings) -> Surroundings:
    """The same surroundings, told nothing: what happens while the cloud stops is an interruption, not a job's end."""
    return replace(surroundings, report=lambda _name, _update: None)
