"""From a job's description to its replicas' processes.

Owns: what the runner needs of the cloud around it, each replica's folders, command and environment, and whether it runs
warm or cold. Does not own: when a job starts, and what becomes of it (runner.py).
"""

import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from local.cloud.jobs.commands import host_argv, python_command
from local.cloud.jobs.environment import (
    ReplicaPlace,
    free_addresses,
    map_gcs,
    needs_own_interpreter,
    replica_environment,
)
from local.cloud.jobs.images import FindImage, RuntimeManifest, runtime_of, search_path
from local.cloud.jobs.keepers import ReplicaProcess
from local.cloud.jobs.logs import JobLogs
from local.cloud.jobs.machines import Machines
from local.cloud.jobs.running import Attempt, Program, Replica
from local.cloud.jobs.spec import Job, JobUpdate, PoolSlot, WorkerPool

_NOTHING = RuntimeManifest(interpreter=sys.executable, workdir="/")


@dataclass(frozen=True)
class Surroundings:
    """What the runner needs of the cloud around it.

    `environment` points a job's Google clients at this cloud, with the job's identity. `objects` is the folder that
    holds objects as bucket/object: what /gcs is. `pool_limit` is how many replicas jobs may hold on a pool at once, 0
    while it is not running. `provision` is how many seconds it takes until a job has its machines, None where there
    are none to be had.
    """

    find_image: FindImage
    report: Callable[[str, JobUpdate], None]
    environment: Callable[[Job], Mapping[str, str]]
    objects: Path
    pool_limit: Callable[[PoolSlot], int]
    now: Callable[[], datetime]
    provision: Callable[[Job], float | None] = lambda _: 0.0


class Launcher:
    """Starts replicas on `machines`; one thread calls it."""

    def __init__(self, folder: Path, around: Surroundings, machines: Machines) -> None:
        self._folder = folder
        self._around = around
        self._machines = machines
        self._temporary = folder  # until `prepare`

    def prepare(self) -> None:
        """Make the folder of temporary files, and remove that of a cloud that was killed."""
        self._folder.mkdir(parents=True, exist_ok=True)
        note = self._folder / "temporary-folder"
        if note.exists():
            shutil.rmtree(note.read_text(), ignore_errors=True)
        self._temporary = Path(tempfile.mkdtemp(prefix="local-cloud-"))
        note.write_text(str(self._temporary))

    def programs(self, job: Job, runtimes: Mapping[str, RuntimeManifest]) -> list[Program]:
        """What the replicas of each worker pool execute. `runtimes` stand for images before the registry does.

        Raises ImageNotFoundError for an image that is not there, ValueError for a pool that has nothing to run.
        """
        return [self._program(pool, runtimes) for pool in job.pools]

    def start(self, attempt: Attempt, logs: JobLogs) -> None:
        """Start every replica of an attempt; they are on it, in order, even if one of them cannot be started."""
        attempt.addresses = free_addresses(attempt.job)
        for number in range(len(attempt.programs)):
            for index in range(attempt.job.pools[number].replicas):
                self._start_replica(attempt, self._new_replica(attempt, number, index), logs)

    def start_again(self, attempt: Attempt, replica: Replica, logs: JobLogs) -> None:
        """Start one replica anew, under its address, with the empty disk of another machine."""
        self._clean(replica)
        self._make_folders(replica)
        replica.begin_again()
        self._start_replica(attempt, replica, logs)

    def clean(self, attempt: Attempt) -> None:
        """Remove what an attempt that is over had on its machines' disks."""
        for replica in attempt.replicas:
            self._clean(replica)

    def close(self) -> None:
        shutil.rmtree(self._temporary, ignore_errors=True)

    def _program(self, pool: WorkerPool, runtimes: Mapping[str, RuntimeManifest]) -> Program:
        if pool.replicas == 0:
            return Program(_NOTHING, [])
        runtime = runtimes.get(pool.image) or runtime_of(pool.image, self._around.find_image)
        words = [map_gcs(word, self._around.objects) for word in (pool.command or runtime.entrypoint) + pool.args]
        argv = host_argv(words, runtime.interpreter, search_path(runtime.interpreter))
        return Program(runtime, argv, own=pool.image in runtimes)

    def _new_replica(self, attempt: Attempt, pool: int, index: int) -> Replica:
        job = attempt.job
        task = f"workerpool{pool}-{index}"
        place = ReplicaPlace(pool, index, self._folder / job.id / task, self._temporary / f"{job.id}-{task}")
        replica = Replica(place, job.id, attempt.number)
        self._make_folders(replica)
        attempt.replicas.append(replica)
        return replica

    def _make_folders(self, replica: Replica) -> None:
        for folder in (replica.place.folder / "gcloud", replica.place.temporary):
            folder.mkdir(parents=True, exist_ok=True)

    def _clean(self, replica: Replica) -> None:
        shutil.rmtree(replica.place.temporary, ignore_errors=True)
        shutil.rmtree(replica.place.folder, ignore_errors=True)

    def _start_replica(self, attempt: Attempt, replica: Replica, logs: JobLogs) -> None:
        job, program = attempt.job, attempt.programs[replica.place.pool]
        pool, runtime = job.pools[replica.place.pool], program.runtime
        env = replica_environment(
            job,
            runtime,
            replica.place,
            addresses=attempt.addresses,
            cloud=self._around.environment(job),
            objects=self._around.objects,
        )
        process = ReplicaProcess(
            id=replica.id,
            argv=program.argv,
            env=env,
            cwd=runtime.workdir,
            stdout=str(logs.stream(replica.place.task, "stdout")),
            stderr=str(logs.stream(replica.place.task, "stderr")),
            cpus=pool.size.cpus,
        )
        python = python_command(program.argv, env)
        if pool.slot is None or program.own or python is None or needs_own_interpreter(env, runtime):
            self._machines.run_cold(process)
        else:
            self._machines.run_warm(process, python, slot=pool.slot, image=pool.image, runtime=runtime)
