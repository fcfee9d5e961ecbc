"""Our trainer and others on one data set: `python -m tests.bench.train --data folder`.

Runs what results.jsonl does not have yet, one after another, and writes docs/peers.md and docs/peers.svg from all that
it has. Ended at any moment, it goes on with the run that was cut off.
"""

import argparse
import sys
from pathlib import Path

from train.data import Sequences, read_folder
from train.problems import Refused
from train.shards import INTERACTIONS_FILE
from train.storage import open_folder

from tests.bench.train import results
from tests.bench.train.chart import chart
from tests.bench.train.contestants import PEERS_PYTHON, ROOT, Contestant, named
from tests.bench.train.runs import Run, key, planned, result
from tests.bench.train.table import document


def need_their_environment(contestants: list[Contestant]) -> None:
    """Raises LookupError where it is needed and not there."""
    if any(each.apart for each in contestants) and not PEERS_PYTHON.exists():
        fix = "Run: make bench-train, which makes it"
        raise LookupError(f"{PEERS_PYTHON} is not there: the others have an environment of their own. {fix}")


def read(data: Path) -> Sequences:
    """Raises LookupError where the folder has no events, Refused where they cannot be read."""
    if not (data / INTERACTIONS_FILE).is_file():
        rule = f"there is no {INTERACTIONS_FILE} in it"
        raise LookupError(f"--data = {str(data)!r}: {rule}. Name a folder that holds one: make bench-train DATA=folder")
    return read_folder(open_folder(str(data)))


def missing(runs: list[Run], sequences: Sequences, file: Path) -> list[Run]:
    """Those without a result in the file."""
    there = {results.key_of(each) for each in results.read(file)}
    return [run for run in runs if key(run, sequences) not in there]


def write(file: Path, folder: Path) -> None:
    """The page and its picture."""
    found = results.read(file)
    if found:
        (folder / "peers.md").write_text(document(found, picture="peers.svg"))
        (folder / "peers.svg").write_text(chart(found))


def run_all(runs: list[Run], sequences: Sequences, data: Path, *, file: Path) -> int:
    """How many failed; each failure is told and the others are run."""
    failed = 0
    for number, run in enumerate(runs, start=1):
        name = f"{run.contestant.name}, {run.cap_seconds / 60:g} CPU-minutes, seed {run.seed}"
        sys.stdout.write(f"{data.name}: {number} of {len(runs)}: {name}\n")
        sys.stdout.flush()
        try:
            results.append(file, result(run, sequences, data))
        except RuntimeError as error:
            failed += 1
            sys.stderr.write(f"{error}\n")
    return failed


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m tests.bench.train", description=__doc__)
    made.add_argument("--data", type=Path, help="folder with interactions.parquet; without it only the page is written")
    made.add_argument("--only", nargs="+", default=[], metavar="NAME", help="contestants to run (default: all)")
    made.add_argument(
        "--budgets",
        nargs="+",
        type=float,
        default=[0.5, 1, 2, 4, 10],
        help="CPU-minutes of ours (default: %(default)s)",
    )
    made.add_argument(
        "--cap-seconds", type=float, default=600.0, help="CPU seconds of each other (default: %(default)s)"
    )
    made.add_argument(
        "--seeds", nargs="+", type=int, default=[0], help="of ours; the others get the first (%(default)s)"
    )
    made.add_argument(
        "--results", type=Path, default=results.RESULTS, help="file of the results (default: %(default)s)"
    )
    made.add_argument("--page", type=Path, default=ROOT / "docs", help="folder of the page (default: %(default)s)")
    return made


def main(argv: list[str] | None = None) -> int:
    asked = parser().parse_args(argv)
    try:
        contestants = named(asked.only)
        results.read(asked.results)
        need_their_environment(contestants)
        data = asked.data.resolve() if asked.data else None
        sequences = read(data) if data else None
    except (LookupError, ValueError, Refused) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    failed = 0
    if data and sequences:
        runs = planned(contestants, budgets=asked.budgets, cap_seconds=asked.cap_seconds, seeds=asked.seeds)
        failed = run_all(missing(runs, sequences, asked.results), sequences, data, file=asked.results)
    write(asked.results, asked.page)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
