"""Ratings files of the public data sets as the trainer's parquet: `python -m train.import_ratings FILE --out FOLDER`.

Owns: MovieLens and Amazon files (dat, csv, tsv, json lines; plain or gzipped), their columns, header and time unit,
found out and said. Does not own: cleaning beyond refusing what cannot be read; the pipeline validates what it loads.
"""

# pyright: reportAttributeAccessIssue=false

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc  # its functions are made at run time
import pyarrow.parquet as pq

from train.item_features import ITEMS_FILE
from train.problems import EXIT_REFUSED, Problem, Refused, refuse_if
from train.ratings_files import Layout, item_table, read_ratings
from train.shards import INTERACTIONS_FILE

_MICROSECONDS = {"seconds": 1_000_000, "milliseconds": 1_000, "microseconds": 1, "nanoseconds": 0.001}
# The median decides, by the pipeline's bounds: 1e8 seconds is 1973, and each unit is a thousandth of the one before.
_BOUNDS = ((1e8, "order"), (1e11, "seconds"), (1e14, "milliseconds"), (1e17, "microseconds"))
_USUAL_SECONDS, _LATEST_SECONDS = 631_152_000, 4_102_444_800  # 1990, 2100


def import_ratings(file: Path, folder: Path, *, layout: Layout, time_unit: str, items: Path | None) -> list[str]:
    """Writes interactions.parquet (and items.parquet where an items file is known) and returns what was found out, in
    words.
    """
    ratings, said = read_ratings(file, layout)
    rows = [] if ratings.num_rows else [Problem("FILE", str(file), "has a header and no rows", "Download it again")]
    refuse_if("import", rows)
    times, unit = in_microseconds(ratings["timestamp"], time_unit)
    if unit == "order":
        said.append("time: plain numbers that are no dates; kept as they are, only their order counts")
        column: pa.ChunkedArray | pa.Array = times
    else:
        first, last = pc.min_max(times).values()
        said.append(f"time: {unit} since 1970, from {_day(first.as_py())} to {_day(last.as_py())}")
        column = times.cast(pa.timestamp("us", tz="UTC"))
    columns = {"user_id": ratings["user_id"], "item_id": ratings["item_id"], "timestamp": column}
    if "rating" in ratings.column_names:
        columns["rating"] = ratings["rating"]
    table = pa.table(columns)
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / INTERACTIONS_FILE)
    users, catalog = (len(pc.unique(table[name])) for name in ("user_id", "item_id"))
    said.append(
        f"written: {table.num_rows} interactions of {users} users with {catalog} items to {folder / INTERACTIONS_FILE}"
    )
    found = item_table(file, items)
    if found is not None:
        pq.write_table(found, folder / ITEMS_FILE)
        said.append(f"written: {found.num_rows} items ({', '.join(found.column_names[1:])}) to {folder / ITEMS_FILE}")
    return said


def in_microseconds(times: pa.ChunkedArray, asked: str) -> tuple[pa.ChunkedArray, str]:
    """Times as int64 microseconds since 1970 and the unit that they were in; "order" leaves them as they are.

    Numbers whose median is too small for a time since 1970 are ordinals. Refuses a file that mixes units.
    """
    median = pc.approximate_median(times).as_py()
    unit = asked if asked != "auto" else next((name for bound, name in _BOUNDS if median < bound), "nanoseconds")
    refuse_if("import", _mixed_units(times, unit))
    if unit == "order":
        return pc.floor(times).cast(pa.int64()), unit
    scaled = pc.multiply(times.cast(pa.float64()), float(_MICROSECONDS[unit]))
    if pa.types.is_integer(times.type) and _MICROSECONDS[unit] >= 1:
        scaled = pc.multiply(times.cast(pa.int64()), int(_MICROSECONDS[unit]))
    return pc.floor(scaled).cast(pa.int64()) if pa.types.is_floating(scaled.type) else scaled, unit


def _mixed_units(times: pa.ChunkedArray, unit: str) -> list[Problem]:
    """Rows that lie after 2100 in the column's unit, or far too early and in the usual years of a coarser one."""
    numbers = times.cast(pa.float64())

    def between(low: float, high: float) -> pa.ChunkedArray:
        return pc.and_(pc.greater_equal(numbers, low), pc.less(numbers, high))

    finest = 1e9 if unit == "order" else 1e6 / _MICROSECONDS[unit]
    wrong = between(_USUAL_SECONDS if unit == "order" else _LATEST_SECONDS * finest, float("inf"))
    for factor in _MICROSECONDS.values():
        a_second = 1e6 / factor
        if unit != "order" and a_second < finest:
            wrong = pc.or_(wrong, between(_USUAL_SECONDS * a_second, _LATEST_SECONDS * a_second))
    places = pc.indices_nonzero(wrong)
    if not len(places):
        return []
    shown = ", ".join(str(place + 1) for place in places.slice(0, 5).to_pylist())
    most = "plain numbers" if unit == "order" else f"{unit} since 1970"
    rule = f"the file mixes units of time: most are {most}; see data row {shown}"
    return [Problem("timestamp", times[places[0].as_py()].as_py(), rule, "Write all times in one unit", len(places))]


def _day(microseconds: int) -> str:
    return pa.scalar(microseconds, pa.timestamp("us")).as_py().date().isoformat()


def main(argv: Sequence[str] | None = None) -> int:
    asked = _parser().parse_args(argv)
    layout = Layout(
        user=asked.user,
        item=asked.item,
        time=asked.time,
        rating=asked.rating,
        delimiter=asked.delimiter,
        header={"auto": None, "yes": True, "no": False}[asked.header],
    )
    try:
        refuse_if(
            "import", _missing_file(asked.file, "FILE") + (_missing_file(asked.items, "--items") if asked.items else [])
        )
        said = import_ratings(asked.file, asked.out, layout=layout, time_unit=asked.time_unit, items=asked.items)
    except Refused as refused:
        sys.stderr.write(f"{refused}\n")
        return EXIT_REFUSED
    sys.stdout.write("".join(f"{line}\n" for line in said))
    return 0


def _missing_file(file: Path, flag: str) -> list[Problem]:
    if file.is_file():
        return []
    return [Problem(flag, str(file), "is no file", "Name a ratings file, plain or .gz")]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m train.import_ratings",
        description="Turn a ratings file into interactions.parquet. What no flag says is found out.",
    )
    parser.add_argument(
        "file",
        type=Path,
        help="u.data, ratings.dat, ratings.csv, Amazon csv or json lines; plain or .gz",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write into")
    parser.add_argument("--user", help="column of the user: a name, or a number counted from 1")
    parser.add_argument("--item", help="column of the item")
    parser.add_argument("--time", help="column of the time")
    parser.add_argument("--rating", help="column of the rating; 'none' leaves it out")
    parser.add_argument("--delimiter", help="for example ',' or '::' or '\\t'")
    parser.add_argument("--header", choices=("auto", "yes", "no"), default="auto")
    parser.add_argument("--time-unit", choices=("auto", *_MICROSECONDS, "order"), default="auto")
    parser.add_argument("--items", type=Path, help="items file (default: movies.dat, movies.csv or u.item beside FILE)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
