"""The latency of one request to a serving bundle: a catalog of 100,000 items, one core, over HTTP.

Every request has another history; the server is the bundle's own program in a process of its own. The model is not
trained: its weights decide nothing about time.
"""

import argparse
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from train.export import write_bundle
from train.model import SHAPES, ModelConfig, NextItemModel
from train.presets import Settings
from train.storage import open_folder

_WARM_UP = 20
_START_SECONDS = 120
_HISTORY = 50


def bundle(folder: Path, *, items: int) -> list[str]:
    """A bundle of a model of the default shape; its catalog."""
    torch.manual_seed(0)
    settings = Settings(window=_HISTORY, dropout=0.2, layers=2, learning_rate=0.001)
    shape = {name: getattr(settings, name) for name in SHAPES}
    model = NextItemModel(ModelConfig(items=items, **shape))
    catalog = [f"i{item:07d}" for item in range(items)]
    counts_V = np.random.default_rng(0).zipf(1.5, items)
    model.start_from_popularity(counts_V)
    write_bundle(open_folder(str(folder)), model=model, catalog=pa.array(catalog), counts_V=counts_V, run_id="bench")
    return catalog


def ask(connection: http.client.HTTPConnection, history: list[str]) -> float:
    """Seconds of one request on a connection that stays open, as those of an endpoint's front do."""
    body = json.dumps({"instances": [{"history": history, "k": 10}]})
    began = time.perf_counter()
    connection.request("POST", "/predict", body, {"content-type": "application/json"})
    answer = json.loads(connection.getresponse().read())
    seconds = time.perf_counter() - began
    if len(answer["predictions"][0]["items"]) != 10:
        raise RuntimeError(f"the server answered {answer!r}")
    return seconds


def wait(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError(f"the server did not listen at port {port}: it ended with {server.poll()}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def cpu_seconds(pid: int) -> float:
    """What a process has used of its core."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def measure(folder: Path, catalog: list[str], requests: int) -> tuple[list[float], float]:
    """Seconds of each request, one after another; mean CPU seconds of the server for one."""
    random, port = np.random.default_rng(1), free_port()
    command = [sys.executable, "serve.py", "--host", "127.0.0.1", "--threads", "1"]
    cores = sorted(os.sched_getaffinity(0))
    server = subprocess.Popen(command, cwd=folder, env=os.environ | {"AIP_HTTP_PORT": str(port)})
    try:
        os.sched_setaffinity(server.pid, {cores[0]})
        wait(port, server)
        histories = [
            [catalog[item] for item in random.integers(0, len(catalog), random.integers(1, 2 * _HISTORY))]
            for _ in range(_WARM_UP + requests)
        ]
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_START_SECONDS)
        for history in histories[:_WARM_UP]:
            ask(connection, history)
        before = cpu_seconds(server.pid)
        seconds = [ask(connection, history) for history in histories[_WARM_UP:]]
        return seconds, (cpu_seconds(server.pid) - before) / requests
    finally:
        server.terminate()
        server.wait(timeout=_START_SECONDS)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.serve", description=__doc__)
    parser.add_argument("--items", type=int, default=100_000, help="of the catalog (default: %(default)s)")
    parser.add_argument("--requests", type=int, default=300, help="to measure (default: %(default)s)")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-serve-") as folder:
        catalog = bundle(Path(folder), items=asked.items)
        seconds, used = measure(Path(folder), catalog, asked.requests)
    cuts = statistics.quantiles(seconds, n=100)
    sys.stdout.write(
        f"{asked.items:,} items, {asked.requests} requests one after another, one core: "
        f"p50 {cuts[49] * 1000:.2f} ms, p95 {cuts[94] * 1000:.2f} ms, p99 {cuts[98] * 1000:.2f} ms "
        f"({used * 1000:.2f} ms of the core)\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
