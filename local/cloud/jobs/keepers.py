"""The cloud's end of its keeper processes: start one, give it replicas, hear what became of them."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from local.cloud.jobs.commands import PythonCommand
from local.cloud.jobs.images import RuntimeManifest, search_path

_PROGRAM = Path(__file__).with_name("keeper.py")
KILLED = 137
START_ERROR = 128
LOST = "its machine was lost"
_WITHOUT_THREADS = {"JE_ARROW_MALLOC_CONF": "background_thread:false"}  # pyarrow's allocator would start one


@dataclass(frozen=True)
class ReplicaProcess:
    """What a keeper needs to start one replica. `python` set: in a fork of the keeper itself. `cpus` is the most
    processors that it may use, 0 all.
    """

    id: str
    argv: list[str]
    env: dict[str, str]
    cwd: str
    stdout: str
    stderr: str
    python: PythonCommand | None = None
    cpus: int = 0


@dataclass(frozen=True)
class Started:
    id: str
    pid: int


@dataclass(frozen=True)
class Exited:
    """`reason` is set where the replica never ran or was lost with its keeper."""

    id: str
    code: int
    reason: str = ""


@dataclass(frozen=True)
class Ready:
    """The keeper has imported what it preloads. `problems` says why no replica should be forked from it; `threads`
    names those that preloaded libraries have started.
    """

    pid: int
    seconds: float
    problems: list[str]
    threads: list[str]


@dataclass(frozen=True)
class Lost:
    """The keeper itself has ended, and all its replicas with it."""


KeeperEvent = Ready | Started | Exited | Lost


class Keeper:
    """A running keeper process. Its events are handed to `on_event` from a thread of its own."""

    def __init__(
        self,
        on_event: Callable[["Keeper", KeeperEvent], None],
        *,
        interpreter: str,
        cwd: str,
        env: Mapping[str, str],
        preload: list[str],
        log: Path,
    ) -> None:
        self._on_event = on_event
        self._lock = threading.Lock()
        self._unfinished: set[str] = set()
        self._lost = False
        reading, writing = os.pipe()
        options = json.dumps({"events": writing, "cwd": cwd, "preload": preload})
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [interpreter, str(_PROGRAM), options],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                env=dict(env),
                pass_fds=[writing],
                start_new_session=True,
            )
        os.close(writing)
        self.pid = self._process.pid
        self._reader = threading.Thread(target=self._read, args=[reading], name=f"keeper-{self.pid}", daemon=True)
        self._reader.start()

    def start(self, replica: ReplicaProcess) -> None:
        """Start `replica`; `Started` or `Exited` follows, also where the keeper is lost."""
        with self._lock:
            lost = self._lost
            self._unfinished.add(replica.id)
        if lost or not self._send({"op": "start", **asdict(replica)}):
            self._finish(replica.id, Exited(replica.id, KILLED, LOST))

    def signal(self, replica_id: str, number: int) -> None:
        self._send({"op": "signal", "id": replica_id, "signal": number})

    def close(self) -> None:
        """Kill every replica, and wait for the keeper to end."""
        if self._process.stdin:
            self._process.stdin.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(timeout=5)

    def _send(self, command: dict[str, Any]) -> bool:
        stdin = self._process.stdin
        try:
            with self._lock:
                assert stdin is not None  # noqa: S101 - opened above
                stdin.write(json.dumps(command).encode() + b"\n")
                stdin.flush()
        except (BrokenPipeError, ValueError):
            return False
        return True

    def _read(self, descriptor: int) -> None:
        with os.fdopen(descriptor, "rb") as events:
            for line in events:
                told = json.loads(line)
                match told.pop("event"):
                    case "ready":
                        self._on_event(self, Ready(**told))
                    case "started":
                        self._on_event(self, Started(**told))
                    case "exited":
                        self._finish(told["id"], Exited(**told))
                    case "failed":
                        self._finish(told["id"], Exited(told["id"], START_ERROR, told["reason"]))
        with self._lock:
            self._lost = True
            lost = sorted(self._unfinished)
        self._process.wait()
        for replica_id in lost:
            self._finish(replica_id, Exited(replica_id, KILLED, LOST))
        self._on_event(self, Lost())

    def _finish(self, replica_id: str, event: Exited) -> None:
        with self._lock:
            if replica_id not in self._unfinished:
                return
            self._unfinished.discard(replica_id)
        self._on_event(self, event)


def cold_keeper(on_event: Callable[[Keeper, KeeperEvent], None], *, folder: Path) -> Keeper:
    """A keeper that preloads nothing: each replica that it starts is a fresh process."""
    env = {"PATH": search_path(sys.executable), "LANG": "C.UTF-8"}
    return Keeper(
        on_event, interpreter=sys.executable, cwd=str(folder), env=env, preload=[], log=folder / "keepers" / "cold.log"
    )


def warm_keeper(
    on_event: Callable[[Keeper, KeeperEvent], None], runtime: RuntimeManifest, *, env: Mapping[str, str], log: Path
) -> Keeper:
    """A keeper that is an image's interpreter with the image's modules imported."""
    return Keeper(
        on_event,
        interpreter=runtime.interpreter,
        cwd=runtime.workdir,
        env={**env, **_WITHOUT_THREADS},
        preload=runtime.preload,
        log=log,
    )
