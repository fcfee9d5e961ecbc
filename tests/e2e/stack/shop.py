"""Tiny data sets with a pattern that can be learnt."""

import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

_START = 1_600_000_000


def events(users: int, *, first_user: int = 0, each: int = 15) -> pa.Table:
    """Every user walks through the items with a stride of his own; `each` events a user, in order of time."""
    draw = random.Random(users)
    rows, time = [], _START
    for step in range(each):
        for user in range(users):
            time += draw.randint(1, 500)
            rows.append((first_user + user, (7 * user + step * (3 + user % 4)) % 30, time, float(draw.randint(1, 5))))
    names = ("user_id", "item_id", "timestamp", "rating")
    return pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))


def write(folder: Path, table: pa.Table) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / "interactions.parquet")
    return folder


def write_dat(file: Path, table: pa.Table) -> Path:
    """As MovieLens writes ratings.dat."""
    rows = (table[name].to_pylist() for name in ("user_id", "item_id", "rating", "timestamp"))
    file.write_text("".join(f"{u}::{i}::{r:.0f}::{t}\n" for u, i, r, t in zip(*rows, strict=True)))
    return file
