"""The keeper: the one parent of replica processes, so that they cannot outlive the cloud that started them.

It runs as a process of its own, by its file's path and with an image's interpreter, so it imports nothing but the
standard library and the modules that it is told to preload. A replica is forked from it: a Python module or file runs
in the fork, with all that was preloaded (warm); any other command is executed in its place.

Commands arrive as JSON lines on stdin; when stdin ends, because the cloud has stopped or was killed, every replica is
killed. Events leave as JSON lines on the file descriptor named in argv. It has one thread: a process that has others
cannot fork safely.
"""

import sys
from pathlib import Path

if sys.path and Path(sys.path[0]).resolve() == Path(__file__).resolve().parent:
    del sys.path[0]  # this folder's modules are not the image's

import atexit
import contextlib
import ctypes
import gc
import importlib
import json
import os
import random
import runpy
import selectors
import shutil
import signal
import threading
import time
import traceback
import warnings
from typing import Any, NoReturn

_KILL_AFTER_PARENT = 1  # prctl's PR_SET_PDEATHSIG
_ADOPT_ORPHANS = 36  # prctl's PR_SET_CHILD_SUBREAPER
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


class Keeper:
    """The replicas of one keeper process, by id, with their process ids."""

    def __init__(self, events: int) -> None:
        self._events = events
        self._pids: dict[str, int] = {}
        self._wakeup, self._wakeup_writer = os.pipe()
        os.set_blocking(self._wakeup, False)
        os.set_blocking(self._wakeup_writer, False)
        self._unread = b""

    def serve(self, preload: list[str]) -> None:
        """Import `preload`, then start and reap replicas until stdin ends."""
        signal.signal(signal.SIGCHLD, lambda *_: None)  # a handler, so that the wakeup descriptor is written
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is the cloud's to handle
        signal.set_wakeup_fd(self._wakeup_writer, warn_on_full_buffer=False)
        if _LIBC:
            _LIBC.prctl(_ADOPT_ORPHANS, 1, 0, 0, 0)
        began = time.monotonic()
        problems = _import_all(preload)
        sys.stdout.flush()
        gc.collect()
        gc.freeze()  # the collector leaves what is imported alone, so that forks share its pages
        seconds = round(time.monotonic() - began, 3)
        self._tell(event="ready", pid=os.getpid(), problems=problems, seconds=seconds, threads=_other_threads())
        with selectors.DefaultSelector() as selector:
            selector.register(0, selectors.EVENT_READ)
            selector.register(self._wakeup, selectors.EVENT_READ)
            while self._step(selector):
                pass
        self._kill_all()

    def _step(self, selector: selectors.BaseSelector) -> bool:
        ready = {key.fd for key, _ in selector.select()}
        if self._wakeup in ready:
            os.read(self._wakeup, 4096)
        self._reap()
        if 0 not in ready:
            return True
        received = os.read(0, 1 << 20)
        *lines, self._unread = (self._unread + received).split(b"\n")
        for line in lines:
            self._obey(json.loads(line))
        return bool(received)

    def _obey(self, command: dict[str, Any]) -> None:
        if command["op"] == "start":
            self._start(command)
        elif command["op"] == "signal" and command["id"] in self._pids:
            leader = self._pids[command["id"]]
            below = _descendants(leader) if command["signal"] == signal.SIGKILL else []
            _signal_group(leader, command["signal"])
            for pid in below:
                _signal(pid, signal.SIGKILL)

    def _start(self, command: dict[str, Any]) -> None:
        program = command["argv"][0]
        if command["python"] is None and not _executable(program, command):
            self._tell(event="failed", id=command["id"], reason=f"executable file {program!r} not found in $PATH")
            return
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            _become(command, parent, closing=[self._events, self._wakeup, self._wakeup_writer])
        self._pids[command["id"]] = pid
        self._tell(event="started", id=command["id"], pid=pid)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            replica = next((name for name, known in self._pids.items() if known == pid), None)
            if replica is not None:
                del self._pids[replica]
                self._end_what_is_left(pid)
                code = os.waitstatus_to_exitcode(status)
                self._tell(event="exited", id=replica, code=code if code >= 0 else 128 - code)

    def _end_what_is_left(self, leader: int) -> None:
        """A container ends with its first process, whatever that has started. `leader` is gone, its group may not be.

        Those that left the group are adopted by this process; whose they are cannot be told while other replicas run.
        """
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(leader, signal.SIGKILL)
        if not self._pids:
            for pid in _descendants(os.getpid()):
                _signal(pid, signal.SIGKILL)

    def _kill_all(self) -> None:
        signal.set_wakeup_fd(-1)
        below = _descendants(os.getpid())
        for pid in self._pids.values():
            _signal_group(pid, signal.SIGKILL)
        for pid in below:
            _signal(pid, signal.SIGKILL)

    def _tell(self, **event: Any) -> None:
        with contextlib.suppress(BrokenPipeError):  # the cloud is gone; the end of stdin follows
            os.write(self._events, json.dumps(event).encode() + b"\n")


def _other_threads() -> list[str]:
    """The names of threads that preloaded libraries have started, on Linux. A fork does not have them."""
    tasks = Path("/proc/self/task")
    names = [(each / "comm").read_text().strip() for each in tasks.iterdir()] if tasks.exists() else []
    return names[1:]


def _import_all(modules: list[str]) -> list[str]:
    """Import each module; returns why jobs should not be forked from the result, if anything went wrong."""
    problems = []
    for name in modules:
        try:
            importlib.import_module(name)
        except Exception as error:
            problems.append(f"preload {name!r} failed: {type(error).__name__}: {error}")
    if "google.auth.compute_engine" in sys.modules:
        problems.append("a preloaded module imports google.auth, which then holds another job's metadata address")
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
        if torch.cuda.is_initialized():
            problems.append("a preloaded module has initialised CUDA, which cannot be used after a fork")
    return problems


def _become(command: dict[str, Any], parent: int, closing: list[int]) -> NoReturn:
    """In the fork: turn into the replica. Never returns."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        os.setsid()
        if _LIBC:
            _LIBC.prctl(_KILL_AFTER_PARENT, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != parent:
                os._exit(137)
        for descriptor in closing:
            os.close(descriptor)
        _limit_processors(command.get("cpus", 0))
        _redirect(command)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if command["python"] is None:
            _execute(command)
        code = _run_python(command)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _limit_processors(count: int) -> None:
    """Let this process use `count` of the host's processors, where the system can say so and there are more."""
    if count and hasattr(os, "sched_setaffinity"):
        here = sorted(os.sched_getaffinity(0))
        first = os.getpid() % len(here)
        os.sched_setaffinity(0, (here[first:] + here[:first])[:count])


def _redirect(command: dict[str, Any]) -> None:
    """stdin is empty; stdout and stderr append to the replica's log files."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    for target, descriptor in (("stdout", 1), ("stderr", 2)):
        log = os.open(command[target], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(log, descriptor)
        os.close(log)
    os.close(null)
    os.chdir(command["cwd"])


def _execute(command: dict[str, Any]) -> NoReturn:
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and that would be inherited
        signal.signal(ignored, signal.SIG_DFL)
    os.execvpe(command["argv"][0], command["argv"], command["env"])  # noqa: S606 - the job's own command


def _run_python(command: dict[str, Any]) -> int:
    """Run the module or file as `python` would; returns the exit code."""
    python, env = command["python"], command["env"]
    os.environ.clear()
    os.environ.update(env)
    if hasattr(time, "tzset"):
        time.tzset()
    buffering = {"line_buffering": True, "write_through": bool(python["unbuffered"] or env.get("PYTHONUNBUFFERED"))}
    for stream in (sys.stdout, sys.stderr):  # they write to descriptors 1 and 2, which are the replica's by now
        stream.reconfigure(encoding="utf-8", **buffering)  # type: ignore[union-attr] # never replaced: text streams
    _forget_the_parent(int(env.get("OMP_NUM_THREADS", "1")))
    sys.argv = [python["target"], *python["args"]]
    sys.orig_argv = list(command["argv"])
    code = _exit_code_of(python)
    try:
        threading._shutdown()  # type: ignore[attr-defined] # waits for the job's threads, as an interpreter does at its end
        atexit._run_exitfuncs()
    except BaseException:
        traceback.print_exc()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            code = code or 120
    return code


def _exit_code_of(python: dict[str, Any]) -> int:
    try:
        if python["kind"] == "module":
            warnings.filterwarnings("ignore", message=".*found in sys.modules", module="runpy")  # it may be preloaded
            sys.path.insert(0, str(Path.cwd()))
            runpy.run_module(python["target"], run_name="__main__", alter_sys=True)
        else:
            sys.path.insert(0, str(Path(python["target"]).resolve().parent))
            runpy.run_path(python["target"], run_name="__main__")
    except SystemExit as leaving:
        if leaving.code is None or isinstance(leaving.code, int):
            return (leaving.code or 0) & 0xFF
        print(leaving.code, file=sys.stderr)  # noqa: T201 - what an interpreter does with sys.exit("text")
        return 1
    except KeyboardInterrupt:
        traceback.print_exc()
        return 130
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _forget_the_parent(threads: int) -> None:
    """Randomness and thread counts of a new process: two forks must not draw the same numbers."""
    random.seed()
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed()
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.seed()
        torch.set_num_threads(threads)


def _executable(program: str, command: dict[str, Any]) -> bool:
    if "/" in program:
        return os.access(Path(command["cwd"], program), os.X_OK)
    return shutil.which(program, path=command["env"].get("PATH")) is not None


def _signal_group(pid: int, number: int) -> None:
    """Signal the group of a child that has not been reaped."""
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        _signal(pid, number)  # forked a moment ago and not yet the leader of its group
    except PermissionError:
        pass  # macOS: the group holds nothing but zombies


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _descendants(root: int) -> list[int]:
    """All processes below `root`, on Linux. Those that have left their group are found by their parents."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(entry.read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            continue
        children.setdefault(parent, []).append(int(entry.parent.name))
    found, queue = [], [root]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found


if __name__ == "__main__":
    options = json.loads(sys.argv[1])
    os.chdir(options["cwd"])
    sys.path.insert(0, options["cwd"])
    Keeper(options["events"]).serve(options["preload"])
