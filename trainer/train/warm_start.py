"""Starting from a model that was trained before: the champion's weights on newer data with a grown vocabulary.

Owns: the choice between a fresh start, a warm one and fine-tuning; the settings that follow from it; and carrying
weights over. Does not own: training, or resuming: a checkpoint of the same RUN_ID replaces whatever a run started from.

  fresh      nothing is carried over
  warm       the champion's weights, then all events at a lower rate for fewer epochs
  fine-tune  the same from the newest events alone

Shapes: V items of the catalog, O items of the champion's, E distinct transitions, N events, U users, E width.
"""

# pyright: reportAttributeAccessIssue=false

import argparse
import json
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc  # its functions are made at run time
import torch

from train.artifacts import read_counts, read_model
from train.data import HELD_OUT, SNAPSHOT_FILE, Sequences
from train.model import ModelConfig, NextItemModel
from train.presets import Settings
from train.problems import Problem, Refused, refuse_if
from train.ranking import spans
from train.storage import Folder, open_folder
from train.transitions import transitions

AUTO, FRESH, WARM, FINE_TUNE = "auto", "fresh", "warm", "fine-tune"
FROM_SNAPSHOT = "champion"  # --warm-start: the model that snapshot.json names
ITEM_ROWS = ("item_embedding.weight", "item_bias")
TAG_ROWS = "tag_embedding.weight"  # folded into the items' where a model is stored
# What the data may have gained, as a share of the events to learn from. Measured on a generated shop, 2026-11-24,
# quality and CPU-minutes against fresh models: days of 0.3%: fine-tuned 102% for 12%, warm 99% for 21%; half months of
# 5%: fine-tuned 98% for 16%, warm 99% for 30%; two months of 20%: fine-tuned 91%, warm 96% for 30%.
_MOST_FINE_TUNED = 0.02
_MOST_NEW = 0.1
_FEWEST_KNOWN_ITEMS = 0.5
_NOT_SHAPES = {"items", "feature_sizes", "dropout"}
_NOISE = 0.02
# Shares of the preset's values.
_CHANGES = {
    WARM: {"learning_rate": 0.5, "max_epochs": 0.15, "patience_epochs": 0.2},
    FINE_TUNE: {"learning_rate": 0.25, "max_epochs": 0.15, "patience_epochs": 0.3},
}
_FINE_TUNED_SHARE = 0.25


# The settings of a run on this data that is asked for some of them.
Resolve = Callable[[dict[str, Any]], Settings]


class Champion(NamedTuple):
    """A model that was read, with its vocabulary and how often each item occurred in what it learned."""

    uri: str
    model: NextItemModel
    catalog: pa.StringArray
    counts: int


class Start(NamedTuple):
    """How a run starts, and why."""

    mode: str
    reason: str
    champion: Champion | None = None

    @property
    def uri(self) -> str:
        return self.champion.uri if self.champion else ""

    def described(self) -> dict[str, str]:
        """What training.json says of it."""
        return {"mode": self.mode, "reason": self.reason, "uri": self.uri}


def add_flags(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("continuous training")
    group.add_argument(
        "--warm-start",
        default=FROM_SNAPSHOT,
        metavar="URI",
        help=f"folder of a model to start from (default: '{FROM_SNAPSHOT}', the one that the data's {SNAPSHOT_FILE} "
        "names, if it does; empty: none)",
    )
    group.add_argument(
        "--start",
        choices=(AUTO, FRESH, WARM, FINE_TUNE),
        default=AUTO,
        help="how to use that model (default: chosen from the data)",
    )
    group.add_argument(
        "--learn-newest", type=float, metavar="SHARE", help="learn from this share of the events, the newest, alone"
    )


def flag_problems(flags: argparse.Namespace) -> list[Problem]:
    problems = []
    if flags.learn_newest is not None and not 0 < flags.learn_newest <= 1:
        rule = "must be above 0 and at most 1"
        problems.append(Problem("--learn-newest", flags.learn_newest, rule, "Leave it out to learn from all events"))
    return problems


def plan(flags: argparse.Namespace, sequences: Sequences, data_folder: Folder, resolved: Resolve) -> Start:
    """What the flags ask for, or the better start for this data. A champion that cannot be read, or that is of another
    shape than this run's, counts as none, unless warm or fine-tune was asked for; raises `Refused` then.
    """
    uri = _named_by(data_folder) if flags.warm_start == FROM_SNAPSHOT else flags.warm_start
    if flags.start == FRESH:
        return Start(FRESH, "it was asked for")
    if not uri:
        refuse_if("warm start", _nobody(flags, data_folder))
        return Start(FRESH, "there is no model to start from")
    folder = open_folder(uri)
    try:
        model, catalog = read_model(folder)
        champion = Champion(uri, model, catalog, int(read_counts(folder).sum()))
    except Exception as unreadable:  # whatever it is, a run without it is better than none
        if flags.start != AUTO:
            raise
        why = (
            unreadable.problems[0] if isinstance(unreadable, Refused) else f"{type(unreadable).__name__}: {unreadable}"
        )
        return Start(FRESH, f"the model to start from cannot be read: {why}")
    if flags.start != AUTO:
        return Start(flags.start, "it was asked for", champion)
    mode, reason = choose(champion, sequences, resolved(asked_settings(flags)))
    return Start(mode, reason, champion if mode != FRESH else None)


def asked_settings(flags: argparse.Namespace) -> dict[str, Any]:
    """The settings that flags give; None for the others."""
    return {name: getattr(flags, name) for name in Settings.model_fields}


def _nobody(flags: argparse.Namespace, folder: Folder) -> list[Problem]:
    if flags.start == AUTO:
        return []
    rule = f"needs a model to start from, and {folder.uri} has no {SNAPSHOT_FILE} that names one"
    return [Problem("--start", flags.start, rule, "Name it: --warm-start URI")]


def _named_by(folder: Folder) -> str:
    """The champion's folder as the snapshot of the data names it; "" where it names none."""
    return json.loads(folder.read(SNAPSHOT_FILE) or b"{}").get("champion_uri", "")


def choose(champion: Champion, sequences: Sequences, settings: Settings) -> tuple[str, str]:
    """The mode for what the data has gained since, and the reason in words. `settings`: of a fresh run."""
    for name, held in shapes_of(champion).items():
        if getattr(settings, name) != held:
            return FRESH, f"the champion has {name} {held}, and {getattr(settings, name)} fits this data"
    known = len(champion.catalog) - pc.index_in(champion.catalog, value_set=sequences.catalog).null_count
    share_known = known / len(sequences.catalog)
    if share_known < _FEWEST_KNOWN_ITEMS:
        return FRESH, f"the champion knows {share_known:.0%} of the catalog, less than {_FEWEST_KNOWN_ITEMS:.0%}"
    learned = int(sequences.is_train_N.sum())
    new = abs(learned - champion.counts) / learned
    if new > _MOST_NEW:
        return FRESH, f"the events to learn from changed by {new:.0%}, more than {_MOST_NEW:.0%}"
    mode = FINE_TUNE if new <= _MOST_FINE_TUNED else WARM
    return mode, f"the champion learned from {champion.counts:,} events, and there are {learned:,} now"


def settings_of(start: Start, asked: dict[str, Any], resolved: Resolve) -> Settings:
    """The settings of a run that starts so: shapes are the champion's, rates and lengths follow from the mode where no
    flag says otherwise. Refuses a flag that asks for another shape.
    """
    if start.champion is None:
        return resolved(asked)
    shapes = shapes_of(start.champion)
    refuse_if("warm start", _other_shapes(start.champion.uri, shapes, asked))
    settings = resolved({**asked, **shapes})
    changes = {name: share for name, share in _CHANGES[start.mode].items() if asked.get(name) is None}
    kinds = {name: Settings.model_fields[name].annotation for name in changes}
    scaled = {name: getattr(settings, name) * share for name, share in changes.items()}
    return settings.model_copy(
        update={name: max(1, round(value)) if kinds[name] is int else value for name, value in scaled.items()}
    )


def shapes_of(champion: Champion) -> dict[str, Any]:
    """What a model must share with the champion to take its weights."""
    config = champion.model.config
    return {name: getattr(config, name) for name in ModelConfig.model_fields if name not in _NOT_SHAPES}


def _other_shapes(uri: str, shapes: dict[str, Any], asked: dict[str, Any]) -> list[Problem]:
    return [
        Problem(
            f"--{name.replace('_', '-')}",
            asked[name],
            f"differs from the {held!r} of the model to start from, {uri}",
            "Leave it out, or train anew: --start fresh",
        )
        for name, held in shapes.items()
        if asked.get(name) is not None and asked[name] != held
    ]


def newest_share(start: Start, flags: argparse.Namespace) -> float:
    """The share of the events to learn from."""
    if flags.learn_newest is not None:
        return flags.learn_newest
    return _FINE_TUNED_SHARE if start.mode == FINE_TUNE else 1.0


@torch.no_grad()
def carry_over(model: NextItemModel, champion: Champion, sequences: Sequences) -> int:
    """Gives a new model the champion's weights; how many items of its catalog the champion did not know.

    Rows of known items are copied. A new item's row is the mean row of the known items before and after it in the
    events to learn from, else the sum of its tags' rows, else the mean row of all known items; its bias is the popular
    start's, moved as those of known items were.
    """
    old_V = pc.index_in(sequences.catalog, value_set=champion.catalog)
    old_V = torch.from_numpy(old_V.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64))
    known_V = old_V >= 0
    held, given = model.state_dict(), champion.model.state_dict()
    for name, parameter in model.named_parameters():
        if name not in (*ITEM_ROWS, TAG_ROWS):
            parameter.copy_(given[name])
    bias_V, given_bias_O = held["item_bias"], given["item_bias"]
    moved = (given_bias_O[old_V[known_V]] - bias_V[known_V]).mean() if known_V.any() else 0.0
    bias_V[known_V] = given_bias_O[old_V[known_V]]
    bias_V[~known_V] += moved
    rows_VE, given_OE = held["item_embedding.weight"], given["item_embedding.weight"]
    rows_VE[known_V] = given_OE[old_V[known_V]]
    unknown = int((~known_V).sum())
    placed_V = known_V
    if unknown:
        placed_V = known_V | _start_new_rows(rows_VE, known_V, sequences)
    if model.tag_embedding and known_V.any():
        _start_tag_rows(model, model.tag_embedding.weight, known_V, placed_V)
    return unknown


def _start_new_rows(rows_VE: torch.Tensor, known_V: torch.Tensor, sequences: Sequences) -> torch.Tensor:
    """Sets the rows of new items; which of all items have neighbours that are known."""
    pairs = transitions(sequences)
    one_E = torch.from_numpy(np.concatenate([pairs.item_E, pairs.next_E]))
    other_E = torch.from_numpy(np.concatenate([pairs.next_E, pairs.item_E]))
    count_E = torch.from_numpy(np.concatenate([pairs.count_E, pairs.count_E])).to(rows_VE.dtype)
    some = ~known_V[one_E] & known_V[other_E]
    one_E, other_E, count_E = one_E[some], other_E[some], count_E[some]
    weight_V = torch.zeros(len(rows_VE)).index_add_(0, one_E, count_E)
    summed_VE = torch.zeros_like(rows_VE).index_add_(0, one_E, rows_VE[other_E] * count_E[:, None])
    mean_E = rows_VE[known_V].mean(0) if known_V.any() else torch.zeros(rows_VE.shape[1])
    new = (~known_V).nonzero()[:, 0]
    near_VE = torch.where(weight_V[new, None] > 0, summed_VE[new] / weight_V[new, None].clamp_min(1), mean_E)
    rows_VE[new] = near_VE + torch.randn_like(near_VE) * _NOISE
    return weight_V > 0


def _start_tag_rows(model: NextItemModel, table: torch.Tensor, known_V: torch.Tensor, placed_V: torch.Tensor) -> None:
    """Gives each tag the mean of its known items' rows, in which an item's tags have equal parts. Items whose place is
    known keep it, others are placed by their tags.
    """
    rows_VE, tags_VK = model.item_embedding.weight, model.tags_VK
    none = len(table) - 1
    tags_V1 = (tags_VK < none).sum(1, keepdim=True)
    part_VE = rows_VE / tags_V1.clamp_min(1)
    table.zero_()
    for tags_V in tags_VK.T:
        table.index_add_(0, tags_V[known_V], part_VE[known_V])
    table.div_(torch.bincount(tags_VK[known_V].flatten(), minlength=len(table)).clamp_min(1)[:, None])
    table[none] = 0
    rows_VE[~placed_V & (tags_V1[:, 0] > 0)] = 0
    placed = placed_V.nonzero()[:, 0]
    rows_VE[placed] -= model.with_tags(torch.zeros_like(rows_VE[placed]), placed)


def newest(sequences: Sequences, share: float, *, context: int) -> Sequences:
    """The events of the users who lately did something to learn from: those since the newest `share` of all events
    began, and `context` before them. The catalog stays whole, other users' histories are empty.
    """
    if share >= 1:
        return sequences
    since = np.quantile(sequences.times_N[sequences.is_train_N], 1 - share, method="higher")
    user_N = np.repeat(np.arange(len(sequences.users)), sequences.lengths_U)
    late_U = np.bincount(user_N[(sequences.times_N >= since) & sequences.is_train_N], minlength=len(sequences.users))
    held_U = sequences.lengths_U - sequences.train_lengths_U
    kept_U = np.where(late_U > 0, np.minimum(sequences.lengths_U, late_U + held_U + max(context, HELD_OUT)), 0)
    _, place_N = spans(sequences.offsets_U1[1:] - kept_U, kept_U)
    return Sequences(
        users=sequences.users,
        catalog=sequences.catalog,
        items_N=sequences.items_N[place_N],
        offsets_U1=np.concatenate([[0], np.cumsum(kept_U)]),
        times_N=sequences.times_N[place_N],
        fingerprint=sequences.fingerprint,
    )
