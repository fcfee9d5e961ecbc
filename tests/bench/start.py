"""`make bench-start`: how long a job takes until its own code runs with torch imported, warm against cold.

Warm is a job on a persistent resource, forked from a process that has torch; cold is the same job on demand, in a fresh
interpreter; beside them a fresh interpreter alone that imports torch. The clock runs from the request to create the job
to the first statement after the import. Prints the medians, draws them, and fails where warm is not fast enough.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench.plot import strip_chart
from tests.contract.cloud_process import CloudProcess

PARENT = "projects/acme-recsys/locations/europe-west1"
IMAGE = "europe-west1-docker.pkg.dev/acme-recsys/training/trainer@sha256:" + "a" * 64
MACHINE = {"machineType": "n1-standard-8"}
MODULE = "import torch\nimport time\nprint(time.time())\n"
MOST_WARM_SECONDS = 0.150
LEAST_RATIO = 20.0


def main(argv: list[str] | None = None) -> int:
    options = _parser().parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="bench-start-") as folder:
        seconds = measure(Path(folder), options.runs)
    medians = {name: statistics.median(found) for name, found in seconds.items()}
    warm, fresh = medians["warm job on a pool"], medians["fresh interpreter alone"]
    for name, median in medians.items():
        sys.stdout.write(f"{name:26} median of {options.runs}: {median * 1000:8.1f} ms\n")
    sys.stdout.write(f"{'a fresh interpreter takes':26} {fresh / warm:.0f} times as long as a warm start\n")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(strip_chart(seconds, title="Until a job's code runs with torch imported (ms, log scale)"))
    sys.stdout.write(f"drawn in {options.out}\n")
    return 0 if warm < MOST_WARM_SECONDS and fresh / warm >= LEAST_RATIO else 1


def measure(folder: Path, runs: int) -> dict[str, list[float]]:
    """The seconds of each start, by kind; the kinds take turns, so that a busy moment strikes all of them."""
    cloud = CloudProcess(folder / "cloud").start()
    try:
        _prepare(cloud, folder / "code")
        kinds: dict[str, Callable[[], float]] = {
            "warm job on a pool": lambda: job_start(cloud, persistentResourceId="warm"),
            "cold job on demand": lambda: job_start(cloud),
            "fresh interpreter alone": fresh_interpreter,
        }
        for start in kinds.values():
            start()  # files in the page cache, the warm process ready
        turns = [[start() for start in kinds.values()] for _ in range(runs)]
        return dict(zip(kinds, map(list, zip(*turns, strict=True)), strict=True))
    finally:
        cloud.stop()


def job_start(cloud: CloudProcess, **spec: str) -> float:
    """Seconds from the request to create a job to the first statement after its import of torch."""
    container = {"imageUri": IMAGE, "command": ["python", "-m", "starts"]}
    pool = {"machineSpec": MACHINE, "replicaCount": "1", "containerSpec": container}
    body = {"displayName": "start", "jobSpec": {"workerPoolSpecs": [pool], **spec}}
    began = time.time()
    name = cloud.json("POST", f"/v1/{PARENT}/customJobs", body)["name"]
    while "endTime" not in (job := cloud.json("GET", f"/v1/{name}")):
        time.sleep(0.05)
    if job["state"] != "JOB_STATE_SUCCEEDED":
        raise RuntimeError(f"{name} is {job['state']}: {job.get('error')}")
    task = f'resource.labels.job_id="{name.rsplit("/", 1)[-1]}" AND resource.labels.task_name="workerpool0-0"'
    entries = cloud.json("POST", "/v2/entries:list", {"resourceNames": ["projects/acme-recsys"], "filter": task})
    return float(entries["entries"][0]["textPayload"]) - began


def fresh_interpreter() -> float:
    began = time.time()
    told = subprocess.run([sys.executable, "-c", MODULE], check=True, capture_output=True, text=True).stdout
    return float(told) - began


def _prepare(cloud: CloudProcess, code: Path) -> None:
    code.mkdir()
    (code / "starts.py").write_text(MODULE)
    runtime = {"interpreter": sys.executable, "workdir": str(code), "preload": ["torch"]}
    cloud.json("PUT", "/_local/images", {"image": IMAGE, "runtime": runtime})
    pool = {"machineSpec": MACHINE, "replicaCount": "1"}
    cloud.json("POST", f"/v1/{PARENT}/persistentResources?persistentResourceId=warm", {"resourcePools": [pool]})
    cloud.json("POST", f"/_local/aiplatform/{PARENT}/persistentResources/warm:warm", {"image": IMAGE})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.start", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=20, help="starts of each kind (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path(".local/bench/start.svg"), help="the picture (%(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
