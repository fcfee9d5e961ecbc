"""Machines that are lost, pre-empted, not to be had, late or too small."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.cloud.jobs.restarts import Cause
from local.cloud.jobs.running import INTERNAL, RESOURCE_EXHAUSTED
from local.cloud.jobs.spec import JobState, MachineSize, Strategy, WorkerPool

from .conftest import IMAGE, SLOT, Lab, make_lab

# Prints its address and how often it has started on this disk and at all, then waits for the file that lets it end.
MEMBER = """
import json, os, pathlib, sys, time
spec = json.loads(os.environ["CLUSTER_SPEC"])
task = spec["task"]
mark = pathlib.Path(os.environ["HOME"], "mark")
print(spec["cluster"][task["type"]][task["index"]], mark.exists(), flush=True)
mark.touch()
while not pathlib.Path("let-go").exists():
    time.sleep(0.02)
"""


def wait_for_lines(lab: Lab, name: str, count: int, task: str = "workerpool0-0") -> list[str]:
    deadline = time.monotonic() + 30
    while len(lines := lab.output(name, task).splitlines()) < count:
        assert time.monotonic() < deadline, lines
        time.sleep(0.02)
    return lines


@pytest.mark.parametrize("slot", [None, SLOT])
def test_a_lost_worker_starts_again_under_its_address_on_an_empty_disk(tmp_path: Path, slot: object) -> None:
    for lab in make_lab(tmp_path, limit=2):
        lab.module("member", MEMBER)
        workers = WorkerPool(1, IMAGE, ["python", "-m", "member"], [], {}, SLOT if slot else None)
        name = lab.submit(["python", "-m", "member"], more=(workers,), slot=SLOT if slot else None)
        first = wait_for_lines(lab, name, 1, "workerpool1-0")
        wait_for_lines(lab, name, 1)
        lab.runner.take_away(name, Cause.MACHINE_LOST, "workerpool1-0")
        assert wait_for_lines(lab, name, 2, "workerpool1-0") == first * 2
        (lab.code / "let-go").touch()
        assert lab.ends(name).state is JobState.SUCCEEDED
        assert len(lab.output(name).splitlines()) == 1
        assert lab.states(name) == ["RUNNING", "SUCCEEDED"]
        assert "The machine of workerpool1-0 was lost. Restarting the replica." in lab.output(name, "service")


def test_restart_job_on_worker_restart_takes_the_others_along(lab: Lab) -> None:
    lab.module("member", MEMBER)
    workers = WorkerPool(1, IMAGE, ["python", "-m", "member"], [], {})
    name = lab.submit(["python", "-m", "member"], more=(workers,), restart_on_worker_restart=True)
    wait_for_lines(lab, name, 1, "workerpool1-0")
    wait_for_lines(lab, name, 1)
    lab.runs(name)
    lab.runner.take_away(name, Cause.MACHINE_LOST, "workerpool1-0")
    wait_for_lines(lab, name, 2, "workerpool1-0")
    wait_for_lines(lab, name, 2)
    (lab.code / "let-go").touch()
    assert lab.ends(name).state is JobState.SUCCEEDED
    assert lab.states(name) == ["RUNNING", "PENDING", "RUNNING", "SUCCEEDED"]


def test_with_retries_disabled_a_lost_machine_fails_the_job(lab: Lab) -> None:
    lab.module("member", MEMBER)
    name = lab.submit(["python", "-m", "member"], disable_retries=True)
    wait_for_lines(lab, name, 1)
    lab.runner.take_away(name, Cause.MACHINE_LOST)
    error = lab.ends(name).error
    assert error is not None
    assert (error.code, "machine of workerpool0-0 was lost" in error.message) == (INTERNAL, True)


def test_a_pre_empted_spot_job_gets_notice_and_starts_again(lab: Lab) -> None:
    lab.module(
        "saver",
        "import os, pathlib, signal, sys, time\n"
        "signal.signal(15, lambda *_: (os.write(1, b'saved\\n'), sys.exit(0)))\n"
        "os.write(1, b'up\\n')\n"
        "while not pathlib.Path('let-go').exists(): time.sleep(0.02)",
    )
    name = lab.submit(["python", "-m", "saver"], strategy=Strategy.SPOT)
    wait_for_lines(lab, name, 1)
    lab.runner.take_away(name, Cause.PREEMPTED)
    assert wait_for_lines(lab, name, 3) == ["up", "saved", "up"]
    (lab.code / "let-go").touch()
    assert lab.ends(name).state is JobState.SUCCEEDED
    assert "Resources are insufficient in region: europe-west1." in lab.output(name, "service")


def test_a_cancelled_job_is_not_started_again_by_the_restart_that_was_under_way(lab: Lab) -> None:
    lab.module(
        "deaf", "import signal, time\nsignal.signal(15, signal.SIG_IGN)\nprint('up', flush=True)\ntime.sleep(60)"
    )
    name = lab.submit(["python", "-m", "deaf"], strategy=Strategy.SPOT)
    wait_for_lines(lab, name, 1)
    lab.runner.take_away(name, Cause.PREEMPTED)
    lab.runner.cancel(name)
    assert lab.ends(name).state is JobState.CANCELLED
    assert lab.output(name) == "up\n"


def test_a_stock_out_is_tried_again_three_times_and_then_told(lab: Lab) -> None:
    lab.offers += [None] * 9
    name = lab.submit(["true"])
    error = lab.ends(name).error
    assert error is not None
    assert error.code == RESOURCE_EXHAUSTED
    assert "Resources are insufficient in region: europe-west1." in error.message
    assert len(lab.offers) == 5
    assert "RUNNING" not in lab.states(name)


def test_a_stock_out_that_passes_is_no_failure(lab: Lab) -> None:
    lab.offers += [None, None]
    assert lab.ends(lab.submit(["true"])).state is JobState.SUCCEEDED


def test_flex_start_waits_for_machines_as_long_as_it_is_told(lab: Lab) -> None:
    lab.offers += [None] * 4
    patient = lab.submit(["true"], strategy=Strategy.FLEX_START)
    assert lab.ends(patient).state is JobState.SUCCEEDED
    assert lab.output(patient, "service").count("Waiting for job to be provisioned.") == 1
    lab.offers += [None] * 99
    impatient = lab.submit(["true"], strategy=Strategy.FLEX_START, max_wait_seconds=0.1)
    error = lab.ends(impatient).error
    assert error is not None
    assert error.code == RESOURCE_EXHAUSTED


def test_machines_that_take_their_time_leave_the_host_to_others(tmp_path: Path) -> None:
    for lab in make_lab(tmp_path, host_limit=1):
        lab.offers += [3600.0]
        slow = lab.submit(["true"])
        assert lab.ends(lab.submit(["true"])).state is JobState.SUCCEEDED
        assert "Waiting for job to be provisioned." in lab.output(slow, "service")
        lab.runner.cancel(slow)
        assert lab.ends(slow).state is JobState.CANCELLED


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Lab]:
    yield from make_lab(tmp_path, size=MachineSize(cpus=1, memory_bytes=120 << 20))


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="memory is measured in /proc, which Linux has")
def test_a_replica_that_holds_more_than_its_machine_has_is_killed(small: Lab) -> None:
    small.module(
        "greedy", "import time; held = bytearray(200 << 20); held[::4096] = b'x' * len(held[::4096]); time.sleep(60)"
    )
    error = small.ends(small.submit(["python", "-m", "greedy"])).error
    assert error is not None
    assert "The replica workerpool0-0 ran out of memory and exited with a non-zero status of 137." in error.message


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system cannot limit processors")
@pytest.mark.parametrize("slot", [None, SLOT])
def test_a_replica_has_no_more_processors_than_its_machine(small: Lab, slot: object) -> None:
    small.module("count", "import os; print(len(os.sched_getaffinity(0)))")
    name = small.submit(["python", "-m", "count"], slot=SLOT if slot else None)
    assert small.ends(name).state is JobState.SUCCEEDED
    assert small.output(name) == "1\n"


def test_the_ranks_of_a_warm_job_meet_at_the_primary_with_torch_s_own_variables(tmp_path: Path) -> None:
    for lab in make_lab(tmp_path, preload=("torch.distributed",), limit=3):
        lab.module(
            "ranks",
            "import torch, torch.distributed as dist\n"
            "dist.init_process_group('gloo', init_method='env://')\n"
            "total = torch.tensor([float(dist.get_rank() + 1)])\n"
            "dist.all_reduce(total)\n"
            "print(dist.get_rank(), dist.get_world_size(), total.item())\n"
            "dist.barrier()\n",
        )
        workers = WorkerPool(2, IMAGE, ["python", "-m", "ranks"], [], {}, SLOT)
        name = lab.submit(["python", "-m", "ranks"], more=(workers,), slot=SLOT)
        assert lab.ends(name).state is JobState.SUCCEEDED, lab.output(name, stream="stderr")
        assert lab.output(name) == "0 3 6.0\n"
        assert lab.output(name, "workerpool1-1") == "2 3 6.0\n"
