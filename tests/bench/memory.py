"""The peak of memory of whole runs against what the trainer said before each, and the speed with a million items.

Every run is a process of its own on two threads; its budget covers a few evaluations and checkpoints.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.data import write_log
from tests.unit.train.examples import job_environment

_SIZES = {
    "1,000 items": {"events": 100_000, "users": 5_000, "items": 1_000},
    "50,000 items, scored whole": {"events": 500_000, "users": 30_000, "items": 50_000},
    "1,000,000 items, sampled": {"events": 3_000_000, "users": 200_000, "items": 1_000_000},
}


def run(folder: Path, *, minutes: float) -> tuple[list[dict], float]:
    """The run's log, and its peak in GB."""
    environment = {**os.environ, **job_environment(folder)}
    command = [sys.executable, "-m", "train.main", "--max-minutes", str(minutes), "--threads", "2", "--no-export"]
    process = subprocess.Popen(command, env=environment, stdout=(folder / "log").open("w"))
    peak = 0
    while process.poll() is None:
        peak = max(peak, _peak_kb(process.pid))
        time.sleep(0.2)
    if process.returncode:
        raise RuntimeError((folder / "log").read_text()[-2000:])
    return [json.loads(line) for line in (folder / "log").read_text().splitlines()], peak * 1024 / 1e9


def _peak_kb(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return max((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), default=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0)
    flags = parser.parse_args()
    for name, size in _SIZES.items():
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            write_log(folder / "staging", **size, kind="integers")
            log, peak = run(folder, minutes=flags.minutes)
        said = next(line["estimate"]["host_gb"] for line in log if "estimate" in line)
        sys.stdout.write(f"{name}: {said:.2f} GB expected, peak {peak:.2f} GB\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
