"""Which runs a data set gets, and one of them: started in its environment, one after another, its result kept.

Owns: processes and what surrounds them (one thread, no bytecode forbidden, no settings of the shell). Does not own: the
run itself (worker.py).
"""

import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from train.data import Sequences

from tests.bench.train.contestants import FLOOR, OURS, PEERS_PYTHON, ROOT, Contestant, trainer_commit, version
from tests.bench.train.results import Key

_THREADS = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")
# Their large tensors would else be mapped and unmapped in each step.
_KEEP_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "20000000000", "MALLOC_TOP_PAD_": "100000000"}


class Run(NamedTuple):
    contestant: Contestant
    cap_seconds: float
    seed: int


def planned(
    contestants: Sequence[Contestant], *, budgets: Sequence[float], cap_seconds: float, seeds: Sequence[int]
) -> list[Run]:
    """Ours with every budget (CPU-minutes) and seed, the others with the cap and the first seed: cheap ones first,
    networks last.
    """
    ours = [
        Run(each, minutes * 60, seed)
        for seed in seeds
        for minutes in budgets
        for each in contestants
        if each.kind == OURS
    ]
    others = [Run(each, cap_seconds, seeds[0]) for each in reversed(contestants) if each.kind != OURS]
    return [
        *(run for run in others if run.contestant.kind == FLOOR),
        *ours,
        *(run for run in others if run.contestant.kind != FLOOR),
    ]


def key(run: Run, sequences: Sequences) -> Key:
    contestant = run.contestant
    return Key(
        sequences.fingerprint, contestant.name, version(contestant), contestant.recipe, run.cap_seconds, run.seed
    )


def result(run: Run, sequences: Sequences, data: Path) -> dict[str, Any]:
    """Raises RuntimeError with the end of what the process said where it fails."""
    with tempfile.TemporaryDirectory(prefix="bench-train-") as folder:
        output = Path(folder) / "result.json"
        done = subprocess.run(
            command(run, data, output), cwd=ROOT, env=environment(run), capture_output=True, text=True, check=False
        )
        if done.returncode or not output.exists():
            said = done.stderr.strip()[-1000:]
            raise RuntimeError(f"{run.contestant.name!r} on {data.name!r} ended with {done.returncode}: {said}")
        found = json.loads(output.read_text())
    return {
        **key(run, sequences)._asdict(),
        "kind": run.contestant.kind,
        "data": data.name,
        "interactions": len(sequences.items_N),
        "users": len(sequences.users),
        "items": len(sequences.catalog),
        "date": datetime.now(UTC).date().isoformat(),
        "commit": trainer_commit(),
        "machine": machine(),
        **found,
    }


def command(run: Run, data: Path, output: Path) -> list[str]:
    python = str(PEERS_PYTHON) if run.contestant.apart else sys.executable
    module = [python, "-m", "tests.bench.train.worker", "--trainer", run.contestant.trainer, "--data", str(data)]
    return [*module, "--seed", str(run.seed), "--cap-seconds", str(run.cap_seconds), "--output", str(output)]


def environment(run: Run) -> dict[str, str]:
    """That of this process, with one thread and our sources."""
    favour = {} if run.contestant.kind == OURS else _KEEP_MEMORY
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {
        **kept,
        **_THREADS,
        **favour,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'trainer'}",
        "CUDA_VISIBLE_DEVICES": "",
    }


def machine() -> str:
    """The processor's name, where it can be told, and its cores."""
    found = re.search(r"^model name\s*: (.*)$", _processors(), re.MULTILINE)
    return f"{found[1] if found else platform.machine()}, {os.cpu_count()} cores"


def _processors() -> str:
    file = Path("/proc/cpuinfo")
    return file.read_text() if file.exists() else ""
