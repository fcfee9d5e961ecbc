"""What a run will need, before it starts: memory of the host and of one accelerator, and seconds of one core.

Sizes of weights and counts come from the model itself, built without memory; the rest from what training keeps for each
of them. Owns: that sum, its table, and the refusal of a run that cannot fit. Does not own: what the machine has
(machine.py), the speeds that were measured (presets.py).

Sharding over R ranks: `none` keeps everything on each, `dense` divides the optimizer's state, `table` divides the rows
of the item table and what belongs to them.
"""

from typing import NamedTuple

import torch

from train.data import BYTES_AN_EVENT
from train.model import SHAPES, ModelConfig, NextItemModel
from train.presets import Settings, Statistics, epoch_seconds
from train.problems import Problem
from train.transitions import LAGS, MOST_EVENTS

SHARDINGS = ("none", "dense", "table")
_FLOAT = 4
_PROCESS = 580e6  # python, torch, and what else the trainer imports
_CANDIDATE = 120  # bytes of an earlier event that may have led to one, while transitions are fitted
_ID = 24  # bytes of an id's text, its offset, and its place while ids are sorted
_ACTIVATIONS = 34  # numbers that a layer keeps for each place and each of its width's numbers, gradient included
_LOGITS_AT_ONCE, _SCORES_AT_ONCE = 1 << 20, 1 << 22  # numbers at once in loss.py and in ranking.py
_TABLE_BYTES = {"weights": 1, "gradients": 1, "optimizer": 2, "average": 1, "best": 1}  # copies, full softmax
_SAMPLED_BYTES = {"weights": 1, "gradients": 0, "optimizer": 0, "average": 0, "best": 1}


class Estimate(NamedTuple):
    """Bytes of each part by name, on the host and on the accelerator (empty where the CPU trains), and seconds of one
    core.
    """

    host: dict[str, float]
    accelerator: dict[str, float]
    epoch_core_seconds: float
    most_core_seconds: float

    def described(self) -> dict[str, float]:
        return {
            "host_gb": round(sum(self.host.values()) / 1e9, 3),
            "accelerator_gb": round(sum(self.accelerator.values()) / 1e9, 3),
            "epoch_core_seconds": round(self.epoch_core_seconds, 1),
            "most_core_seconds": round(self.most_core_seconds, 1),
        }


def estimate(
    data: Statistics,
    settings: Settings,
    *,
    on_accelerator: bool = False,
    ranks: int = 1,
    sharding: str = "none",
    feature_sizes: tuple[int, ...] = (),
) -> Estimate:
    """Of one rank of `ranks`."""
    if sharding not in SHARDINGS:
        raise ValueError(f"sharding must be one of {SHARDINGS}, not {sharding!r}")
    training = _training(data, settings, ranks=ranks, sharding=sharding, feature_sizes=feature_sizes)
    state = ("weights", "optimizer", "average", "best")
    ids = (data.users + data.items) * _ID
    host = {
        "process": _PROCESS,
        "events": data.interactions * BYTES_AN_EVENT + ids,
        "transitions": float(min(data.targets, MOST_EVENTS) * LAGS * _CANDIDATE),
        "checkpoint": sum(training[name] for name in state),
    }
    epoch = epoch_seconds(data) * settings.members
    return Estimate(
        host=host if on_accelerator else {**host, **training},
        accelerator=training if on_accelerator else {},
        epoch_core_seconds=epoch / ranks,
        most_core_seconds=epoch * settings.max_epochs / ranks,
    )


def _training(
    data: Statistics, settings: Settings, *, ranks: int, sharding: str, feature_sizes: tuple[int, ...]
) -> dict[str, float]:
    shape = {name: getattr(settings, name) for name in SHAPES}
    with torch.device("meta"):
        model = NextItemModel(ModelConfig(items=data.items, feature_sizes=feature_sizes, **shape))
    table = (model.item_embedding.weight.numel() + data.items) * _FLOAT
    network = sum(part.numel() for part in model.parameters()) * _FLOAT - table
    copies = _SAMPLED_BYTES if settings.negatives else _TABLE_BYTES
    rows = table / ranks if sharding == "table" else table
    parts = {name: rows * copies[name] + network * _TABLE_BYTES[name] for name in copies}
    if settings.negatives:
        drawn = settings.negatives + 2 * settings.batch_tokens
        parts["gradients"] += 3 * min(drawn, data.items) * table / data.items
        parts["optimizer"] += 2 * _FLOAT * data.items  # row-wise: a number for each row
    if sharding == "dense":
        parts["optimizer"] /= ranks
    width = settings.members * settings.width
    scored = min(data.items, settings.negatives or data.items)
    parts["counts"] = float(sum(part.numel() * part.element_size() for part in model.successors.buffers()))
    parts["activations"] = float(
        settings.batch_tokens / (settings.accumulate * ranks) * width * (settings.layers + 1) * _ACTIVATIONS * _FLOAT
    )
    parts["logits"] = 3.0 * _FLOAT * max(_LOGITS_AT_ONCE, 64 * scored)
    parts["evaluation"] = 4.0 * _FLOAT * max(_SCORES_AT_ONCE, data.items)
    return parts


def table(found: Estimate) -> str:
    """The estimate for people: a line for each part, largest first."""
    lines = []
    for place, parts in (("host memory", found.host), ("accelerator memory", found.accelerator)):
        if parts:
            lines.append(f"{place:<24}{sum(parts.values()) / 1e9:>9.2f} GB")
            ordered = sorted(parts.items(), key=lambda part: -part[1])
            lines += [f"  {name:<22}{size / 1e9:>9.2f} GB" for name, size in ordered]
    lines.append(f"{'one pass over the data':<24}{found.epoch_core_seconds:>9.0f} s of one core")
    lines.append(f"{'all passes, at most':<24}{found.most_core_seconds:>9.0f} s of one core")
    return "\n".join(lines) + "\n"


def too_large(found: Estimate, *, host_free: float, accelerator_free: float = 0.0) -> list[Problem]:
    """What does not fit. Events are in memory already, or mapped, when this is asked."""
    needed = {
        "host memory": (sum(found.host.values()) - found.host["events"] - found.host["process"], host_free),
        "accelerator memory": (sum(found.accelerator.values()), accelerator_free),
    }
    fix = "Take a larger machine, a smaller --width, fewer --members, or --negatives where the catalog is scored whole"
    return [
        Problem(place, f"{need / 1e9:.2f} GB", f"only {free / 1e9:.2f} GB are free", fix)
        for place, (need, free) in needed.items()
        if need > free
    ]
