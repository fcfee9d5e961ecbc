"""Data and settings that several tests build on."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from train.data import Sequences, sequences
from train.log import Log
from train.model import ModelConfig
from train.presets import Settings

QUICK = Settings(
    window=8, dropout=0.1, layers=1, learning_rate=0.01, width=16, batch_tokens=256, max_epochs=3, warmup_steps=5
)


def small_config(*, items: int, **changes: Any) -> ModelConfig:
    shape = {"window": 4, "members": 1, "width": 8, "layers": 2, "heads": 1, "dropout": 0.2, "recency_slope": 0.3}
    return ModelConfig(items=items, **{**shape, **changes})


def table_of(histories: Sequence[Sequence[str]]) -> pa.Table:
    """One user a history; time is the place in it."""
    users = [f"u{user:03d}" for user, items in enumerate(histories) for _ in items]
    items = [item for items in histories for item in items]
    times = [time for items in histories for time in range(len(items))]
    return pa.table({"user_id": users, "item_id": items, "timestamp": times})


def sequences_of(histories: Sequence[Sequence[str]]) -> Sequences:
    return sequences(table_of(histories), fingerprint="of-a-test", subject="test")


def random_sequences(*, users: int = 60, items: int = 25, seed: int = 0) -> Sequences:
    """Histories of different length over few items, repeats included."""
    random = np.random.default_rng(seed)
    lengths = random.integers(1, 15, users)
    return sequences_of([[f"i{item:02d}" for item in random.integers(0, items, length)] for length in lengths])


def quiet_log() -> Log:
    return Log(run_id="run", request_id="", experiment="test", stream=io.StringIO())


def job_environment(folder: Path, **changes: str) -> dict[str, str]:
    """A complete environment of the container contract with plain folders; a change to "" removes a name."""
    names = {
        "PROJECT_ID": "my-project",
        "REGION": "us-central1",
        "ARTIFACT_BUCKET": str(folder / "bucket"),
        "STAGING_PREFIX": str(folder / "staging"),
        "EXPERIMENT_NAME": "recsys-test",
        "DATASET_RECSYS": "recsys_logs",
        "DATASET_DRIFT": "drift",
        "REQUESTS_TABLE": "recsys_logs.requests",
        "FEEDBACK_TABLE": "recsys_logs.feedback",
        "DRIFT_TABLE": "drift.hourly",
        "MODEL_DIR": str(folder / "models"),
        "CHECKPOINT_DIR": str(folder / "checkpoints"),
        "RUN_ID": "run-1",
        **changes,
    }
    return {name: value for name, value in names.items() if value}
