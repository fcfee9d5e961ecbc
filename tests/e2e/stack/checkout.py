"""A copy of this repository with a `.local/` of its own, and the commands in it as a user types them."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from tests.unit.infra.deploy import deploy

_REPOSITORY = Path(__file__).resolve().parents[3]
_LEFT_OUT = (".*", "tests", "docs", "node_modules")
_KEPT = (".venv",)
LOCATION = "/v1/projects/recsys-local/locations/us-central1"
FEEDBACK = "/bigquery/v2/projects/recsys-local/datasets/recsys_logs/tables/feedback"


class Checkout:
    """`python` and `make` run in it to their end; `start` leaves a command running, with its output in a file."""

    def __init__(self, root: Path) -> None:
        self.root = root
        shutil.copytree(_REPOSITORY, root, ignore=shutil.ignore_patterns(*_LEFT_OUT))
        (root / ".venv").symlink_to(sys.prefix)
        self.local = root / ".local"
        self.env = os.environ | {"PYTHONPATH": f"{root}:{root / 'trainer'}", "RECSYS_ROOT": str(root), "COLUMNS": "200"}

    def python(self, module: str, *arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return self._run([sys.executable, "-m", module, *map(str, arguments)], cwd or self.root)

    def make(self, target: str, *variables: str) -> subprocess.CompletedProcess[str]:
        """`make TARGET`, with what is installed taken as up to date."""
        return self._run(["make", "--no-print-directory", "-o", ".venv/.installed", target, *variables], self.root)

    def up(self, data: Path, *parameters: str, engine: str = "embedded") -> subprocess.CompletedProcess[str]:
        return self.python("local.stack", "up", "--data", data, "--engine", engine, "max_minutes=0.03", *parameters)

    def start(self, data: Path, *parameters: str) -> "Running":
        """An `up` in a session of its own, as a terminal would have it."""
        command = [sys.executable, "-m", "local.stack", "up", "--data", str(data), *parameters]
        log = self.root / "running.txt"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, cwd=self.root, env=self.env, stdout=output, stderr=output, start_new_session=True
            )
        return Running(process, log)

    @property
    def report(self) -> dict[str, Any]:
        return json.loads((self.local / "report.json").read_text())

    @property
    def url(self) -> str:
        return json.loads((self.local / "cloud" / "server.json").read_text())["url"]

    @property
    def cloud_pid(self) -> int:
        return json.loads((self.local / "cloud" / "server.json").read_text())["pid"]

    def get(self, path: str) -> dict[str, Any]:
        """An answer of the cloud to its operator."""
        return self._call("GET", path)

    def post(self, path: str) -> dict[str, Any]:
        return self._call("POST", path)

    def _call(self, method: str, path: str) -> dict[str, Any]:
        token = (self.local / "cloud" / "operator-token").read_text().strip()
        with requests.Session() as session:
            session.trust_env = False
            headers = {"authorization": f"Bearer {token}"}
            answer = session.request(method, self.url + path, headers=headers, timeout=30)
        assert answer.ok, answer.text
        return answer.json()

    def feedback_rows(self) -> int:
        return int(self.get(FEEDBACK)["numRows"])

    def run_state(self, name: str) -> str:
        return self.get(f"{LOCATION}/pipelineJobs/{name.rpartition('/')[2]}")["state"]

    def processes(self) -> dict[int, str]:
        """Every process with this checkout in its command line or as its working folder."""
        found = {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if str(self.root) in f"{command} {(entry / 'cwd').readlink()}":
                    found[int(entry.name)] = command
            except OSError:
                continue
        return found

    def end(self) -> None:
        """Leave nothing running, whatever a test did."""
        for pid in self.processes():
            kill(pid, signal.SIGKILL)

    def _run(self, command: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=cwd, env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=240, check=False,
        )  # fmt: skip


class Running:
    """A command under way."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def output(self) -> str:
        return self._log.read_text(errors="replace")

    def wait_for(self, text: str) -> None:
        wait_until(lambda: text in self.output or self.process.poll() is not None)
        assert text in self.output, self.output

    def interrupt(self) -> None:
        """Ctrl-C: the terminal signals the whole foreground group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def end(self) -> int:
        return self.process.wait(timeout=120)


def declared() -> int:
    """How many resources a plan of the local stack counts: its own, its components and the stack itself."""
    lock = {name: f"h/p/r/{name}@sha256:{'0' * 64}" for name in ("trainer", "steps")}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(lock, file)
        file.flush()
        deployment = deploy(stack="local", config={"recsys-training:imagesLock": file.name})
    return len(deployment.records) + 1


def kill(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def wait_until(true: Callable[[], bool], *, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.02)
