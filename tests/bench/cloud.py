"""`make bench-cloud`: how much the local cloud bears on one core, IAM enforced and the access log on.

Small reads from clients in processes of their own on another core; the server's memory meanwhile; thousands of objects
listed through Google's client; jobs that queue for a pool. Prints a table, keeps the figures as JSON and the times as a
picture, and fails, saying which, where a figure misses its target.
"""

import argparse
import json
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.bench import estate
from tests.bench.plot import strip_chart
from tests.bench.processes import cpu_seconds, on_cores, resident_bytes
from tests.bench.readers import Taken, read_all
from tests.contract.cloud_process import CloudProcess

_WARM_UP = 800
_MOST_DOTS = 150
_TURNS = 3
_MOST_WAIT_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Size:
    """How much is asked of the cloud."""

    requests: int = 100_000
    clients: int = 8
    objects: int = 10_000
    jobs: int = 100


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of the table. `met`: whether the value is within its target, None where there is none."""

    name: str
    value: float
    unit: str
    target: str = ""
    met: bool | None = None


def main(argv: list[str] | None = None) -> int:
    options = _parser().parse_args(argv)
    size = Size(options.requests, options.clients, options.objects, options.jobs)
    with tempfile.TemporaryDirectory(prefix="bench-cloud-") as folder:
        figures, seconds = measure(Path(folder), size)
    sys.stdout.write(table(figures))
    _keep(options.out, size, figures, seconds)
    missed = [figure for figure in figures if figure.met is False]
    for figure in missed:
        sys.stdout.write(f"missed: {figure.name} is {figure.value:,.1f} {figure.unit}, {figure.target} is wanted\n")
    return 1 if missed else 0


def measure(folder: Path, size: Size) -> tuple[list[Figure], dict[str, list[float]]]:
    """All figures, and the seconds of the reads by kind."""
    with on_cores(0):
        cloud = CloudProcess(folder / "cloud", iam="enforce").start()
    try:
        with on_cores(1):
            job = estate.furnish(cloud, folder / "code")
            reads, seconds = measure_reads(cloud, job, size)
            return [*reads, *measure_lists(cloud, size), *measure_queue(cloud, size)], seconds
    finally:
        cloud.stop()


def measure_reads(cloud: CloudProcess, job: str, size: Size) -> tuple[list[Figure], dict[str, list[float]]]:
    plans = [estate.reads_of(token, job) for token in estate.readers_of(cloud, size.clients)]
    read_all(cloud.url, plans, min(_WARM_UP, size.requests))
    memory: dict[int, int] = {}
    cpu = cpu_seconds(cloud.pid)
    taken = read_all(cloud.url, plans, size.requests, watch=lambda done: _note(memory, done, cloud.pid, size.requests))
    cpu = cpu_seconds(cloud.pid) - cpu
    return read_figures(taken, memory, cpu), taken.seconds


def read_figures(taken: Taken, memory: dict[int, int], cpu: float) -> list[Figure]:
    every = sorted(each for found in taken.seconds.values() for each in found)
    p99 = every[min(len(every) - 1, int(len(every) * 0.99))] * 1000
    early, late = (memory[key] / 2**20 for key in sorted(memory))
    growth = (late / early - 1) * 100 if early else 0.0
    return [
        Figure("small reads", taken.per_second, "a second", "1,000 or more", taken.per_second >= 1000),
        Figure("their median", statistics.median(every) * 1000, "ms"),
        Figure("their 99th percentile", p99, "ms", "under 50", p99 < 50),
        Figure("server's CPU for 1,000 of them", cpu / len(every) * 1000, "s"),
        Figure("memory after a tenth of them", early, "MiB"),
        Figure("memory's growth until the last", growth, "%", "within 10", growth <= 10),
    ]


def measure_lists(cloud: CloudProcess, size: Size) -> list[Figure]:
    """Objects in a hundred folders, made by the clients' number of threads and listed by Google's client."""
    names = [f"many/{number % 100:02}/{number:06}.txt" for number in range(size.objects)]
    began = time.monotonic()
    with ThreadPoolExecutor(size.clients) as pool:
        list(pool.map(lambda name: estate.put_object(cloud, name, name.encode()), names))
    made = len(names) / (time.monotonic() - began)
    folders = min(100, size.objects)
    cpu = cpu_seconds(cloud.pid)
    whole = _median_seconds(lambda: _list(cloud, size.objects, prefix="many/"))
    cpu = (cpu_seconds(cloud.pid) - cpu) / _TURNS
    rolled = _median_seconds(lambda: _list(cloud, folders, prefix="many/", delimiter="/"))
    part = _median_seconds(lambda: _list(cloud, len(names[7::100]) or 0, prefix="many/07/"))
    return [
        Figure("small objects made", made, "a second"),
        Figure(f"{size.objects:,} objects listed", whole, "s", "under 1", whole < 1),
        Figure("server's CPU for that", cpu, "s"),
        Figure("their folders listed", rolled, "s", "under 1", rolled < 1),
        Figure("one of their folders listed", part, "s", "under 1", part < 1),
    ]


def measure_queue(cloud: CloudProcess, size: Size) -> list[Figure]:
    """Jobs that arrive at once on a pool of two: all must succeed, in their order, never more than the pool holds."""
    began = time.monotonic()
    names = [estate.submit(cloud) for _ in range(size.jobs)]
    submitted = time.monotonic() - began
    jobs = [_ended(cloud, name, began + _MOST_WAIT_SECONDS) for name in names]
    seconds = time.monotonic() - began
    finished = sum(job["state"] == "JOB_STATE_SUCCEEDED" for job in jobs)
    starts = [job["startTime"] for job in jobs if "startTime" in job]
    late = sum(earlier > later for earlier, later in pairwise(starts))
    most = _most_at_once(jobs)
    return [
        Figure("jobs submitted", size.jobs / submitted, "a second"),
        Figure("jobs on a pool of two that succeeded", finished, f"of {size.jobs}", "all", finished == size.jobs),
        Figure("jobs started out of their order", late, "", "none", late == 0),
        Figure("jobs that ran at once", most, "", "at most 2", most <= estate.REPLICAS),
        Figure("until all had ended", seconds, "s"),
    ]


def table(figures: list[Figure]) -> str:
    marks = {True: "met", False: "MISSED", None: ""}
    rows = [f"{f.name:38} {f.value:>10,.2f} {f.unit:10} {f.target:14} {marks[f.met]}".rstrip() for f in figures]
    return "\n".join(rows) + "\n"


def _note(memory: dict[int, int], done: int, pid: int, requests: int) -> None:
    """Remember the server's memory when a tenth of the requests is done, and when all are."""
    for mark in (requests // 10, requests):
        if done >= mark - mark % 8 and mark not in memory:
            memory[mark] = resident_bytes(pid)


def _list(cloud: CloudProcess, expected: int, **options: Any) -> None:
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage
    from google.oauth2.credentials import Credentials

    credentials = Credentials(cloud.token) if cloud.token else AnonymousCredentials()
    client = storage.Client(estate.PROJECT, credentials, client_options={"api_endpoint": cloud.url})
    blobs = client.list_blobs(estate.BUCKET, **options)
    found = sum(1 for _ in blobs) + len(blobs.prefixes)
    if found != expected:
        raise RuntimeError(f"{found} entries were listed with {options}, not {expected}")


def _median_seconds(work: Callable[[], None]) -> float:
    found: list[float] = []
    for _ in range(_TURNS):
        began = time.monotonic()
        work()
        found.append(time.monotonic() - began)
    return statistics.median(found)


def _ended(cloud: CloudProcess, name: str, deadline: float) -> dict[str, Any]:
    while "endTime" not in (job := cloud.json("GET", f"/v1/{name}")) and time.monotonic() < deadline:
        time.sleep(0.05)
    return job


def _most_at_once(jobs: list[dict[str, Any]]) -> int:
    edges = [(job["startTime"], 1) for job in jobs if "startTime" in job]
    edges += [(job["endTime"], -1) for job in jobs if "startTime" in job and "endTime" in job]
    running, most = 0, 0
    for _, change in sorted(edges):
        running += change
        most = max(most, running)
    return most


def _keep(out: Path, size: Size, figures: list[Figure], seconds: dict[str, list[float]]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    document = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "size": asdict(size),
        "figures": [asdict(figure) for figure in figures],
    }
    (out / "cloud.json").write_text(json.dumps(document, indent=2) + "\n")
    dots = {kind: found[:: max(1, len(found) // _MOST_DOTS)] for kind, found in seconds.items()}
    picture = strip_chart(dots, title=f"Small reads from {size.clients} clients, one core (ms, log scale)")
    (out / "cloud.svg").write_text(picture)
    sys.stdout.write(f"kept in {out / 'cloud.json'}, drawn in {out / 'cloud.svg'}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.cloud", description=(__doc__ or "").splitlines()[0])
    size = Size()
    parser.add_argument("--requests", type=int, default=size.requests, help="small reads (default: %(default)s)")
    parser.add_argument("--clients", type=int, default=size.clients, help="processes that read (default: %(default)s)")
    parser.add_argument("--objects", type=int, default=size.objects, help="objects to list (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=size.jobs, help="jobs that queue (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path(".local/bench"), help="folder of the results (%(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
