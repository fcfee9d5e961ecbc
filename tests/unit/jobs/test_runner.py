import os
import time
from pathlib import Path

import pytest

from local.cloud.jobs.images import ImageNotFoundError
from local.cloud.jobs.spec import JobState, WorkerPool

from .conftest import IMAGE, SLOT, Lab, make_lab


def test_a_job_that_exits_with_0_succeeds_and_its_output_is_kept(lab: Lab) -> None:
    lab.module("hello", "import os, sys; print('hello', sys.argv[1:], os.environ['GIT_SHA'], os.getcwd())")
    name = lab.submit(["python", "-m", "hello", "--x", "1"])
    assert lab.ends(name).state is JobState.SUCCEEDED
    assert lab.output(name) == f"hello ['--x', '1'] abc {lab.code}\n"
    assert lab.states(name) == ["RUNNING", "SUCCEEDED"]


def test_a_job_that_exits_badly_fails_with_the_replica_the_code_and_its_last_lines(lab: Lab) -> None:
    lab.module("bad", "import sys; print('working'); raise RuntimeError('no such column: price')")
    error = lab.ends(lab.submit(["python", "-m", "bad"])).error
    assert error is not None
    assert error.code == 3
    assert "The replica workerpool0-0 exited with a non-zero status of 1. Termination reason: Error." in error.message
    assert "no such column: price" in error.message
    assert 'resource.labels.job_id="1001"' in error.message


def test_a_command_that_does_not_exist_is_a_start_error(lab: Lab) -> None:
    error = lab.ends(lab.submit(["no-such-program"])).error
    assert error is not None
    assert "Termination reason: StartError" in error.message
    assert "'no-such-program' not found" in error.message


def test_an_unknown_image_fails_the_job_as_a_pull_would(lab: Lab) -> None:
    update = lab.ends(lab.submit(["true"], image=IMAGE.replace("a" * 64, "c" * 64)))
    assert update.state is JobState.FAILED
    assert update.error is not None
    assert "Failed to pull image" in update.error.message


def test_a_job_on_a_pool_is_forked_from_its_warm_process_with_what_that_has_imported(tmp_path: Path) -> None:
    for lab in make_lab(tmp_path, preload=("colorsys",)):
        lab.module("who", "import os, sys; print(os.getppid(), 'colorsys' in sys.modules, sys.argv, __name__)")
        first, second = (lab.submit(["python", "-m", "who", "x"], slot=SLOT) for _ in range(2))
        cold = lab.submit(["python", "-m", "who", "x"])
        for name in (first, second, cold):
            assert lab.ends(name).state is JobState.SUCCEEDED
        warm_pid = lab.runner.warm_processes()[SLOT, IMAGE]
        assert (
            lab.output(first) == lab.output(second) == f"{warm_pid} True {[str(lab.code / 'who.py'), 'x']} __main__\n"
        )
        assert lab.output(cold).split()[1] == "False"
        assert lab.output(cold).split()[0] != str(warm_pid)


def test_a_pool_warmed_beforehand_forks_its_first_job_from_that_process(lab: Lab) -> None:
    lab.module("who", "import os; print(os.getppid())")
    lab.runner.warm(SLOT, IMAGE)
    deadline = time.monotonic() + 30
    while not lab.runner.warm_processes():
        assert time.monotonic() < deadline, "the warm process did not become ready"
        time.sleep(0.02)
    warm_pid = lab.runner.warm_processes()[SLOT, IMAGE]
    name = lab.submit(["python", "-m", "who"], slot=SLOT)
    assert lab.ends(name).state is JobState.SUCCEEDED
    assert lab.output(name) == f"{warm_pid}\n"


def test_an_image_that_is_not_registered_cannot_be_warmed(lab: Lab) -> None:
    with pytest.raises(ImageNotFoundError, match="unknown@sha256"):
        lab.runner.warm(SLOT, "unknown@sha256:" + "0" * 64)


def test_the_seed_s_shell_entry_point_is_warm_too(lab: Lab) -> None:
    lab.module("who", "import os, sys; print(os.getppid(), sys.argv[1:])")
    name = lab.submit(
        ["/usr/bin/bash", "-lc", "python -m who $TRAIN_ARGS"], slot=SLOT, env={"TRAIN_ARGS": "--epochs 3"}
    )
    assert lab.ends(name).state is JobState.SUCCEEDED
    assert lab.output(name) == f"{lab.runner.warm_processes()[SLOT, IMAGE]} ['--epochs', '3']\n"


def test_warm_processes_start_each_job_with_other_random_numbers_and_its_own_environment(lab: Lab) -> None:
    lab.module(
        "draw", "import os, random; print(random.random(), os.environ.get('MINE'), os.environ['GCE_METADATA_HOST'])"
    )
    names = [lab.submit(["python", "-m", "draw"], slot=SLOT, env={"MINE": str(n)}) for n in range(3)]
    lines = [lab.output(name).split() for name in names if lab.ends(name)]
    assert len({line[0] for line in lines}) == 3
    assert [line[1] for line in lines] == ["0", "1", "2"]
    assert len({line[2] for line in lines}) == 3


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("import sys; sys.exit('what went wrong')", 1),
        ("import sys; sys.exit(7)", 7),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 137),
        ("import atexit; atexit.register(print, 'bye'); raise ValueError('x')", 1),
    ],
)
def test_a_warm_job_ends_with_the_code_that_an_interpreter_would(lab: Lab, text: str, code: int) -> None:
    lab.module("leave", text)
    error = lab.ends(lab.submit(["python", "-m", "leave"], slot=SLOT)).error
    assert error is not None
    assert f"non-zero status of {code}." in error.message


def test_a_warm_job_waits_for_its_threads_and_runs_its_exit_functions(lab: Lab) -> None:
    lab.module(
        "late",
        "import atexit, threading, time\n"
        "atexit.register(print, 'exit function')\n"
        "threading.Thread(target=lambda: (time.sleep(0.2), print('thread'))).start()\n",
    )
    name = lab.submit(["python", "-m", "late"], slot=SLOT)
    lab.ends(name)
    assert lab.output(name) == "thread\nexit function\n"


def test_a_warm_process_has_one_thread_even_with_libraries_that_would_start_more(tmp_path: Path) -> None:
    for lab in make_lab(tmp_path, preload=("pyarrow.parquet",)):
        lab.module("fine", "import pyarrow as pa; print(pa.array([1, 2]).sum())")
        name = lab.submit(["python", "-m", "fine"], slot=SLOT)
        assert lab.ends(name).state is JobState.SUCCEEDED
        warm_pid = lab.runner.warm_processes()[SLOT, IMAGE]
        tasks = Path(f"/proc/{warm_pid}/task")
        assert not tasks.exists() or len(list(tasks.iterdir())) == 1


def test_a_preload_that_fails_makes_the_pool_s_jobs_cold_and_not_lost(tmp_path: Path) -> None:
    for lab in make_lab(tmp_path, preload=("no_such_module",)):
        lab.module("fine", "print('ran')")
        name = lab.submit(["python", "-m", "fine"], slot=SLOT)
        assert lab.ends(name).state is JobState.SUCCEEDED


def test_jobs_wait_in_a_queue_for_the_pool_s_replicas(lab: Lab) -> None:
    lab.module("wait", "import sys, time; time.sleep(0.3); print(time.time())")
    names = [lab.submit(["python", "-m", "wait"], slot=SLOT) for _ in range(3)]
    ended = [float(lab.output(name)) for name in names if lab.ends(name)]
    assert ended == sorted(ended)
    assert ended[2] - ended[0] > 0.5
    assert lab.states(names[0]) == ["RUNNING", "SUCCEEDED"]
    assert lab.states(names[2]) == ["QUEUED", "PENDING", "RUNNING", "SUCCEEDED"]
    assert lab.runner.used(SLOT) == 0


def test_cancel_asks_first_and_kills_after_the_grace(lab: Lab) -> None:
    lab.module(
        "polite",
        "import signal, sys, time\n"
        "signal.signal(15, lambda *_: (print('saved'), sys.exit(0)))\n"
        "print('up')\n"
        "time.sleep(60)",
    )
    lab.module("deaf", "import signal, time\nsignal.signal(15, signal.SIG_IGN)\nprint('up')\ntime.sleep(60)")
    for module, output in (("polite", "up\nsaved\n"), ("deaf", "up\n")):
        name = lab.submit(["python", "-m", module])
        lab.runs(name)
        while not lab.output(name):
            time.sleep(0.02)
        lab.runner.cancel(name)
        update = lab.ends(name)
        assert update.state is JobState.CANCELLED
        assert update.error is not None
        assert update.error.code == 1
        assert lab.output(name) == output
        assert "CANCELLING" in lab.states(name)


def test_a_queued_job_is_cancelled_at_once(lab: Lab) -> None:
    lab.module("wait", "import time; time.sleep(60)")
    running, queued = (lab.submit(["python", "-m", "wait"], slot=SLOT) for _ in range(2))
    lab.runs(running)
    lab.runner.cancel(queued)
    assert lab.ends(queued).state is JobState.CANCELLED
    lab.runner.cancel(running)
    assert lab.ends(running).state is JobState.CANCELLED


def test_what_a_job_leaves_behind_ends_with_it(lab: Lab) -> None:
    lab.module("parent", "import subprocess; print(subprocess.Popen(['sleep', '60']).pid)")
    name = lab.submit(["python", "-m", "parent"])
    lab.ends(name)
    assert not _alive(int(lab.output(name)))


def test_a_job_that_runs_too_long_fails_with_its_timeout(lab: Lab) -> None:
    lab.module("wait", "import time; time.sleep(60)")
    update = lab.ends(lab.submit(["python", "-m", "wait"], timeout_seconds=0.3))
    assert update.state is JobState.FAILED
    assert update.error is not None
    assert "0.3s" in update.error.message


def test_the_primary_s_success_ends_the_workers(lab: Lab) -> None:
    lab.module(
        "role",
        "import json, os, time\n"
        "task = json.loads(os.environ['CLUSTER_SPEC'])['task']\n"
        "print(task['type'], task['index'])\n"
        "time.sleep(60 if task['type'] == 'workerpool1' else 0.3)",
    )
    workers = WorkerPool(2, IMAGE, ["python", "-m", "role"], [], {})
    name = lab.submit(["python", "-m", "role"], more=(workers,))
    assert lab.ends(name).state is JobState.SUCCEEDED
    assert lab.output(name, "workerpool1-1") == "workerpool1 1\n"


def test_a_worker_s_failure_ends_the_job(lab: Lab) -> None:
    lab.module("primary", "import time; time.sleep(60)")
    workers = WorkerPool(1, IMAGE, ["python", "-c", "raise SystemExit(9)"], [], {})
    error = lab.ends(lab.submit(["python", "-m", "primary"], more=(workers,))).error
    assert error is not None
    assert "The replica workerpool1-0 exited with a non-zero status of 9." in error.message


def test_a_transient_exit_code_starts_the_job_again_up_to_three_times(lab: Lab) -> None:
    lab.module("crash", "import os; print('attempt'); os.abort()")
    name = lab.submit(["python", "-m", "crash"])
    error = lab.ends(name).error
    assert error is not None
    assert "non-zero status of 134." in error.message
    assert lab.output(name).count("attempt") == 4
    once = lab.submit(["python", "-m", "crash"], disable_retries=True)
    lab.ends(once)
    assert lab.output(once).count("attempt") == 1


def test_releasing_a_resource_cancels_its_jobs_and_ends_its_warm_processes(lab: Lab) -> None:
    lab.module(
        "saver",
        "import signal, sys, time\n"
        "signal.signal(15, lambda *_: (print('saved'), sys.exit(0)))\n"
        "print('up')\n"
        "time.sleep(60)",
    )
    name = lab.submit(["python", "-m", "saver"], slot=SLOT)
    lab.runs(name)
    while not lab.output(name):
        time.sleep(0.02)
    warm_pid = lab.runner.warm_processes()[SLOT, IMAGE]
    lab.runner.release(SLOT.resource)
    assert lab.ends(name).state is JobState.CANCELLED
    assert lab.output(name) == "up\nsaved\n"
    assert not _alive(warm_pid)
    assert not lab.runner.warm_processes()


def test_a_job_s_folders_are_gone_when_it_ends_and_its_logs_stay(lab: Lab) -> None:
    lab.module(
        "touch", "import os, pathlib; pathlib.Path(os.environ['HOME'], 'x').touch(); print(os.environ['TMPDIR'])"
    )
    name = lab.submit(["python", "-m", "touch"])
    lab.ends(name)
    assert not Path(lab.output(name).strip()).exists()
    assert sorted(path.name for path in (lab.root / "jobs" / "1001").iterdir()) == ["logs"]


def test_stopping_asks_running_jobs_to_end_and_reports_none_of_them(lab: Lab) -> None:
    lab.module(
        "saver",
        "import signal, sys, time\n"
        "signal.signal(15, lambda *_: (print('saved'), sys.exit(0)))\n"
        "print('up')\n"
        "time.sleep(60)",
    )
    name = lab.submit(["python", "-m", "saver"])
    lab.runs(name)
    while not lab.output(name):
        time.sleep(0.02)
    lab.runner.stop()
    assert lab.output(name) == "up\nsaved\n"
    assert lab.states(name) == ["RUNNING"]
    assert lab.updates.empty()


def _alive(pid: int) -> bool:
    for _ in range(50):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        status = Path(f"/proc/{pid}/status")
        if status.exists() and "\nState:\tZ" in status.read_text():
            return False
        time.sleep(0.05)
    return True
