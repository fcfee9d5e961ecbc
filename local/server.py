"""The local cloud's process: started in the background, found again, stopped.

Owns: its port, pid and log. The cloud outlives the command that started it, and is started anew when its own source has
changed. Does not own: what it answers (local/cloud/).
"""

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from local.cloud.clients import client_environment
from local.layout import PROJECT_ROOT, Layout

_START_SECONDS = 30
_STOP_SECONDS = 20
_SOURCES = (".py", ".html", ".css", ".js", ".svg")


class CloudError(Exception):
    """The local cloud does not start or does not stop; the text says what to look at."""


@dataclass(frozen=True)
class Address:
    """Where the cloud answers and how its operator is known."""

    url: str
    token_file: Path

    def environment(self) -> dict[str, str]:
        """The variables that point the provider, the engine and Google's clients at it."""
        token = self.token_file.read_text(encoding="ascii").strip()
        return client_environment(self.url, operator_token=token, token_file=str(self.token_file))

    def call(self, method: str, path: str, body: object = None, *, seconds: float = 10) -> dict:
        """One call of the cloud's own commands (`/_local/…`), as its operator."""
        token = self.token_file.read_text(encoding="ascii").strip()
        data = None if body is None else json.dumps(body).encode()
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        return _answer(urllib.request.Request(self.url + path, data=data, method=method, headers=headers), seconds)  # noqa: S310

    def answers_for(self, root: Path) -> bool:
        """Whether the cloud on this root listens there, and not something else. Asked without the token."""
        health = _answer(urllib.request.Request(self.url + "/_local/health"), seconds=5)  # noqa: S310
        return isinstance(health, dict) and health.get("root") == str(root)


def _answer(request: urllib.request.Request, seconds: float) -> dict:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=seconds) as answer:
        return json.loads(answer.read() or b"{}")


def find(layout: Layout) -> Address | None:
    """The running cloud on this root, or None."""
    try:
        url = json.loads((layout.cloud / "server.json").read_text())["url"]
        address = Address(url, layout.cloud / "operator-token")
        return address if address.answers_for(layout.cloud) else None
    except (OSError, ValueError, KeyError, TypeError, HTTPException):
        return None


def ensure_started(layout: Layout) -> Address:
    """The running cloud, started if need be. Raises CloudError with the end of its log."""
    running, source = find(layout), _source_digest()
    mark = layout.home / "cloud.source"
    if running and mark.exists() and mark.read_text() == source:
        return running
    stop(layout)
    layout.home.mkdir(exist_ok=True)
    preferred = _last_port(layout)
    process = _start(layout, preferred) or (_start(layout, 0) if preferred else None)
    if process is None:
        raise CloudError(f"the local cloud does not start; {layout.cloud_log} ends with:\n{_tail(layout.cloud_log)}")
    address = find(layout)
    if address is None:
        raise CloudError(f"the local cloud started but does not answer; see {layout.cloud_log}")
    layout.pid.write_text(str(process.pid))
    layout.port.write_text(address.url.rpartition(":")[2])
    mark.write_text(source)
    return address


def stop(layout: Layout) -> bool:
    """End the cloud and everything that it runs; its state stays. False where none was running."""
    address = find(layout)
    pid = _pid(layout)
    if address is None and pid is None:
        return False
    if address is not None:
        try:
            address.call("POST", "/_local/stop")
        except (OSError, urllib.error.URLError):
            _signal(pid, signal.SIGTERM)
    elif pid is not None:
        _signal(pid, signal.SIGTERM)
    if pid is not None and not _gone_within(pid, _STOP_SECONDS):
        _signal(pid, signal.SIGKILL)
        if not _gone_within(pid, 5):
            raise CloudError(f"process {pid}, the local cloud, does not end; see {layout.cloud_log}")
    layout.pid.unlink(missing_ok=True)
    return True


def _last_port(layout: Layout) -> int:
    """The port that the cloud had before, so that addresses stay; 0 where none is known."""
    try:
        port = int(layout.port.read_text())
    except (OSError, ValueError):
        return 0
    return port if 0 < port < 65536 else 0


def _start(layout: Layout, port: int) -> subprocess.Popen | None:
    """A cloud on `port` that has said it is ready, or None if it ended first."""
    layout.home.mkdir(exist_ok=True)
    command = [
        sys.executable,
        "-m",
        "local.cloud",
        "--port",
        str(port),
        "--root",
        str(layout.cloud),
        "--iam",
        "enforce",
    ]
    with layout.cloud_log.open("ab") as log:
        process = subprocess.Popen(
            command, cwd=PROJECT_ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if find(layout) is not None and _announced_pid(layout) == process.pid:
            return process
        time.sleep(0.02)
    if process.poll() is None:
        process.kill()
    process.wait()
    return None


def _announced_pid(layout: Layout) -> int | None:
    try:
        return int(json.loads((layout.cloud / "server.json").read_text())["pid"])
    except (OSError, ValueError, KeyError):
        return None


def _pid(layout: Layout) -> int | None:
    """The cloud's process, if it lives: a recycled pid is recognised by its command line."""
    try:
        pid = int(layout.pid.read_text())
    except (OSError, ValueError):
        pid = _announced_pid(layout)
    if pid is None or not _alive(pid):
        return None
    command = subprocess.run(["ps", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return pid if "local.cloud" in command else None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _gone_within(pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)  # our own child must not stay behind as a zombie
        if not _alive(pid):
            return True
        time.sleep(0.02)
    return False


def _signal(pid: int | None, number: signal.Signals) -> None:
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _source_digest() -> str:
    """A digest of the cloud's own files: a cloud that runs older ones is started anew."""
    digest = hashlib.sha256()
    files = sorted(path for path in (PROJECT_ROOT / "local" / "cloud").rglob("*") if path.suffix in _SOURCES)
    for path in files:
        digest.update(str(path.relative_to(PROJECT_ROOT)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _tail(path: Path, lines: int = 8) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else "(nothing)"
