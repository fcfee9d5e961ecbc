"""What this machine lets a process have.

Owns: the memory that is left, by the container's limit or the machine's own. Does not own: what needs it (estimate.py).
"""

from pathlib import Path

_MEMORY_FILES = (
    ("sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory.current", "sys/fs/cgroup/memory.stat"),
    (
        "sys/fs/cgroup/memory/memory.limit_in_bytes",
        "sys/fs/cgroup/memory/memory.usage_in_bytes",
        "sys/fs/cgroup/memory/memory.stat",
    ),
)
# What the kernel takes back when it is short: files that were read, or are mapped.
_CACHES = (("inactive_file", "active_file"), ("total_inactive_file", "total_active_file"))


def free_memory(root: Path = Path("/")) -> int:
    """Bytes that a process can still take before the container's limit, or the machine's, ends it."""
    free = _named_numbers(root / "proc/meminfo").get("MemAvailable:", 1 << 62) * 1024
    for limit, used, stat in _MEMORY_FILES:
        most, taken = _number(root / limit), _number(root / used)
        if most is not None and taken is not None:
            numbers = _named_numbers(root / stat)
            cache = max(sum(numbers.get(name, 0) for name in names) for names in _CACHES)
            free = min(free, max(0, most - taken + cache))
    return free


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # no such file, or "max"
        return None


def _named_numbers(path: Path) -> dict[str, int]:
    try:
        rows = (line.split() for line in path.read_text().splitlines())
        return {row[0]: int(row[1]) for row in rows if len(row) > 1 and row[1].isdigit()}
    except OSError:
        return {}
