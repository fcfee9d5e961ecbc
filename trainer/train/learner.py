"""What one step does to the weights: forward, loss, gradient, update.

Where the catalog is small, every step scores all of it and updates every row. Where it is too large, a step gathers the
rows that it needs, scores a sample (candidates.py), and writes those rows back: its cost and memory grow with the batch
and not with the catalog.

Owns: the way from a batch to changed weights. Does not own: the order of batches, the learning rate's course, or when
to stop. Shapes: R rows that a step touches, T tokens, S candidates, V items,
D width of a member, E width of all.
"""

from typing import Any, Protocol

import numpy as np
import torch
from torch.nn import functional as F

from train.batches import Batch
from train.candidates import CandidateSampler
from train.loss import full_cross_entropy, sampled_cross_entropy
from train.model import NextItemModel
from train.optimise import RowwiseAdagrad, adamw
from train.presets import Settings


class Learner(Protocol):
    """Changes a model's weights step by step; its state is what later steps depend on."""

    not_averaged: list[torch.Tensor]

    def step(self, batch: Batch, *, share: float) -> torch.Tensor:
        """Learns one batch with `share` of the learning rate; the mean loss, still on the device."""
        ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


def learner_of(model: NextItemModel, settings: Settings, *, counts_V: np.ndarray) -> Learner:
    """The learner that the settings ask for: `negatives` of 0 scores the whole catalog."""
    if settings.negatives:
        return SampledLearner(model, settings, counts_V=counts_V)
    return FullLearner(model, settings)


class FullLearner:
    """Full softmax, AdamW on every weight."""

    def __init__(self, model: NextItemModel, settings: Settings) -> None:
        self.not_averaged: list[torch.Tensor] = []
        self._model, self._settings = model, settings
        self._low_precision = has_fast_bfloat16(model.item_bias.device)
        self._optimizer = adamw(
            model.parameters(), learning_rate=settings.learning_rate, weight_decay=settings.weight_decay
        )

    def step(self, batch: Batch, *, share: float) -> torch.Tensor:
        model = self._model
        _set_rate(self._optimizer, self._settings.learning_rate * share)
        rows_VE = model.item_rows()
        hidden_TE = model.encode(F.embedding(batch.items_BL, rows_VE)).flatten(0, 1).index_select(0, batch.places_T)
        parts = zip(model.by_member(hidden_TE), model.by_member(rows_VE), strict=True)
        losses = [
            full_cross_entropy(
                hidden_TD, weights_VD, model.item_bias, batch.targets_T, low_precision=self._low_precision
            )
            for hidden_TD, weights_VD in parts
        ]
        loss = torch.stack(losses).mean()
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._optimizer.step()
        return loss.detach()

    def state_dict(self) -> dict[str, Any]:
        return self._optimizer.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._optimizer.load_state_dict(state)


class SampledLearner:
    """Sampled softmax; row-wise Adagrad on the rows that a step touches, AdamW on the network."""

    def __init__(self, model: NextItemModel, settings: Settings, *, counts_V: np.ndarray) -> None:
        table, bias = model.item_embedding.weight, model.item_bias
        self.not_averaged: list[torch.Tensor] = [table, bias]
        self._model, self._settings = model, settings
        self._low_precision = has_fast_bfloat16(bias.device)
        self._sampler = CandidateSampler(counts_V, uniform=settings.negatives, device=bias.device)
        network = [parameter for parameter in model.parameters() if parameter is not table and parameter is not bias]
        self._optimizer = adamw(network, learning_rate=settings.learning_rate, weight_decay=settings.weight_decay)
        self._tables = [RowwiseAdagrad(part, learning_rate=settings.table_learning_rate) for part in self.not_averaged]

    def step(self, batch: Batch, *, share: float) -> torch.Tensor:
        model, drawn = self._model, self._sampler.draw(batch)
        _set_rate(self._optimizer, self._settings.learning_rate * share)
        rows_RE, bias_R = (
            part.detach()[drawn.rows_R].requires_grad_() for part in (model.item_embedding.weight, model.item_bias)
        )
        read_RE = model.with_tags(rows_RE, drawn.rows_R)
        hidden_TE = model.encode(F.embedding(drawn.items_BL, read_RE)).flatten(0, 1).index_select(0, batch.places_T)
        parts = zip(model.by_member(hidden_TE), model.by_member(read_RE[drawn.candidates_S]), strict=True)
        losses = [
            sampled_cross_entropy(
                hidden_TD,
                items_SD,
                bias_R[drawn.candidates_S],
                drawn.targets_T,
                drawn.log_chance_S,
                low_precision=self._low_precision,
            )
            for hidden_TD, items_SD in parts
        ]
        loss = torch.stack(losses).mean()
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._optimizer.step()
        for table, rows in zip(self._tables, (rows_RE, bias_R), strict=True):
            table.step(drawn.rows_R, _gradient(rows), share=share)
        return loss.detach()

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
