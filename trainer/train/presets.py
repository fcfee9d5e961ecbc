"""What to train with, chosen from the data's own statistics; flags override single values.

Owns: every default of training and the rule that picks it. Does not own: the time that is left, which the training loop
plans by.
"""

import argparse
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from train.data import Sequences
from train.problems import Problem, refuse_if


class Settings(BaseModel):
    """A training run's settings, resolved."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    window: int
    dropout: float
    layers: int
    learning_rate: float
    members: int = 1
    width: int = 64
    heads: int = 1
    recency_slope: float = 0.3
    weight_decay: float = 0.0
    batch_tokens: int = 2048
    negatives: int = 0  # drawn uniformly for each step's softmax; 0: the softmax is over the whole catalog
    table_learning_rate: float = 0.05  # of the rows of a catalog that is sampled
    warmup_steps: int = 50
    average_decay: float = 0.99
    max_epochs: int = 60
    patience_epochs: float = 10.0
    validation_users: int = 4000
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


def preset(data: Statistics) -> dict[str, Any]:
    """The values that depend on the data."""
    dense = data.events_per_item >= 30
    return {
        "window": 20 if dense else 50,
        "dropout": 0.2,
        "layers": 2 if dense else 1,
        "learning_rate": 0.002 if dense else 0.005,
    }


def resolve(data: Statistics, overrides: dict[str, Any]) -> Settings:
    """The preset with the flags that were given."""
    asked = {key: value for key, value in overrides.items() if value is not None}
    settings = Settings(**{**preset(data), **asked})
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
