"""How much memory the sessions of replicas hold, on Linux.

A replica leads a session of its own, so what it has started counts with it, unless that has left the session. Pages
that a warm process shares with its forks count for each of them. Elsewhere than on Linux nothing is measured.
"""

import os
from collections.abc import Iterable
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")
_SESSION, _RESIDENT_PAGES = 3, 21  # their places after the command's name in /proc/PID/stat


def resident_bytes(leaders: Iterable[int]) -> dict[int, int]:
    """What the session of each leader holds; sessions that are gone are left out."""
    wanted = {str(pid) for pid in leaders}
    held: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*/stat") if wanted else ():
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if len(fields) > _RESIDENT_PAGES and fields[_SESSION] in wanted:
            leader = int(fields[_SESSION])
            held[leader] = held.get(leader, 0) + int(fields[_RESIDENT_PAGES]) * _PAGE
    return held
