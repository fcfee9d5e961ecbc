"""Models without a network, the trainer's own baselines: floors of quality."""

from train.baselines import Markov, Popularity
from train.linear_baselines import Ease, ItemNeighbours

from tests.bench.train.points import Task

# The dense matrix of all pairs, and what solving it takes besides.
MOST_EASE_ITEMS = 25_000


def popular(task: Task) -> None:
    task.offer(Popularity(task.sequences), judge=True)


def markov(task: Task) -> None:
    task.offer(Markov(task.sequences), judge=True)


def neighbours(task: Task) -> None:
    task.offer(ItemNeighbours(task.sequences), judge=True)


def ease(task: Task) -> None:
    """Raises ValueError for a catalog whose matrix is too large."""
    size = len(task.sequences.catalog)
    if size > MOST_EASE_ITEMS:
        raise ValueError(f"{size:,} items: EASE is solved for {MOST_EASE_ITEMS:,} at most. Leave it out by --only")
    for regularisation in (750.0, 150.0, 30.0):
        task.offer(Ease(task.sequences, regularisation=regularisation), judge=True)
