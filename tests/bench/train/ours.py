"""This trainer by its own rule: `python -m train.main --max-minutes N` with a clock of CPU time, nothing else set.

What it costs is all that it does: reading, planning, training, its own validation, ranking the test items, storing.
"""

import contextlib
import io
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from train import main as trainer
from train.artifacts import read_model
from train.metrics import PRIMARY
from train.storage import open_folder

from tests.bench.train.points import Enough, Task, cpu_seconds

_NAMES = {
    "PROJECT_ID": "bench-train",
    "REGION": "us-central1",
    "ARTIFACT_BUCKET": "bench",
    "EXPERIMENT_NAME": "bench-train",
    "DATASET_RECSYS": "recsys_logs",
    "DATASET_DRIFT": "drift",
    "REQUESTS_TABLE": "recsys_logs.requests",
    "FEEDBACK_TABLE": "recsys_logs.feedback",
    "DRIFT_TABLE": "drift.hourly",
    "RUN_ID": "run",
}
_CHOICES = ("members", "layers", "dropout", "width", "learning_rate", "window")


def train(task: Task) -> dict[str, Any]:
    """Raises RuntimeError with the end of the log where the job fails."""
    with tempfile.TemporaryDirectory(prefix="bench-train-") as folder:
        os.environ.update(_NAMES, STAGING_PREFIX=str(task.data), MODEL_DIR=folder, CHECKPOINT_DIR=folder)
        log = io.StringIO()
        flags = [
            "--no-export",
            "--device",
            "cpu",
            "--seed",
            str(task.seed),
            "--max-minutes",
            str(task.cap_seconds / 60),
        ]
        with contextlib.redirect_stdout(log):
            code = trainer.main(flags, clock=cpu_seconds)
        if code:
            raise RuntimeError(f"the job ended with {code}: {log.getvalue()[-500:]}")
        told = json.loads((Path(folder) / "run" / "training.json").read_text())
        model, _ = read_model(open_folder(f"{folder}/run"))
    with contextlib.suppress(Enough):  # it has ended by itself
        task.offer(model.scores, judge=True)
    course = [[round(point["seconds"], 1), round(point["metrics"][PRIMARY], 5)] for point in told["curve"]]
    chosen = {name: told["settings"][name] for name in _CHOICES}
    return {"settings": chosen, "stopped_by": told["stopped_by"], "course_of_validation": course}
