"""What one step does to the weights: forward, loss, gradient, update.

Where the catalog is small, every step scores all of it and updates every row. Where it is too large, a step gathers the
rows that it needs, scores a sample (candidates.py), and writes those rows back: its cost and memory grow with the batch
and not with the catalog.

With several ranks each learns its part of the batch, and all step by the sum of their gradients.

Owns: the way from a batch to changed weights. Does not own: the order of batches, the learning rate's course, or when
to stop. Shapes: R rows that a step touches, T tokens, S candidates, V items,
D width of a member, E width of all.
"""

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import torch
from torch.nn import functional as F

from train.batches import Batch
from train.candidates import Candidates, CandidateSampler
from train.loss import full_cross_entropy, sampled_cross_entropy
from train.model import NextItemModel
from train.optimise import RowwiseAdagrad, adamw
from train.presets import Settings
from train.ranks import ALONE, Ranks, add_gradients


class Learner(Protocol):
    """Changes a model's weights step by step; its state is what later steps depend on."""

    not_averaged: list[torch.Tensor]

    def step(self, batch: Batch, *, share: float) -> torch.Tensor:
        """Learns one batch with `share` of the learning rate; the mean loss, still on the device."""
        ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


def learner_of(model: NextItemModel, settings: Settings, *, counts_V: np.ndarray, ranks: Ranks = ALONE) -> Learner:
    """The learner that the settings ask for: `negatives` of 0 scores the whole catalog."""
    if settings.negatives:
        return SampledLearner(model, settings, counts_V=counts_V, ranks=ranks)
    return FullLearner(model, settings, ranks=ranks)


def _own_parts(batch: Batch, ranks: Ranks, *, accumulate: int) -> Iterator[tuple[Batch, float]]:
    """This rank's parts of a global batch, one after the other, each with its share of the batch's targets. From here
    on ranks draw random numbers of their own.
    """
    if ranks.size > 1:
        torch.manual_seed(torch.initial_seed() + 1 + ranks.rank)
    for number in range(accumulate):
        part = batch.part(ranks.rank + number * ranks.size, accumulate * ranks.size)
        if len(part.targets_T):
            yield part, len(part.targets_T) / len(batch.targets_T)


class FullLearner:
    """Full softmax, AdamW on every weight."""

    def __init__(self, model: NextItemModel, settings: Settings, *, ranks: Ranks = ALONE) -> None:
        self.not_averaged: list[torch.Tensor] = []
        self._model, self._settings, self._ranks = model, settings, ranks
        self._parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self._low_precision = has_fast_bfloat16(model.item_bias.device)
        self._optimizer = adamw(
            model.parameters(), learning_rate=settings.learning_rate, weight_decay=settings.weight_decay
        )

    def step(self, batch: Batch, *, share: float) -> torch.Tensor:
        _set_rate(self._optimizer, self._settings.learning_rate * share)
        self._optimizer.zero_grad(set_to_none=True)
        loss = batch.items_BL.new_zeros((), dtype=torch.float32)
        for part, weight in _own_parts(batch, self._ranks, accumulate=self._settings.accumulate):
            part_loss = self._loss(part) * weight
            part_loss.backward()
            loss += part_loss.detach()
        loss = add_gradients(self._ranks, self._parameters, loss)
        self._optimizer.step()
        return loss

    def _loss(self, batch: Batch) -> torch.Tensor:
        model = self._model
        rows_VE = model.item_rows()
        hidden_TE = model.encode(F.embedding(batch.items_BL, rows_VE)).flatten(0, 1).index_select(0, batch.places_T)
        parts = zip(model.by_member(hidden_TE), model.by_member(rows_VE), strict=True)
        losses = [
            full_cross_entropy(
                hidden_TD, weights_VD, model.item_bias, batch.targets_T, low_precision=self._low_precision
            )
            for hidden_TD, weights_VD in parts
        ]
        return torch.stack(losses).mean()

    def state_dict(self) -> dict[str, Any]:
        return self._optimizer.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._optimizer.load_state_dict(state)


class SampledLearner:
    """Sampled softmax; row-wise Adagrad on the rows that a step touches, AdamW on the network."""

    def __init__(self, model: NextItemModel, settings: Settings, *, counts_V: np.ndarray, ranks: Ranks = ALONE) -> None:
        table, bias = model.item_embedding.weight, model.item_bias
        self.not_averaged: list[torch.Tensor] = [table, bias]
        self._model, self._settings, self._ranks = model, settings, ranks
        self._low_precision = has_fast_bfloat16(bias.device)
        self._sampler = CandidateSampler(counts_V, uniform=settings.negatives, device=bias.device)
        self._network = [each for each in model.parameters() if each is not table and each is not bias]
        self._optimizer = adamw(self._network, learning_rate=settings.learning_rate, weight_decay=settings.weight_decay)
        self._tables = [RowwiseAdagrad(part, learning_rate=settings.table_learning_rate) for part in self.not_averaged]

    def step(self, batch: Batch, *, share: float) -> torch.Tensor:
        model, drawn = self._model, self._sampler.draw(batch)  # all ranks draw the same, for the whole batch
        _set_rate(self._optimizer, self._settings.learning_rate * share)
        self._optimizer.zero_grad(set_to_none=True)
        rows_RE, bias_R = (
            part.detach()[drawn.rows_R].requires_grad_() for part in (model.item_embedding.weight, model.item_bias)
        )
        loss = rows_RE.new_zeros((), dtype=torch.float32)
        renumbered = Batch(drawn.items_BL, batch.places_T, drawn.targets_T)
        for part, weight in _own_parts(renumbered, self._ranks, accumulate=self._settings.accumulate):
            part_loss = self._loss(part, drawn, rows_RE, bias_R) * weight
            part_loss.backward()
            loss += part_loss.detach()
        loss = add_gradients(self._ranks, [*self._network, rows_RE, bias_R], loss)
        self._optimizer.step()
        for table, rows in zip(self._tables, (rows_RE, bias_R), strict=True):
            table.step(drawn.rows_R, _gradient(rows), share=share)
        return loss

    def _loss(self, batch: Batch, drawn: Candidates, rows_RE: torch.Tensor, bias_R: torch.Tensor) -> torch.Tensor:
        model = self._model
        read_RE = model.with_tags(rows_RE, drawn.rows_R)
        hidden_TE = model.encode(F.embedding(batch.items_BL, read_RE)).flatten(0, 1).index_select(0, batch.places_T)
        parts = zip(model.by_member(hidden_TE), model.by_member(read_RE[drawn.candidates_S]), strict=True)
        losses = [
            sampled_cross_entropy(
                hidden_TD,
                items_SD,
                bias_R[drawn.candidates_S],
                batch.targets_T,
                drawn.log_chance_S,
                low_precision=self._low_precision,
            )
            for hidden_TD, items_SD in parts
        ]
        return torch.stack(losses).mean()

    def state_dict(self) -> dict[str, Any]:
        return {"network": self._optimizer.state_dict(), "tables": [table.state_dict() for table in self._tables]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._optimizer.load_state_dict(state["network"])
        for table, saved in zip(self._tables, state["tables"], strict=True):
            table.load_state_dict(saved)


def _gradient(rows: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(rows) if rows.grad is None else rows.grad


def _set_rate(optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = learning_rate


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether matrix products in bfloat16 are faster than in float32 there."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
