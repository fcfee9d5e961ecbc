"""Ten million interactions as sequences: wall time, CPU and the peak of memory, each in a process of its own.

The log is random, a million users and a hundred thousand items, in the order of time and in none, with integer and with
string ids, as one file and as a folder of shards. Generating and writing it is not measured.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from train.data import read_folder
from train.shards import INTERACTIONS_FILE
from train.storage import open_folder

_ROW_GROUP = 1 << 20
_SHARDS = 8


def write_log(folder: Path, *, events: int, users: int, items: int, kind: str, shards: int = 0) -> None:
    """Events in the order of time where ids are integers; in no order where they are strings."""
    random = np.random.default_rng(0)
    user_N = (random.random(events) ** 2 * users).astype(np.int64)
    item_N = (random.random(events) ** 3 * items).astype(np.int64)
    time_N = 1_700_000_000_000_000 + np.cumsum(random.integers(0, 3, events))
    columns = {"user_id": pa.array(user_N), "item_id": pa.array(item_N)}
    if kind == "strings":
        random.shuffle(time_N)
        texts = {"user_id": ("user", users), "item_id": ("item", items)}
        vocabularies = {
            name: pa.array([f"{text}-{number:09d}" for number in range(size)]) for name, (text, size) in texts.items()
        }
        columns = {name: vocabularies[name].take(column) for name, column in columns.items()}
    table = pa.table({**columns, "timestamp": pa.array(time_N, pa.timestamp("us", tz="UTC"))})
    folder.mkdir(parents=True, exist_ok=True)
    if not shards:
        pq.write_table(table, folder / INTERACTIONS_FILE, row_group_size=_ROW_GROUP)
    size = -(-events // max(1, shards))
    for shard in range(shards):
        pq.write_table(table.slice(shard * size, size), folder / f"interactions-{shard:012d}.parquet")


def _peak_gb() -> float:
    """Of this program alone: a process's ru_maxrss starts with that of the one that made it."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) / 2**20


def measure(folder: str) -> dict[str, float]:
    """Reads the folder in this process, which has done nothing else."""
    before = _peak_gb()
    began, cpu = time.perf_counter(), time.process_time()
    found = read_folder(open_folder(folder))
    return {
        "seconds": time.perf_counter() - began,
        "cpu_seconds": time.process_time() - cpu,
        "peak_gb": _peak_gb(),
        "imports_gb": before,
        "users": len(found.users),
        "items": len(found.catalog),
        "events": len(found.items_N),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if flags.measure:
        sys.stdout.write(json.dumps(measure(flags.measure)))
        return
    size = {"events": flags.events, "users": flags.users, "items": flags.items}
    for kind, shards in (("integers", 0), ("strings", 0), ("strings", _SHARDS)):
        with tempfile.TemporaryDirectory() as scratch:
            write_log(Path(scratch), **size, kind=kind, shards=shards)
            command = [sys.executable, "-m", "tests.bench.data", "--measure", scratch]
            found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        sys.stdout.write(
            f"{found['events']:,} events, {found['users']:,} users, {found['items']:,} items; {kind}, "
            f"{f'{shards} shards' if shards else 'one file'}: {found['seconds']:.1f} s, "
            f"{found['cpu_seconds']:.1f} s of CPU, peak {found['peak_gb']:.2f} GB "
            f"({found['imports_gb']:.2f} GB before)\n"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main()
