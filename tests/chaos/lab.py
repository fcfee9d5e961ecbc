"""One cloud under chaos: its jobs and pipelines, its traffic, its restarts."""

import contextlib
import os
import random
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests

from tests.chaos.ledger import BUCKET, PROJECT, TABLE, Ledger
from tests.contract.cloud_process import CloudProcess

PARENT = f"projects/{PROJECT}/locations/europe-west1"
IMAGE = f"europe-west1-docker.pkg.dev/{PROJECT}/training/trainer@sha256:" + "a" * 64
MACHINE = {"machineType": "n1-standard-8"}
FINAL = {
    *("JOB_STATE_SUCCEEDED", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED"),
    *("PIPELINE_STATE_SUCCEEDED", "PIPELINE_STATE_FAILED", "PIPELINE_STATE_CANCELLED"),
}
# Leaves a mark with its job and process, and works for the given seconds.
WORK = """
import os, pathlib, sys, time
pathlib.Path(sys.argv[1], f"{os.environ['CLOUD_ML_JOB_ID']}-{os.getpid()}").touch()
print("up", flush=True)
time.sleep(float(sys.argv[2]))
"""


class Lab:
    """`folder` is in the command line of every process that the cloud starts, so that an orphan can be told."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.random = random.Random(seed)
        self.ledger = Ledger()
        self.cloud = CloudProcess(folder / "cloud")
        self.marks = folder / "marks"
        self._count = 0

    def begin(self) -> None:
        self.marks.mkdir()
        code = self.folder / "code"
        code.mkdir()
        (code / "work.py").write_text(WORK)
        cloud = self.cloud.start()
        runtime = {"interpreter": sys.executable, "workdir": str(code)}
        cloud.json("PUT", "/_local/images", {"image": IMAGE, "runtime": runtime})
        cloud.json("POST", f"/storage/v1/b?project={PROJECT}", {"name": BUCKET})
        pools = [{"machineSpec": MACHINE, "replicaCount": "2"}]
        path = f"/v1/{PARENT}/persistentResources?persistentResourceId=pool"
        self.ledger.resources.append(cloud.json("POST", path, {"resourcePools": pools})["response"]["name"])
        reference = {"projectId": PROJECT, "datasetId": "chaos"}
        cloud.json("POST", f"/bigquery/v2/projects/{PROJECT}/datasets", {"datasetReference": reference})
        schema = {"fields": [{"name": "id", "type": "INTEGER"}]}
        table = {"tableReference": {**reference, "tableId": "events"}, "schema": schema}
        cloud.json("POST", TABLE.rpartition("/")[0], table)

    def number(self) -> int:
        self._count += 1
        return self._count

    def job(self, seconds: float) -> str:
        """A job that works so long: on the pool or on demand, with one replica or two."""
        command = ["python", "-m", "work", str(self.marks), f"{seconds:.2f}"]
        pool = {"machineSpec": MACHINE, "replicaCount": "1"}
        pool |= {"containerSpec": {"imageUri": IMAGE, "command": command}}
        pools = [pool] * self.random.choice((1, 2))
        place = {"persistentResourceId": "pool"} if self.random.random() < 0.5 else {}
        body = {"displayName": "chaos", "jobSpec": {"workerPoolSpecs": pools, **place}}
        return self.ledger.create(self.cloud, f"/v1/{PARENT}/customJobs", body)

    def pipeline(self, seconds: float) -> str:
        """A run of two tasks, one after the other."""
        command = ["python", "-m", "work", str(self.marks), f"{seconds:.2f}"]
        executor = {"container": {"image": IMAGE, "command": command}}
        component = {"executorLabel": "exec"}
        first = {"componentRef": {"name": "comp"}, "taskInfo": {"name": "first"}}
        second = {"componentRef": {"name": "comp"}, "taskInfo": {"name": "second"}, "dependentTasks": ["first"]}
        spec = {
            **{"schemaVersion": "2.1.0", "sdkVersion": "kfp-2.0.0", "pipelineInfo": {"name": "chaos"}},
            **{"root": {"dag": {"tasks": {"first": first, "second": second}}}, "components": {"comp": component}},
            "deploymentSpec": {"executors": {"exec": executor}},
        }
        body = {"pipelineSpec": spec, "runtimeConfig": {"gcsOutputDirectory": f"gs://{BUCKET}/runs"}}
        path = f"/v1/{PARENT}/pipelineJobs?pipelineJobId=chaos-{self.number()}"
        return self.ledger.create(self.cloud, path, body)

    @contextlib.contextmanager
    def traffic(self) -> Iterator[None]:
        """Small uploads and rows, one after the other, until the connection breaks or the block ends."""
        over = threading.Event()
        sizes = random.Random(self.random.random())
        first, beside = self._count, CloudProcess(self.cloud.root)  # a session of the thread's own
        beside.url = self.cloud.url

        def work() -> None:
            with contextlib.suppress(requests.RequestException):
                for number in range(10_000):
                    if over.is_set():
                        return
                    name = f"small/{first}-{number}"
                    self.ledger.upload(beside, name, sizes.randbytes(sizes.randrange(1, 20_000)))
                    self.ledger.insert(beside, first * 10_000 + number)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            self.number()

    def kill_and_restart(self) -> list[str]:
        """SIGKILL; the processes that outlive the cloud."""
        self.cloud.kill()
        orphans = self.orphans()
        self.cloud.start()
        return orphans

    def orphans(self, seconds: float = 10.0) -> list[str]:
        """Command lines of the cloud's processes that are still there after a while."""
        deadline = time.monotonic() + seconds
        while (found := _command_lines(str(self.folder))) and time.monotonic() < deadline:
            time.sleep(0.05)
        return found

    def process_of(self, job: str, seconds: float = 20.0) -> int:
        """The id of a process of a job that runs; 0 where none has come."""
        short, deadline = job.rsplit("/", 1)[-1], time.monotonic() + seconds
        while time.monotonic() < deadline:
            for mark in sorted(self.marks.glob(f"{short}-*")):
                pid = int(mark.name.rpartition("-")[2])
                if Path(f"/proc/{pid}").exists():
                    return pid
            time.sleep(0.02)
        return 0

    def unfinished(self, seconds: float) -> list[str]:
        """The jobs and runs that are in no documented final state after a while."""
        deadline, waiting = time.monotonic() + seconds, self._runs()
        while waiting:
            states = {name: self.get(name)["state"] for name in waiting}
            waiting = [name for name in waiting if states[name] not in FINAL]
            if waiting and time.monotonic() > deadline:
                return [f"{name} is {states[name]}" for name in waiting]
            time.sleep(0.1)
        return []

    def states(self) -> dict[str, int]:
        """How many jobs and runs are in which state."""
        counts: dict[str, int] = {}
        for name in self._runs():
            state = self.get(name)["state"]
            counts[state] = counts.get(state, 0) + 1
        return dict(sorted(counts.items()))

    def get(self, name: str) -> Any:
        return self.cloud.json("GET", f"/v1/{name}")

    def _runs(self) -> list[str]:
        return [name for name in self.ledger.resources if "/persistentResources/" not in name]


def _command_lines(part: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            line = path.read_text(errors="replace").replace("\0", " ")
            if part in line and path.parent.name != str(os.getpid()):
                found.append(f"{path.parent.name}: {line[:200]}")
    return found
