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


def month(folder: Path, *, size: ShopSize, seed: int, days: int, fresh_every: int, flags: list[str]) -> list[dict]:
    """A row for each day: both models' test ndcg@10 and CPU-minutes."""
    make_shop(folder / "shop", seed=seed, size=size)
    events = pq.read_table(folder / "shop" / "interactions.parquet")
    end = int(np.asarray(events["timestamp"]).max()) + 1
    first = train(folder, cut(events, end - days * _DAY_SECONDS, folder / "day-00"), "warm-00", [])
    rows = []
    print(
        f"day 0: {first['interactions']} events, {first['metrics']['ndcg@10']:.4f}, {first['cpu_minutes']:.2f} CPU-minutes"
    )
    for day in range(1, days + 1):
        data = cut(events, end - (days - day) * _DAY_SECONDS, folder / f"day-{day:02d}")
        champion = ["--warm-start", str(folder / "models" / f"warm-{day - 1:02d}")]
        found = {"warm": train(folder, data, f"warm-{day:02d}", [*champion, *flags])}
        if day % fresh_every == 0:
            found["fresh"] = train(folder, data, f"fresh-{day:02d}", [])
        row = {"day": day, "events": found["warm"]["interactions"]}
        for name, summary in found.items():
            row[name] = {"ndcg@10": summary["metrics"]["ndcg@10"], "cpu_minutes": summary["cpu_minutes"]}
        rows.append(row)
        print(json.dumps(row), flush=True)
    return rows


def summary(rows: list[dict]) -> str:
    both = [row for row in rows if "fresh" in row]
    quality = {name: np.mean([row[name]["ndcg@10"] for row in both]) for name in ("warm", "fresh")}
    cost = {name: np.mean([row[name]["cpu_minutes"] for row in both]) for name in ("warm", "fresh")}
    return (
        f"{len(both)} days: ndcg@10 warm {quality['warm']:.4f}, fresh {quality['fresh']:.4f}; CPU-minutes a day warm "
        f"{cost['warm']:.2f}, fresh {cost['fresh']:.2f}: warm reaches {quality['warm'] / quality['fresh']:.1%} of the "
        f"quality for {cost['warm'] / cost['fresh']:.1%} of the cost"
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.warm", description=__doc__)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--fresh-every", type=int, default=5, help="days between models trained from nothing")
    parser.add_argument("--users", type=int, default=2_000)
    parser.add_argument("--items", type=int, default=800)
    parser.add_argument("--events", type=int, default=40_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", default="auto", help="auto, warm, fine-tune")
    asked, more = parser.parse_known_args()
    size = ShopSize(asked.users, asked.items, asked.events)
    with tempfile.TemporaryDirectory(prefix="bench-warm-") as folder:
        rows = month(
            Path(folder),
            size=size,
            seed=asked.seed,
            days=asked.days,
            fresh_every=asked.fresh_every,
            flags=["--start", asked.start, *more],
        )
    print(summary(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
