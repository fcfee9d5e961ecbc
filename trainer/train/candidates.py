"""Which items a step's softmax runs over where the catalog is too large for all of them.

Each step draws one set that all its tokens share: its own targets, which come as often as items are popular, and items
drawn uniformly, which reach the rare ones. The chance that a step draws an item is known, and the loss weighs the item
by one over it (Horvitz and Thompson, 1952): on average the sampled softmax then has the full one's denominator. This is
the logQ correction (Bengio and Senecal, 2008; Yi et al., RecSys 2019) for a set without repeats.

Owns: drawing candidates, their chances, and the short numbering of the rows that a step touches. Does not own: the loss
or the update. Random numbers are torch's, so that a resumed run draws the same.

Shapes: V items, T tokens, S candidates, R rows that the step touches, B histories, L places.
"""

from typing import NamedTuple

import numpy as np
import torch

from train.batches import Batch


class Candidates(NamedTuple):
    """A step's rows of the catalog and its batch in their numbering."""

    rows_R: torch.Tensor  # distinct items, ascending: the candidates and the inputs
    items_BL: torch.Tensor  # the batch's inputs, as places in rows_R
    candidates_S: torch.Tensor  # places in rows_R
    log_chance_S: torch.Tensor  # log of the chance that a step draws the candidate
    targets_T: torch.Tensor  # the batch's targets, as places in candidates_S


class CandidateSampler:
    """Draws a step's candidates: the batch's own targets and `uniform` others."""

    def __init__(self, counts_V: np.ndarray, *, uniform: int, device: torch.device) -> None:
        self._share_V = torch.from_numpy((counts_V / max(1, counts_V.sum())).astype(np.float32)).to(device)
        self._uniform = uniform

    def draw(self, batch: Batch) -> Candidates:
        items = len(self._share_V)
        drawn_S = torch.cat([batch.targets_T, torch.randint(items, (self._uniform,), device=batch.targets_T.device)])
        rows_R, place = torch.unique(torch.cat([batch.items_BL.flatten(), drawn_S]), return_inverse=True)
        inputs = batch.items_BL.numel()
        candidates_S, drawn_place = torch.unique(place[inputs:], return_inverse=True)
        return Candidates(
            rows_R=rows_R,
            items_BL=place[:inputs].view_as(batch.items_BL),
            candidates_S=candidates_S,
            log_chance_S=self.log_chance(rows_R[candidates_S], tokens=len(batch.targets_T)),
            targets_T=drawn_place[: len(batch.targets_T)],
        )

    def log_chance(self, items_S: torch.Tensor, *, tokens: int) -> torch.Tensor:
        """log(1 - P(none of the draws is the item)), each target drawn by popularity, each other one uniformly."""
        missed_S = tokens * torch.log1p(-self._share_V[items_S].double().clamp_max(1 - 1e-9))
        missed_S += self._uniform * np.log1p(-1 / max(2, len(self._share_V)))
        return torch.log(-torch.expm1(missed_S)).float()
