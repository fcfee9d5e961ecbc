"""What checkpoints cost a training, and what it costs to continue from one: `make bench-checkpoint`.

Cost: the CPU seconds that a checkpoint takes, over the seconds between two by default. Stretches of steps during which
one is copied and written are measured in turn with as many steps during which none is, on a usual catalog and on a
large one, with one thread and checkpoints on this machine's disk. Of all of the process's threads, which is what
training loses where it has but one core; and of the training thread alone, which is what it loses where there is
another. What else runs on the machine is not in these figures.

Continuing: seconds from the start of a process (imports, data and all) to its first new step, after the one before it
was killed. What else runs is in these, but not in the CPU seconds beside them. Medians are shown, with the range.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import torch
from train.checkpoint import Cadence, Checkpoints
from train.data import Sequences
from train.fitting import new_model
from train.log import Log
from train.loop import TrainingLoop
from train.main import parser as trainer_flags
from train.presets import resolve
from train.presets import statistics as data_statistics
from train.storage import LocalFolder
from train.synthetic_shop import ShopSize, make_shop

from tests.bench.processes import cpu_seconds
from tests.unit.train.examples import job_environment

_EVENTS_OF_A_USER = 12
_FEWEST_STEPS = 20
_FIRST_STEP = "first step of this process"


class Cost(NamedTuple):
    """Of checkpoints of so many bytes: CPU seconds of each, in the whole process and in the training thread."""

    size: int
    process: list[float]
    thread: list[float]

    def between(self, cadence_seconds: float) -> float:
        """Seconds between two checkpoints: more than asked for, where they would cost too much."""
        seconds = 0.0
        written_in = statistics.median(self.process)
        cadence = Cadence(
            seconds=cadence_seconds, steps=0, step=0, clock=lambda: seconds, written_in=lambda: written_in
        )
        while not cadence.is_due(0):
            seconds += 1
        return seconds


def generated(*, users: int, items: int) -> Sequences:
    """Histories of Zipf's law: what is learned from them decides nothing about time."""
    random = np.random.default_rng(0)
    items_N = (random.zipf(1.3, users * _EVENTS_OF_A_USER) - 1) % items
    return Sequences(
        users=pa.array([f"u{user:08d}" for user in range(users)]),
        catalog=pa.array([f"i{item:08d}" for item in range(items)]),
        items_N=items_N.astype(np.int32),
        offsets_U1=np.arange(users + 1) * _EVENTS_OF_A_USER,
        times_N=np.tile(np.arange(_EVENTS_OF_A_USER), users),
        fingerprint="generated",
    )


def cost(folder: Path, sequences: Sequences, *, repeats: int) -> Cost:
    settings = resolve(data_statistics(sequences), {})
    with (folder / "log").open("w") as lines:
        log = Log(run_id="bench", request_id="", experiment="", stream=lines)
        loop = TrainingLoop(new_model(sequences, settings, None), sequences, settings, log=log)
        checkpoints = Checkpoints(LocalFolder(str(folder / "checkpoints")), warn=log.warning)
        taken = [_taken(loop, checkpoints) for _ in range(repeats + 1)][1:]  # the first allocates its memory
        checkpoints.flush()
    size = max(file.stat().st_size for file in (folder / "checkpoints").glob("step-*"))
    process, thread = (list(seconds) for seconds in zip(*taken, strict=True))
    return Cost(size, process, thread)


def _taken(loop: TrainingLoop, checkpoints: Checkpoints) -> tuple[float, float]:
    """CPU seconds of process and thread that as many steps take longer with a checkpoint than without."""
    marks = [(time.process_time(), time.thread_time())]
    checkpoints.save(loop.state(), step=loop.progress.step, identity={})
    steps = 0
    while checkpoints.is_writing or steps < _FEWEST_STEPS:
        _step(loop)
        steps += 1
    marks.append((time.process_time(), time.thread_time()))
    for _ in range(steps):
        _step(loop)
    marks.append((time.process_time(), time.thread_time()))
    process, thread = ((middle - first) - (last - middle) for first, middle, last in zip(*marks, strict=True))
    return process, thread


def _step(loop: TrainingLoop) -> None:
    loop._advance_epoch()
    loop._step()


def continuing(folder: Path, *, repeats: int) -> list[tuple[float, float]]:
    """From a process's start to its first new step, after one that was killed: seconds, and CPU seconds."""
    make_shop(folder / "staging", seed=0, size=ShopSize(users=4_000, items=2_000, events=100_000))
    seconds = []
    _until_killed(folder, "checkpoint stored", fewest_steps=1)
    for _ in range(repeats):
        seconds.append(_until_killed(folder, _FIRST_STEP, fewest_steps=2))
        _until_killed(folder, "checkpoint stored", fewest_steps=2)
    return seconds


def _until_killed(folder: Path, message: str, *, fewest_steps: int) -> tuple[float, float]:
    """Runs a training until it says something at so late a step, kills it, and tells what that took."""
    begun = time.perf_counter()
    environment = {**os.environ, **job_environment(folder), "PYTHONPATH": os.pathsep.join(sys.path)}
    flags = ["--max-epochs", "1000", "--checkpoint-seconds", "0.2"]
    command = [sys.executable, "-m", "train.main", *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            for line in process.stdout or ():
                told = json.loads(line)
                if told.get("message") == message and told["step"] >= fewest_steps:
                    return time.perf_counter() - begun, cpu_seconds(process.pid)
        finally:
            process.send_signal(signal.SIGKILL)
    raise RuntimeError(f"the training ended with {process.returncode} before it said {message!r}")


def _words(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.3f} s ({min(seconds):.3f} to {max(seconds):.3f})"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.checkpoint", description=__doc__)
    parser.add_argument("--items", type=int, nargs="*", default=[12_000, 1_000_000], help="(default: %(default)s)")
    parser.add_argument("--users", type=int, default=50_000, help="(default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=11, help="of each measurement (default: %(default)s)")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    by_default = trainer_flags().parse_args([]).checkpoint_seconds
    with tempfile.TemporaryDirectory(prefix="bench-checkpoint-") as folder:
        for items in asked.items:
            place = Path(folder) / str(items)
            place.mkdir()
            found = cost(place, generated(users=asked.users, items=items), repeats=asked.repeats)
            between = found.between(by_default)
            sys.stdout.write(
                f"{items:,} items: a checkpoint of {found.size / 1e6:,.0f} MB takes {_words(found.process)} of CPU, of "
                f"which {_words(found.thread)} in the training thread; at one in {between:.0f} s that is "
                f"{statistics.median(found.process) / between:.2%} of one core and "
                f"{statistics.median(found.thread) / between:.2%} of the training thread\n"
            )
            sys.stdout.flush()
        place = Path(folder) / "continuing"
        place.mkdir()
        seconds, cpu = (list(each) for each in zip(*continuing(place, repeats=asked.repeats), strict=True))
        sys.stdout.write(f"from a process's start to its first new step: {_words(seconds)}, of CPU {_words(cpu)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
