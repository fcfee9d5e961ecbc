"""`python -m tests.chaos --kills 200 --seed 1`: the same seed chooses the same kills in the same order."""

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.chaos.kills import KILLS
from tests.chaos.lab import Lab


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Kill, restart, and count the losses.")
    parser.add_argument("--kills", type=int, default=200, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the choice and the moments (default: %(default)s)")
    options = parser.parse_args(argv)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        problems, told = run(Path(folder), kills=options.kills, seed=options.seed, tell=sys.stdout.write)
    for line in [*told, *(f"PROBLEM {problem}" for problem in problems)]:
        sys.stdout.write(f"{line}\n")
    verdict = f"{len(problems)} problems" if problems else "nothing lost, no orphan, every run in a final state"
    sys.stdout.write(f"{options.kills} kills, seed {options.seed}, {time.monotonic() - began:.0f} s: {verdict}\n")
    return 1 if problems else 0


def run(folder: Path, *, kills: int, seed: int, tell: Callable[[str], object]) -> tuple[list[str], list[str]]:
    """What is wrong after so many kills, and what was done."""
    lab = Lab(folder, seed)
    lab.begin()
    problems: list[str] = []
    counts: Counter[str] = Counter()
    try:
        for number in range(kills):
            victim = list(KILLS)[number] if number < len(KILLS) else lab.random.choice(list(KILLS))
            counts[victim] += 1
            found = KILLS[victim](lab) + lab.ledger.losses(lab.cloud, newest=5)
            problems += [f"kill {number + 1} ({victim}): {problem}" for problem in found]
            tell(f"{number + 1}: {victim}{' FOUND ' + '; '.join(found) if found else ''}\n")
        problems += lab.unfinished(120) + lab.ledger.losses(lab.cloud)
        told = [
            "kills: " + ", ".join(f"{count} of {victim}" for victim, count in sorted(counts.items())),
            "ended: " + ", ".join(f"{count} {state}" for state, count in lab.states().items()),
            f"acknowledged and there: {len(lab.ledger.objects)} objects, {len(lab.ledger.rows)} rows",
        ]
    finally:
        lab.cloud.stop()
    return problems + [f"orphan {line}" for line in lab.orphans()], told


if __name__ == "__main__":
    sys.exit(main())
