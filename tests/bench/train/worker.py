"""One training run in a process of its own: `python -m tests.bench.train.worker`, which runs.py starts in the
environment that the contestant needs.

Owns: one thread, a hard limit, and what is told at the end. Reading the data and importing libraries are not counted.
"""

import argparse
import contextlib
import importlib
import json
import resource
import sys
from pathlib import Path

import torch
from train.data import read_folder
from train.storage import open_folder

from tests.bench.train.points import Enough, Points, Task

_MOST_OVER_CAP = 4  # judging is not counted, but it does end


def run(trainer: str, data: Path, *, seed: int, cap_seconds: float) -> dict[str, object]:
    """A result without what says whose it is. Raises RuntimeError where no model was offered."""
    torch.set_num_threads(1)
    module, name = trainer.split(":")
    train = getattr(importlib.import_module(f"tests.bench.train.{module}"), name)
    sequences = read_folder(open_folder(str(data)))
    points = Points(sequences, cap_seconds=cap_seconds)
    told = {}
    with contextlib.suppress(Enough):
        told = train(Task(data, sequences, seed, cap_seconds, points.offer)) or {}
    points.close()
    if not points.found:
        raise RuntimeError(f"{trainer!r} offered no model")
    return {
        "points": points.found,
        "ended": points.ended,
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
        **told,
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.train.worker", description=__doc__)
    parser.add_argument("--trainer", required=True, help="module:function of this package")
    parser.add_argument("--data", required=True, type=Path, help="folder with interactions.parquet")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cap-seconds", type=float, required=True, help="CPU seconds of training")
    parser.add_argument("--output", type=Path, required=True, help="file for the result")
    asked = parser.parse_args()
    limit = int(asked.cap_seconds * _MOST_OVER_CAP) + 600
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
    with contextlib.redirect_stdout(sys.stderr):
        found = run(asked.trainer, asked.data.resolve(), seed=asked.seed, cap_seconds=asked.cap_seconds)
    asked.output.write_text(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
