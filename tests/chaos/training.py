"""Kills of the trainer, seeded: `python -m tests.chaos.training --kills 100 --seed 1` (`make chaos-train`).

A training is killed again and again until it ends, and then its weights must be those of one that nobody touched, bit
for bit; whatever was said to be stored must be what the next process continues from. Kills are SIGKILL or SIGTERM, at
random moments or at a random touch of the checkpoint's files, as a write, a rename or a removal is about to happen.
Every other training keeps its checkpoints in a bucket of a local cloud, and is also killed as a request is being sent.

Owns: the kills and what must be true after them. Processes are forked from this one, which has torch imported: what a
resumed one costs is measured from its first line to the moment that it has continued, without the imports.
"""

import argparse
import json
import os
import random
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import google.cloud.storage  # noqa: F401 - imported once, before processes are forked
import torch
import torch._dynamo  # its optimizers would import it at their first use
from train import main as trainer
from train.synthetic_shop import ShopSize, make_shop

from tests.contract.cloud_process import CloudProcess
from tests.unit.train.examples import job_environment

FLAGS = ["--max-epochs", "12", "--width", "16", "--layers", "1", "--batch-tokens", "256", "--no-export"]
FLAGS += ["--checkpoint-steps", "10"]
_BUCKET = "trainings"
_TOUCHES = ("open", "os.rename", "os.remove")


class Attempt(NamedTuple):
    """How a process of a training ended, and what it said."""

    status: int  # below 0: the signal
    lines: list[dict[str, Any]]

    def steps(self, message: str) -> list[int]:
        return [line["step"] for line in self.lines if line.get("message") == message]


class Training:
    """One RUN_ID, and what was stored in its name."""

    def __init__(self, folder: Path, name: str, cloud: CloudProcess | None) -> None:
        self.folder, self.name, self._cloud = folder, name, cloud
        self.stored = 0
        self.attempts = 0

    def attempt(self, victim: Callable[[], None] | None, *, after: float = 0.0, number: int = 0) -> Attempt:
        """A process that ends by itself, by what `victim` does in it, or by a signal after some seconds."""
        self.attempts += 1
        log = self.folder / f"{self.name}-{self.attempts}.log"
        pid = os.fork()
        if not pid:
            self._work(log, victim)
        if number:
            time.sleep(after)
            os.kill(pid, number)
        _, status = os.waitpid(pid, 0)
        lines = [json.loads(line) for line in log.read_text().splitlines() if line.endswith("}")]
        return Attempt(os.waitstatus_to_exitcode(status), lines)

    def problems_after(self, attempt: Attempt, *, number: int) -> list[str]:
        """What is wrong with how a process ended and where it had continued from."""
        problems = []
        stored = attempt.steps("checkpoint stored")
        resumed = max(attempt.steps("resumed"), default=0)
        if resumed < self.stored and (stored or attempt.status == 0):  # else it was killed before it could continue
            problems.append(f"{self.name}: step {self.stored} was stored, and step {resumed} was continued from")
        self.stored = max([self.stored, *stored])
        allowed = {0, -signal.SIGKILL} if number == signal.SIGKILL else {0, 143, -signal.SIGTERM}
        if attempt.status not in (allowed if number else {0}):
            problems.append(f"{self.name}: ended with {attempt.status}: {attempt.lines[-1:]}")
        return problems

    def weights(self) -> dict[str, torch.Tensor]:
        return torch.load(self.folder / "models" / self.name / "weights.pt", weights_only=True)

    def checkpoints(self) -> str:
        return f"gs://{_BUCKET}/checkpoints" if self._cloud else str(self.folder / "checkpoints")

    def _work(self, log: Path, victim: Callable[[], None] | None) -> None:
        """In the child. It never returns."""
        changes = {"RUN_ID": self.name, "CHECKPOINT_DIR": self.checkpoints(), "NO_GCE_CHECK": "true"}
        os.environ.update(job_environment(self.folder, **changes))
        if self._cloud:
            os.environ["STORAGE_EMULATOR_HOST"] = self._cloud.url
        with log.open("w") as out:
            os.dup2(out.fileno(), 1)
        if victim:
            victim()
        os._exit(trainer.main(FLAGS))


def at_a_touch(place: str, count: int, number: int) -> Callable[[], None]:
    """The process is ended at its n-th touch of files whose path holds `place`, or at a request it sends."""

    def install() -> None:
        left = [count]

        def heard(event: str, arguments: tuple[Any, ...]) -> None:
            if (event in _TOUCHES and place in str(arguments[0])) or event == "http.client.send":
                left[0] -= 1
                if not left[0]:
                    os.kill(os.getpid(), number)

        sys.addaudithook(heard)

    return install


def run(folder: Path, *, kills: int, seed: int, tell: Callable[[str], object]) -> tuple[list[str], list[str]]:
    """What is wrong after so many kills, and what was done."""
    torch.set_num_threads(1)
    chosen = random.Random(seed)
    make_shop(folder / "staging", seed=2, size=ShopSize(users=400, items=150, events=6_000))
    cloud = CloudProcess(folder / "cloud", iam="audit").start()
    try:
        cloud.json("POST", "/storage/v1/b?project=my-project", {"name": _BUCKET})
        return _trainings(folder, cloud, kills=kills, chosen=chosen, tell=tell)
    finally:
        cloud.stop()


def _trainings(
    folder: Path, cloud: CloudProcess, *, kills: int, chosen: random.Random, tell: Callable[[str], object]
) -> tuple[list[str], list[str]]:
    begun = time.monotonic()
    untouched = Training(folder, "untouched", None)
    problems = untouched.problems_after(untouched.attempt(None), number=0)
    seconds = time.monotonic() - begun
    counts: Counter[str] = Counter()
    overheads: list[float] = []
    trainings = 0
    while sum(counts.values()) < kills:
        trainings += 1
        training = Training(folder, f"run-{trainings}", cloud if trainings % 2 == 0 else None)
        found = _one(training, seconds, kills, chosen, counts, overheads)
        if not found and not _same(training.weights(), untouched.weights()):
            found = [f"{training.name}: its weights are not those of the untouched run"]
        problems += found
        shutil.rmtree(folder / "models" / training.name, ignore_errors=True)
        tell(f"{training.name}: {training.attempts} processes{' FOUND ' + '; '.join(found) if found else ''}\n")
    told = [
        "kills: " + ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())),
        f"{trainings} trainings, each ended with the weights of the untouched run"
        if not problems
        else f"{trainings} trainings",
    ]
    if overheads:
        told.append(
            f"from a process's first line until it has continued: median {statistics.median(overheads):.2f} s, "
            f"longest {max(overheads):.2f} s"
        )
    return problems, told


def _one(
    training: Training,
    seconds: float,
    kills: int,
    chosen: random.Random,
    counts: Counter[str],
    overheads: list[float],
) -> list[str]:
    """Kills a training at most six times, and lets it end."""
    problems: list[str] = []
    planned = min(chosen.randint(3, 6), kills - sum(counts.values()))
    for _ in range(planned):
        number = chosen.choice((signal.SIGKILL, signal.SIGTERM))
        if chosen.random() < 0.5:
            kind = f"{number.name} at a random moment"
            attempt = training.attempt(None, after=chosen.uniform(0.05, 0.6) * seconds, number=number)
        else:
            kind = f"{number.name} amid a write"
            attempt = training.attempt(at_a_touch(training.name, chosen.randint(3, 60), number))
        problems += training.problems_after(attempt, number=number)
        if attempt.status == 0:
            break  # it had ended before
        counts[kind] += 1
    overheads += _overhead(attempt := training.attempt(None))
    return problems + training.problems_after(attempt, number=0)


def _overhead(attempt: Attempt) -> list[float]:
    """Seconds between the first line of a resumed process and what it says when it has continued."""
    resumed = [line["time"] for line in attempt.lines if line.get("message") == "resumed"]
    return [_seconds(resumed[0]) - _seconds(attempt.lines[0]["time"])] if resumed else []


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()


def _same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos.training", description="Kill the trainer, count losses."
    )
    parser.add_argument("--kills", type=int, default=100, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the choice and the moments (default: %(default)s)")
    options = parser.parse_args(argv)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="chaos-train-") as folder:
        problems, told = run(Path(folder), kills=options.kills, seed=options.seed, tell=sys.stdout.write)
    for line in [*told, *(f"PROBLEM {problem}" for problem in problems)]:
        sys.stdout.write(f"{line}\n")
    verdict = f"{len(problems)} problems" if problems else "no checkpoint lost, every bit the same"
    sys.stdout.write(f"{options.kills} kills, seed {options.seed}, {time.monotonic() - begun:.0f} s: {verdict}\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
