"""One command at a time changes the local stack.

Owns: the lock that keeps a second `make up` or `make down` out; the system releases it when its holder dies.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from contracts.problems import Problem, Refused
from local.layout import Layout


@contextmanager
def turn(layout: Layout, command: str) -> Iterator[None]:
    """Hold the turn. Raises Refused where another process has it, and names that process."""
    layout.home.mkdir(exist_ok=True)
    descriptor = os.open(layout.turn, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise _taken(os.read(descriptor, 100).decode(errors="replace").strip(), command) from None
        os.truncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()} ({command})".encode())
        yield
    finally:
        os.close(descriptor)


def _taken(holder: str, command: str) -> Refused:
    pid = holder.partition(" ")[0]
    rule = f"process {holder or 'unknown'} is at work on this stack"
    fix = f"Wait for it{f', or end it: kill {pid}' if pid.isdecimal() else ''}"
    return Refused("Command", [Problem(key="make", value=command, rule=rule, fix=fix)])
