"""Killed with -9, a cloud takes every process of its jobs along."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not Path("/proc").exists(), reason="looks processes up in /proc, which Linux has")

CLOUD = """
import sys, time
sys.path.insert(0, {repo!r})
from pathlib import Path
from tests.unit.jobs.conftest import SLOT, make_lab

lab = next(cloud := make_lab(Path({root!r}), limit=2))
child = "import os, subprocess, sys, time\\n" \\
        "pids = [os.getpid(), os.getppid(), subprocess.Popen(['sleep', '600']).pid]\\n" \\
        "pids.append(subprocess.Popen(['sleep', '600'], start_new_session=True).pid)\\n" \\
        "open(sys.argv[1], 'w').write(' '.join(map(str, pids)) + ' end')\\n" \\
        "time.sleep(600)\\n"
lab.module("child", child)
for number, slot in enumerate((None, SLOT)):
    lab.submit(["python", "-m", "child", {root!r} + f"/pids{{number}}"], slot=slot)
print("up", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("victim", ["cloud", "keeper"])
def test_no_process_outlives_a_killed_cloud_or_keeper(tmp_path: Path, victim: str) -> None:
    repo = Path(__file__).parents[3]
    program = textwrap.dedent(CLOUD).format(repo=str(repo), root=str(tmp_path))
    cloud = subprocess.Popen([sys.executable, "-c", program], cwd=repo)
    try:
        pids = [_pids(tmp_path / f"pids{number}") for number in (0, 1)]
        if victim == "cloud":
            cloud.send_signal(signal.SIGKILL)
            cloud.wait()
            assert _gone([pid for job in pids for pid in job])
        else:
            for keeper in {job[1] for job in pids}:
                os.kill(keeper, signal.SIGKILL)
            assert _gone([pid for job in pids for pid in job[:2]])
    finally:
        cloud.kill()
        cloud.wait()
        for job in pids:
            for pid in job:
                subprocess.run(["kill", "-9", str(pid)], stderr=subprocess.DEVNULL, check=False)


def _pids(path: Path) -> list[int]:
    deadline = time.monotonic() + 20
    while not (path.exists() and path.read_text().endswith(" end")):
        assert time.monotonic() < deadline, f"{path} was not written"
        time.sleep(0.05)
    return [int(word) for word in path.read_text().split()[:-1]]


def _gone(pids: list[int]) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        states = [_state(pid) for pid in pids]
        if all(state in {"", "Z"} for state in states):
            return True
        time.sleep(0.05)
    return False


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return ""
