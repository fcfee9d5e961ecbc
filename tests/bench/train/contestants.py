"""Who is compared: each trainer's kind, recipe, version, and where it runs.

Owns: the list, and the key under which a result is kept. Does not own: how any of them trains (one module each) or what
is measured (points.py). A recipe is what the trainer's own documents recommend for data of this kind, not our search.
"""

import re
import subprocess
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[3]
PEERS_PYTHON = ROOT / ".peers" / "bin" / "python"
_PEERS_LOCK, _OWN_LOCK = "requirements/peers.txt", "requirements/dev.txt"

OURS, NEURAL, FACTORS, FLOOR = "ours", "neural", "factors", "floor"


class Contestant(NamedTuple):
    """`trainer` is a function (module:name) of a Task, in this package."""

    name: str
    kind: str
    trainer: str
    recipe: str
    package: str = ""  # "": what it runs is this repository's
    apart: bool = False  # whether it needs the peers' environment


CONTESTANTS = (
    Contestant("this trainer", OURS, "ours:train", "what its preset chooses for the data and the budget"),
    Contestant(
        "RecTools SASRec",
        NEURAL,
        "rectools_sasrec:train",
        "softmax over the catalog, width 64, 2 blocks, 1 head, dropout 0.2, window 50, 128 users a step, Adam 0.001",
        package="rectools",
        apart=True,
    ),
    Contestant(
        "RecTools SASRec, sampled",
        NEURAL,
        "rectools_sasrec:train_sampled",
        "sampled softmax of 256 negatives, width 64, 1 block, 1 head, dropout 0.2, window 50, 128 users a step, "
        "Adam 0.001",
        package="rectools",
        apart=True,
    ),
    Contestant(
        "RecBole SASRec",
        NEURAL,
        "recbole_sasrec:train",
        "its defaults (cross-entropy, every prefix a row, width 64, 2 layers, 2 heads, dropout 0.5, window 50, "
        "Adam 0.001) but for 256 rows a step: with 2,048 it takes too few steps on a core to learn",
        package="recbole",
        apart=True,
    ),
    Contestant(
        "SASRec, binary loss",
        NEURAL,
        "binary_sasrec:train",
        "ours, in the style of pmixer's: one negative an event, width 50, 2 blocks, 1 head, dropout 0.2, window 50, "
        "128 users a step, Adam 0.001",
        package="torch",
        apart=True,
    ),
    Contestant(
        "implicit ALS",
        FACTORS,
        "factors:train_als",
        "128 factors, regularisation 0.01, alpha 1, up to 30 iterations; the history gives a user's factors anew",
        package="implicit",
    ),
    Contestant(
        "implicit BPR",
        FACTORS,
        "factors:train_bpr",
        "128 factors, learning rate 0.01, regularisation 0.01, up to 1,000 iterations",
        package="implicit",
    ),
    Contestant("EASE", FLOOR, "closed_forms:ease", "ours; regularisation 750, 150 or 30, as validation chooses"),
    Contestant("item-kNN", FLOOR, "closed_forms:neighbours", "ours; cosine, 50 neighbours"),
    Contestant("first-order Markov", FLOOR, "closed_forms:markov", "ours; popularity backs off"),
    Contestant("most popular", FLOOR, "closed_forms:popular", "ours"),
)


def named(names: list[str]) -> list[Contestant]:
    """Those asked for, all where none is. Raises LookupError on a name that is not there."""
    unknown = sorted(set(names) - {each.name for each in CONTESTANTS})
    if unknown:
        known = ", ".join(repr(each.name) for each in CONTESTANTS)
        raise LookupError(f"--only = {unknown!r}: there is no such contestant. Name some of {known}")
    return [each for each in CONTESTANTS if not names or each.name in names]


def version(contestant: Contestant) -> str:
    """The package's pinned version, or the last commit of the trainer's sources."""
    if not contestant.package:
        return trainer_commit()
    return pinned(ROOT / (_PEERS_LOCK if contestant.apart else _OWN_LOCK), contestant.package)


def pinned(lock: Path, package: str) -> str:
    """The version of a package in a lock file. Raises LookupError where it has none."""
    found = re.search(rf"^{re.escape(package)}==(\S+)", lock.read_text(), re.MULTILINE)
    if not found:
        raise LookupError(f"{package!r} is not pinned in {lock}. Run: make lock")
    return found[1]


def trainer_commit() -> str:
    """The last commit that changed the trainer; "-changed" where files of it are not committed."""

    def git(*arguments: str) -> str:
        command = ["git", *arguments, "--", "trainer/train"]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()

    return git("log", "-1", "--format=%h") + ("-changed" if git("status", "--porcelain") else "")
