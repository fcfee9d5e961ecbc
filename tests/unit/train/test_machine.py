"""The memory that is left, by the limits that a container's own files name."""

from pathlib import Path

import pytest
from train.machine import free_memory

KB = 1024


def files(root: Path, **content: str) -> Path:
    for name, text in content.items():
        path = root / name.replace("__", "/").replace("MEMORY_", "memory.")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("limit", "free"),
    [("max", 900 * KB), (str(500 * KB), (500 - 300 + 40) * KB), (str(100 * KB), 0), (str(5000 * KB), 900 * KB)],
)
def test_a_containers_limit_counts_where_it_is_below_what_the_machine_has(
    tmp_path: Path, limit: str, free: int
) -> None:
    root = files(
        tmp_path,
        proc__meminfo="MemTotal:       1000 kB\nMemAvailable:        900 kB\n",
        sys__fs__cgroup__MEMORY_max=limit,
        sys__fs__cgroup__MEMORY_current=str(300 * KB),
        sys__fs__cgroup__MEMORY_stat=f"anon 5\ninactive_file {40 * KB}\n",
    )
    assert free_memory(root) == free


def test_the_older_limit_is_read_too(tmp_path: Path) -> None:
    root = files(
        tmp_path,
        proc__meminfo="MemAvailable:        900 kB\n",
        sys__fs__cgroup__memory__MEMORY_limit_in_bytes=str(500 * KB),
        sys__fs__cgroup__memory__MEMORY_usage_in_bytes=str(100 * KB),
    )
    assert free_memory(root) == 400 * KB


def test_this_machine_has_memory_left() -> None:
    assert 0 < free_memory() < 1 << 50
