"""A process seen from outside, and the cores that processes run on. Linux alone tells; elsewhere nothing is pinned and
figures of a process are 0.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def cpu_seconds(pid: int) -> float:
    """User and system time of all its threads, not of its children."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except FileNotFoundError:
        return 0


@contextmanager
def on_cores(*wanted: int) -> Iterator[list[int]]:
    """What is started inside runs on these of this process's cores, counted from 0; the last one, where it has fewer.
    Which they are.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield []
        return
    before = os.sched_getaffinity(0)
    own = sorted(before)
    cores = [own[min(each, len(own) - 1)] for each in wanted]
    os.sched_setaffinity(0, cores)
    try:
        yield cores
    finally:
        os.sched_setaffinity(0, before)
