"""What to train with, chosen from the data's own statistics and the time that is given; flags override single values.

A short run must learn fast and forgets nothing; a long one overfits unless it drops more, and has time for several
members. So the rule first asks how many passes over the data one network could make, from the data's size and speeds
that were measured, never from the clock: a run that is started again gets the same settings. The measurements are in
docs/trainer.md.

Owns: every default of training and the rule that picks it. Does not own: the time that is left, which the training loop
plans by.
"""

import argparse
import math
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from train.data import Sequences
from train.problems import Problem, refuse_if


class Settings(BaseModel):
    """A training run's settings, resolved."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    window: int
    members: int
    dropout: float
    layers: int
    learning_rate: float
    negatives: int  # drawn uniformly for each step's softmax; 0: the softmax is over the whole catalog
    max_epochs: int
    validation_users: int
    width: int = 64
    heads: int = 1
    recency_slope: float = 0.3
    weight_decay: float = 0.0
    batch_tokens: int = 2048  # of all ranks together
    accumulate: int = 1  # parts that a rank learns one after the other before a step: less memory, the same step
    table_learning_rate: float = 0.05  # of the rows of a catalog that is sampled
    warmup_steps: int = 50
    average_decay: float = 0.99
    patience_epochs: float = 10.0
    seed: int = 0


class Statistics(BaseModel):
    """The numbers of a data set that decide."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    users: int
    items: int
    interactions: int
    targets: int
    median_length: float
    events_per_item: float


def statistics(sequences: Sequences) -> Statistics:
    return Statistics(
        users=len(sequences.users),
        items=len(sequences.catalog),
        interactions=len(sequences.items_N),
        targets=int(np.maximum(sequences.train_lengths_U - 1, 0).sum()),
        median_length=float(np.median(sequences.train_lengths_U)),
        events_per_item=float(sequences.is_train_N.sum() / len(sequences.catalog)),
    )


# Seconds that one target costs one core (width 64, one layer): the network, and each item that is scored.
_NETWORK_SECONDS, _ITEM_SECONDS = 15e-6, 4.8e-9
# Above this many items a step over all of them costs ten times what a sample of the same quality does.
_LARGEST_SCORED_WHOLE = 60_000
_NEGATIVES = 2048
_MOST_MEMBERS = 4
_EPOCHS_OF_A_MEMBER = 15
_VALIDATION_SCORES = 1e9


def preset(data: Statistics, *, core_seconds: float = math.inf) -> dict[str, Any]:
    """The values that depend on the data and on the time of one core, or what is as fast, that training may take."""
    dense = data.events_per_item >= 30
    is_sampled = data.items > _LARGEST_SCORED_WHOLE
    epochs = core_seconds / epoch_seconds(data)
    members = int(min(_MOST_MEMBERS, max(1.0, epochs / _EPOCHS_OF_A_MEMBER))) if not (dense or is_sampled) else 1
    return {
        "window": 20 if dense else 50,
        "members": members,
        "dropout": 0.2 if dense else _dropout(epochs / members),
        "layers": 2 if dense else 1,
        "learning_rate": 0.002 if dense else 0.005,
        "negatives": _NEGATIVES if is_sampled else 0,
        "max_epochs": 60 if dense else 40,
        "validation_users": int(min(4000, max(200, _VALIDATION_SCORES / data.items))),
    }


def epoch_seconds(data: Statistics) -> float:
    """About how long one core takes to pass over the data once with one member."""
    scored = data.items if data.items <= _LARGEST_SCORED_WHOLE else 2 * _NEGATIVES
    return max(1, data.targets) * (_NETWORK_SECONDS + scored * _ITEM_SECONDS)


def _dropout(epochs: float) -> float:
    """The more often a target is seen, the more of the network must be dropped for it not to be learned by heart."""
    return 0.2 if epochs < 9 else 0.3 if epochs < 25 else 0.4


def resolve(data: Statistics, overrides: dict[str, Any], *, core_seconds: float = math.inf) -> Settings:
    """The preset with the flags that were given."""
    asked = {key: value for key, value in overrides.items() if value is not None}
    settings = Settings(**{**preset(data, core_seconds=core_seconds), **asked})
    refuse_if("settings", _problems(settings))
    return settings


MOST_THREADS = 4096
_RANGES = {
    "window": (1, 10_000),
    "dropout": (0.0, 0.95),
    "layers": (1, 64),
    "members": (1, 64),
    "width": (4, 4096),
    "heads": (1, 64),
    "learning_rate": (1e-7, 1.0),
    "batch_tokens": (1, 10_000_000),
    "accumulate": (1, 10_000),
    "negatives": (0, 10_000_000),
    "table_learning_rate": (1e-7, 10.0),
    "max_epochs": (1, 1_000_000),
    "validation_users": (1, 1_000_000_000),
    "weight_decay": (0.0, 1.0),
    "recency_slope": (0.0, 100.0),
    "average_decay": (0.0, 0.999_999),
    "warmup_steps": (0, 1_000_000),
    "patience_epochs": (0.0, 1_000_000.0),
    "seed": (0, 2**32 - 1),
}


def _problems(settings: Settings) -> list[Problem]:
    problems = []
    for name, (low, high) in _RANGES.items():
        value = getattr(settings, name)
        if not low <= value <= high:
            flag = f"--{name.replace('_', '-')}"
            problems.append(
                Problem(flag, value, f"must lie between {low} and {high}", "Leave it out for the preset's value")
            )
    if settings.width % settings.heads:
        rule = f"must divide the width {settings.width}"
        problems.append(Problem("--heads", settings.heads, rule, "Choose 1, 2 or 4"))
    return problems


def add_flags(parser: argparse.ArgumentParser) -> None:
    """A flag for each setting; none has a default here, since the preset decides."""
    group = parser.add_argument_group("model and training (default: chosen from the data)")
    for name, field in Settings.model_fields.items():
        kind = int if field.annotation is int else float
        group.add_argument(f"--{name.replace('_', '-')}", type=kind, dest=name)
