"""Pulumi's file backend: where a stack's state lies, how it is read and written, and its lock."""

from __future__ import annotations

import getpass
import json
import os
import re
import socket
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from engine.errors import EngineError
from engine.state import FORMAT, deployment_of, timestamp

_BOOKKEEPING = ".pulumi"
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")
# Pulumi ignores keys of a lock that it does not know. Only a lock that has this one is cleared when its process is
# dead: the pulumi command's providers may go on working when it is killed, this engine has none.
_OURS = "embedded-engine"


class LockedError(EngineError):
    """Another update of the same stack is under way, or was killed."""


def locate(environment: Mapping[str, str], start: Path) -> Path:
    """The folder that PULUMI_BACKEND_URL names, `~` and relative paths resolved as Pulumi does."""
    url = environment.get("PULUMI_BACKEND_URL", "")
    if not url:
        raise EngineError(
            "PULUMI_BACKEND_URL is not set: name the folder of the state, for example export "
            "PULUMI_BACKEND_URL=file://.local/state"
        )
    if not url.startswith("file://"):
        raise EngineError(
            f"PULUMI_BACKEND_URL={url!r} is no file:// backend, the only kind that this engine keeps a state in; "
            "use the pulumi command for it"
        )
    path = Path(url[len("file://") :].split("?")[0] or ".").expanduser()
    return (start / path).resolve()


def stack_name(text: str, project: str) -> str:
    """The stack's own name, given alone, as organization/NAME or as organization/PROJECT/NAME; raises EngineError if it
    is none, or of another project.
    """
    *above, name = text.split("/")
    if above[:1] not in ([], ["organization"]) or above[1:] not in ([], [project]):
        raise EngineError(
            f"stack {text!r} is not of this project: write NAME, organization/NAME or organization/{project}/NAME"
        )
    return _checked("stack", name)


def _checked(what: str, name: str) -> str:
    """The name, which becomes part of a path."""
    if not _NAME.fullmatch(name) or name in (".", ".."):
        raise EngineError(
            f"{what} name {name!r} is refused: use at most 100 letters, digits, hyphens, underscores and periods"
        )
    return name


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file so that a crash at any moment leaves the old one or the new one, whole."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class FileBackend:
    """One stack in a file backend."""

    def __init__(self, root: Path, project: str, stack: str) -> None:
        """Raises EngineError for names that would lead out of the layout."""
        project, stack = _checked("project", project), _checked("stack", stack)
        self.root = root
        self.bookkeeping = root / _BOOKKEEPING
        self.qualified_name = f"organization/{project}/{stack}"
        self.path = self.bookkeeping / "stacks" / project / f"{stack}.json"
        self._locks = self.bookkeeping / "locks" / "organization" / project / stack

    def load(self) -> dict[str, Any] | None:
        """The deployment that the state's file holds; None if there is no such stack yet."""
        self._refuse_other_layouts()
        if not self.path.exists():
            return None
        try:
            document = json.loads(self.path.read_bytes())
        except ValueError as error:
            raise EngineError(
                f"{self.path} is no JSON ({error}): restore it from {self.path.name}.bak beside it"
            ) from error
        return deployment_of(document, source=str(self.path))

    def _refuse_other_layouts(self) -> None:
        for suffix in (".gz", ".zst"):
            if (other := self.path.with_name(self.path.name + suffix)).exists():
                raise EngineError(
                    f"{other} is a compressed state, which this engine does not read: decompress it to "
                    f"{self.path.name} and remove it"
                )
        meta = self.bookkeeping / "meta.yaml"
        if not meta.exists() and self.path.parent.parent.exists() and any(self.path.parent.parent.glob("*.json")):
            raise EngineError(
                f"{self.bookkeeping} has Pulumi's old layout without projects: run `pulumi state upgrade` on it first"
            )

    def prepare(self) -> None:
        """Make the folders and Pulumi's description of the layout."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        meta = self.bookkeeping / "meta.yaml"
        if not meta.exists():
            write_atomically(meta, b"version: 1\n")

    def save(self, deployment_text: str) -> None:
        """Write the state; `deployment_text` is the deployment's JSON."""
        stack = json.dumps(self.qualified_name)
        text = f'{{"version":{FORMAT},"checkpoint":{{"stack":{stack},"latest":{deployment_text}}}}}'
        write_atomically(self.path, text.encode())

    def keep_backup(self) -> None:
        """Copy the state as it is before an update to the `.bak` file that Pulumi also keeps."""
        if self.path.exists():
            write_atomically(self.path.with_name(self.path.name + ".bak"), self.path.read_bytes())

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold Pulumi's lock on the stack, which the pulumi command respects too."""
        self._locks.mkdir(parents=True, exist_ok=True)
        mine = self._locks / f"{uuid.uuid4()}.json"
        self._refuse_if_locked(mine)
        content = {
            "pid": os.getpid(),
            "username": _user(),
            "hostname": socket.gethostname(),
            "timestamp": timestamp(),
            _OURS: True,
        }
        write_atomically(mine, json.dumps(content).encode())
        try:
            self._refuse_if_locked(mine)
            yield
        finally:
            with suppress(FileNotFoundError):
                mine.unlink()

    def unlock(self) -> int:
        """Remove all locks of the stack, whoever holds them; how many there were."""
        locks = sorted(self._locks.glob("*.json"))
        for path in locks:
            path.unlink(missing_ok=True)
        return len(locks)

    def at_work(self) -> list[str]:
        """The locks whose processes are alive on this machine, in words."""
        return [f"  {path}: {_describe(path)}" for path in sorted(self._locks.glob("*.json")) if _is_alive(path)]

    def _refuse_if_locked(self, mine: Path) -> None:
        others = [path for path in sorted(self._locks.glob("*.json")) if path != mine and not self._clear_dead(path)]
        if not others:
            return
        lines = [
            f"the stack is currently locked by {len(others)} lock(s). Either wait for the other process(es) to end "
            "or delete the lock file with `pulumi cancel` or rm."
        ]
        lines += [f"  {path}: {_describe(path)}" for path in others]
        raise LockedError("\n".join(lines))

    def _clear_dead(self, path: Path) -> bool:
        """Remove a lock whose process, on this very machine and of this very engine, is no more."""
        holder = _read_lock(path)
        if _OURS not in holder or not _is_dead(holder):
            return False
        with suppress(FileNotFoundError):
            path.unlink()
        return True


def _is_dead(holder: dict[str, Any]) -> bool:
    """Whether the process that holds a lock is known to be no more."""
    pid = holder.get("pid")
    here = holder.get("hostname") == socket.gethostname() and holder.get("username") == _user()
    return here and isinstance(pid, int) and not _alive(pid)


def _is_alive(path: Path) -> bool:
    """Whether the process that holds a lock is known to be at work."""
    holder = _read_lock(path)
    here = holder.get("hostname") == socket.gethostname() and isinstance(holder.get("pid"), int)
    return here and _alive(holder["pid"])


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _read_lock(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _describe(path: Path) -> str:
    holder = _read_lock(path)
    dead = ", which is no more, though what it started may still be at work: see that it is not, then `pulumi cancel`"
    return (
        f"created by {holder.get('username')}@{holder.get('hostname')} (pid {holder.get('pid')}) at "
        f"{holder.get('timestamp')}{dead if _is_dead(holder) else ''}"
        if holder
        else "unreadable"
    )
