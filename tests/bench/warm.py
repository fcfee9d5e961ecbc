"""What warm start is worth: a month of daily increments of a generated shop, `python -m tests.bench.warm`.

The shop's last month arrives day by day. Each day one model starts from the model of the day before, and on some days
another is trained from nothing on the same data; both choose their own settings and stop by themselves. Each job is a
process of its own, forked from this one so that imports cost neither; CPU-minutes are what the job itself reports.
"""

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from train import main as trainer
from train.synthetic_shop import ShopSize, make_shop

_DAY_SECONDS = 86_400
_ENVIRONMENT = {
    "PROJECT_ID": "bench-warm",
    "REGION": "us-central1",
    "ARTIFACT_BUCKET": "bench",
    "EXPERIMENT_NAME": "bench-warm",
    "DATASET_RECSYS": "recsys_logs",
    "DATASET_DRIFT": "drift",
    "REQUESTS_TABLE": "recsys_logs.requests",
    "FEEDBACK_TABLE": "recsys_logs.feedback",
    "DRIFT_TABLE": "drift.hourly",
}


def train(folder: Path, data: Path, run_id: str, flags: list[str]) -> dict[str, Any]:
    """The job's training.json. Raises RuntimeError where it failed."""

    def job() -> None:
        os.environ.update(_ENVIRONMENT, STAGING_PREFIX=str(data), MODEL_DIR=str(folder / "models"), RUN_ID=run_id)
        os.environ["CHECKPOINT_DIR"] = str(folder / "checkpoints")
        with (folder / f"{run_id}.log").open("w") as log:
            sys.stdout = log
            code = trainer.main(["--no-export", *flags])
        os._exit(code)

    process = multiprocessing.get_context("fork").Process(target=job)
    process.start()
    process.join()
    if process.exitcode:
        raise RuntimeError(
            f"run_id = {run_id!r} ended with {process.exitcode}: {(folder / f'{run_id}.log').read_text()[-500:]}"
        )
    return json.loads((folder / "models" / run_id / "training.json").read_text())


def cut(events: pa.Table, until: int, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(events.filter(pc.less(events["timestamp"], until)), folder / "interactions.parquet")
    return folder


def live(
    folder: Path, *, size: ShopSize, seed: int, days: int, step: int, fresh_every: int, flags: list[str]
) -> Iterator[dict[str, Any]]:
    """A row for each increment: the models' test ndcg@10 and CPU-minutes. Day 0 has the first model alone."""
    make_shop(folder / "shop", seed=seed, size=size)
    events = pq.read_table(folder / "shop" / "interactions.parquet")
    end = int(np.asarray(events["timestamp"]).max()) + 1
    for day in range(0, days + 1, step):
        data = cut(events, end - (days - day) * _DAY_SECONDS, folder / f"day-{day:03d}")
        before = folder / "models" / f"warm-{day - step:03d}"
        kinds = {"warm": ["--warm-start", str(before), *flags]} if day else {}
        kinds |= {"fresh": []} if day % (fresh_every * step) == 0 else {}
        row: dict[str, Any] = {"day": day}
        for kind, given in kinds.items():
            run_id = f"{kind if day else 'warm'}-{day:03d}"
            told = train(folder, data, run_id, given)
            row["events"] = told["interactions"]
            row[kind] = {"ndcg@10": told["metrics"]["ndcg@10"], "cpu_minutes": told["cpu_minutes"]}
            row[kind]["start"] = told["start"]["mode"]
        yield row


def summary(rows: list[dict[str, Any]]) -> str:
    """The means over the days that have both; day 0 is not counted."""
    both = [row for row in rows if "fresh" in row and "warm" in row]
    if not both:
        return "no day has both models: lower --fresh-every"
    mean = {
        (kind, name): float(np.mean([row[kind][name] for row in both]))
        for kind in ("warm", "fresh")
        for name in ("ndcg@10", "cpu_minutes")
    }
    return (
        f"{len(both)} days: ndcg@10 warm {mean['warm', 'ndcg@10']:.4f}, fresh {mean['fresh', 'ndcg@10']:.4f}; "
        f"CPU-minutes warm {mean['warm', 'cpu_minutes']:.3f}, fresh {mean['fresh', 'cpu_minutes']:.3f}. "
        f"Warm start gives {mean['warm', 'ndcg@10'] / mean['fresh', 'ndcg@10']:.1%} of the quality for "
        f"{mean['warm', 'cpu_minutes'] / mean['fresh', 'cpu_minutes']:.1%} of the cost"
    )


def main() -> int:
    size = ShopSize(users=2_000, items=800, events=40_000)
    parser = argparse.ArgumentParser(prog="python -m tests.bench.warm", description=__doc__)
    parser.add_argument("--days", type=int, default=30, help="(default: %(default)s)")
    parser.add_argument("--step", type=int, default=1, help="days of an increment (default: %(default)s)")
    parser.add_argument("--fresh-every", type=int, default=5, help="increments between fresh models (%(default)s)")
    parser.add_argument("--users", type=int, default=size.users, help="of the shop (default: %(default)s)")
    parser.add_argument("--items", type=int, default=size.items, help="of the shop (default: %(default)s)")
    parser.add_argument("--events", type=int, default=size.events, help="of the shop (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the shop (default: %(default)s)")
    parser.add_argument("--start", default="auto", help="auto, warm or fine-tune (default: %(default)s)")
    asked = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(prefix="bench-warm-") as folder:
        for row in live(
            Path(folder),
            size=ShopSize(asked.users, asked.items, asked.events),
            seed=asked.seed,
            days=asked.days,
            step=asked.step,
            fresh_every=asked.fresh_every,
            flags=["--start", asked.start],
        ):
            rows.append(row)
            sys.stdout.write(json.dumps(row) + "\n")
            sys.stdout.flush()
    sys.stdout.write(summary(rows) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
