"""What a second rank is worth on one machine: targets learned in a second on data of MovieLens 1M's size,
`python -m tests.bench.ranks`. Ranks are processes of one thread each, and take their parts of the same global batches.
"""

import json
import sys
import time
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from train.batches import Batches
from train.data import Sequences, sequences
from train.learner import learner_of
from train.model import SHAPES, ModelConfig, NextItemModel
from train.presets import resolve, statistics
from train.ranks import Ranks

from tests.unit.train.several import on_ranks

_USERS, _ITEMS, _EVENTS = 6_040, 3_400, 1_000_000
_SETTINGS = {"window": 50, "width": 64, "layers": 2, "dropout": 0.2, "members": 1, "negatives": 0}
_UNTIMED_STEPS, _STEPS = 10, 60
_LONGEST_SECONDS = 600


def history() -> Sequences:
    """Random events of as many users and items as MovieLens 1M has: speed depends on sizes alone."""
    random = np.random.default_rng(0)
    users = np.sort(random.integers(0, _USERS, _EVENTS))
    items = (random.beta(0.7, 3.0, _EVENTS) * _ITEMS).astype(np.int64)
    table = pa.table(
        {
            "user_id": pa.array(users).cast(pa.string()),
            "item_id": pa.array(items).cast(pa.string()),
            "timestamp": np.arange(_EVENTS),
        }
    )
    return sequences(table, fingerprint="random", subject="bench")


def speed(ranks: Ranks, *, data: Sequences, threads: int, batch_tokens: int) -> dict[str, Any]:
    """Targets a second of all ranks together, by the clock and by the seconds of their cores."""
    torch.set_num_threads(threads)
    settings = resolve(statistics(data), {**_SETTINGS, "batch_tokens": batch_tokens})
    shape = {name: getattr(settings, name) for name in SHAPES}
    model = NextItemModel(ModelConfig(items=len(data.catalog), feature_sizes=(), **shape))
    learner = learner_of(model, settings, counts_V=data.train_counts_V, ranks=ranks)
    batches = Batches(data, window=settings.window, tokens=settings.batch_tokens, seed=0)
    epoch, targets, begun, cores = batches.epoch(0), 0, 0.0, 0.0
    model.train()
    for step in range(_UNTIMED_STEPS + _STEPS):
        if step == _UNTIMED_STEPS:
            ranks.total(0.0)
            begun, cores = time.monotonic(), time.process_time()
        batch = batches.batch(epoch, step)
        learner.step(batch, share=1.0)
        targets += len(batch.targets_T) if step >= _UNTIMED_STEPS else 0
    core_seconds = ranks.total(time.process_time() - cores)
    seconds = time.monotonic() - begun
    return {
        "ranks": ranks.size,
        "threads": threads,
        "batch_tokens": batch_tokens,
        "targets_per_second": round(targets / seconds),
        "targets_per_core_second": round(targets / core_seconds),
        "cores_in_use": round(core_seconds / seconds, 2),
    }


def main() -> int:
    data = history()
    for batch_tokens in (2048, 8192):
        for ranks, threads in ((1, 1), (2, 1), (1, 2)):
            work = partial(speed, data=data, threads=threads, batch_tokens=batch_tokens)
            sys.stdout.write(json.dumps(on_ranks(ranks, work, seconds=_LONGEST_SECONDS)[0]) + "\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
