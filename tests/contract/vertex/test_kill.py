"""A cloud that is killed with -9 and started again on the same root: nothing is stuck, nothing is left running."""

import contextlib
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.contract.cloud_process import CloudProcess
from tests.unit.pipelines.compiled import compiled

from .conftest import BUCKET, IMAGE, PARENT, Vertex, wait_until
from .pipelines import FIT_MODULE, sleeper, training

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc").exists(), reason="looks processes up in /proc, which Linux has"),
]

SURVIVOR = """
import os, pathlib, time
marks = pathlib.Path(os.environ["MARKS"])
(marks / str(os.getpid())).touch()
runs = len(list(marks.iterdir()))
print("run", runs, flush=True)
time.sleep(600 if runs == 1 else 0)
"""


@pytest.fixture
def alone(new_cloud: Callable[..., CloudProcess], tmp_path: Path) -> Vertex:
    made = Vertex(new_cloud().start(), tmp_path / "code")
    made.code.mkdir()
    made.prepare()
    (tmp_path / "marks").mkdir()
    made.module("survivor", SURVIVOR)
    return made


def body(marks: Path, **spec: Any) -> dict[str, Any]:
    container = {
        "imageUri": IMAGE,
        "command": ["python", "-m", "survivor"],
        "env": [{"name": "MARKS", "value": str(marks)}],
    }
    pool = {"machineSpec": {"machineType": "n1-standard-8"}, "replicaCount": "1", "containerSpec": container}
    return {"displayName": "survivor", "jobSpec": {"workerPoolSpecs": [pool], **spec}}


def get(vertex: Vertex, name: str) -> Any:
    return vertex.cloud.json("GET", f"/v1/{name}")


def pids(marks: Path) -> list[int]:
    return [int(path.name) for path in marks.iterdir()]


def restart(vertex: Vertex) -> None:
    vertex.cloud.kill()
    vertex.cloud.start()


def gone(pid: int) -> bool:
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True


@pytest.mark.parametrize("on_pool", [False, True])
def test_a_job_that_ran_is_started_again_and_its_processes_died_with_the_cloud(
    alone: Vertex, tmp_path: Path, *, on_pool: bool
) -> None:
    marks = tmp_path / "marks"
    spec = {}
    if on_pool:
        pools = [{"machineSpec": {"machineType": "n1-standard-8"}, "replicaCount": "1"}]
        alone.cloud.json("POST", f"/v1/{PARENT}/persistentResources?persistentResourceId=p", {"resourcePools": pools})
        spec = {"persistentResourceId": "p"}
    name = alone.cloud.json("POST", f"/v1/{PARENT}/customJobs", body(marks, **spec))["name"]
    wait_until(lambda: get(alone, name)["state"] == "JOB_STATE_RUNNING" and pids(marks), bool)
    first = pids(marks)[0]
    alone.cloud.kill()
    wait_until(lambda: gone(first), bool, 10)
    assert not _keepers(alone)
    alone.cloud.start()
    done = wait_until(lambda: get(alone, name), lambda job: "endTime" in job)
    assert done["state"] == "JOB_STATE_SUCCEEDED"
    assert len(pids(marks)) == 2


def test_a_job_that_was_accepted_waits_for_its_pool_to_be_repaired(alone: Vertex, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    pools = [{"machineSpec": {"machineType": "n1-standard-8"}, "replicaCount": "1"}]
    alone.cloud.json("POST", f"/v1/{PARENT}/persistentResources?persistentResourceId=p", {"resourcePools": pools})
    wanted = body(marks, persistentResourceId="p")
    name = alone.cloud.json("POST", f"/v1/{PARENT}/customJobs", wanted)["name"]
    wait_until(lambda: get(alone, name)["state"] == "JOB_STATE_RUNNING" and pids(marks), bool)
    alone.cloud.kill()
    set_state(alone, f"{PARENT}/persistentResources/p", "ERROR")
    alone.cloud.start()
    wait_until(lambda: get(alone, name)["state"], lambda state: state == "JOB_STATE_QUEUED")
    alone.cloud.json("POST", f"/v1/{PARENT}/persistentResources/p:reboot", {})
    done = wait_until(lambda: get(alone, name), lambda job: "endTime" in job)
    assert done["state"] == "JOB_STATE_SUCCEEDED"


def set_state(vertex: Vertex, name: str, state: str) -> None:
    """What the machines' end leaves on the disk of a cloud that is not running."""
    with contextlib.closing(sqlite3.connect(vertex.cloud.root / "state.sqlite")) as disk, disk:
        changed = "update resources set body = json_set(body, '$.state', ?) where name = ? and kind like '%Resource'"
        assert disk.execute(changed, (state, name)).rowcount == 1


def _keepers(vertex: Vertex) -> list[str]:
    """Command lines of the keepers of a cloud that is gone, after the moment that they need to see it."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        found = [line for line in _command_lines() if "jobs/keeper.py" in line and str(vertex.code) in line]
        if not found:
            return []
        time.sleep(0.05)
    return found


def _command_lines() -> list[str]:
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_text().replace("\0", " "))
        except OSError:
            continue
    return lines


def test_a_job_that_may_not_be_retried_is_reported_as_failed(alone: Vertex, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    wanted = body(marks, scheduling={"disableRetries": True})
    name = alone.cloud.json("POST", f"/v1/{PARENT}/customJobs", wanted)["name"]
    wait_until(lambda: get(alone, name)["state"] == "JOB_STATE_RUNNING" and pids(marks), bool)
    restart(alone)
    job = get(alone, name)
    assert job["state"] == "JOB_STATE_FAILED"
    assert job["error"]["code"] == 13
    assert "its machine was lost" in job["error"]["message"]
    assert job["endTime"]


def test_a_pipeline_goes_on_and_its_finished_tasks_are_not_repeated(alone: Vertex) -> None:
    alone.module("fit", FIT_MODULE)
    pools = [
        {
            "machineSpec": {"machineType": "n1-standard-8"},
            "diskSpec": {"bootDiskType": "pd-ssd", "bootDiskSizeGb": 100},
            "replicaCount": "1",
        }
    ]
    alone.cloud.json("POST", f"/v1/{PARENT}/persistentResources?persistentResourceId=p", {"resourcePools": pools})
    spec = training("p")
    slow = spec["deploymentSpec"]["executors"]["exec-measure"]["container"]
    slow["command"][2] = f"sleep 1; {slow['command'][2]}"
    wanted = {"pipelineSpec": spec, "runtimeConfig": {"gcsOutputDirectory": f"gs://{BUCKET}/root"}}
    name = alone.cloud.json("POST", f"/v1/{PARENT}/pipelineJobs?pipelineJobId=resumed", wanted)["name"]
    before = wait_until(lambda: _tasks(alone, name), lambda tasks: tasks.get("measure", {}).get("state") == "RUNNING")
    restart(alone)
    job = wait_until(lambda: get(alone, name), lambda job: "endTime" in job)
    assert job["state"] == "PIPELINE_STATE_SUCCEEDED", job
    after = _tasks(alone, name)
    assert after["fit"]["executorDetail"] == before["fit"]["executorDetail"]
    assert after["fit"]["endTime"] == before["fit"]["endTime"]
    assert after["last"]["state"] == "SUCCEEDED"


def _tasks(vertex: Vertex, name: str) -> dict[str, Any]:
    details = get(vertex, name).get("jobDetail", {}).get("taskDetails", [])
    return {detail["taskName"]: detail for detail in details}


def test_a_run_that_was_being_cancelled_is_cancelled(alone: Vertex) -> None:
    wanted = {"pipelineSpec": compiled(sleeper), "runtimeConfig": {"gcsOutputDirectory": f"gs://{BUCKET}/root"}}
    name = alone.cloud.json("POST", f"/v1/{PARENT}/pipelineJobs?pipelineJobId=ending", wanted)["name"]
    wait_until(lambda: _tasks(alone, name), lambda tasks: tasks.get("sleep", {}).get("state") == "RUNNING")
    alone.cloud.json("POST", f"/v1/{name}:cancel")
    restart(alone)
    job = wait_until(lambda: get(alone, name), lambda job: "endTime" in job)
    assert job["state"] == "PIPELINE_STATE_CANCELLED"


def test_a_cloud_that_is_stopped_lets_its_jobs_save_their_work(alone: Vertex, tmp_path: Path) -> None:
    alone.module(
        "saver",
        "import pathlib, signal, sys, time\n"
        f"path = pathlib.Path({str(tmp_path)!r})\n"
        "signal.signal(signal.SIGTERM, lambda *_: ((path / 'saved').touch(), sys.exit(0)))\n"
        "(path / 'up').touch()\n"
        "time.sleep(600)\n",
    )
    wanted = body(tmp_path / "marks")
    wanted["jobSpec"]["workerPoolSpecs"][0]["containerSpec"]["command"] = ["python", "-m", "saver"]
    name = alone.cloud.json("POST", f"/v1/{PARENT}/customJobs", wanted)["name"]
    wait_until((tmp_path / "up").exists, bool)
    alone.cloud.stop()
    assert (tmp_path / "saved").exists()
    alone.cloud.start()
    assert get(alone, name)["state"] in {"JOB_STATE_PENDING", "JOB_STATE_RUNNING"}
