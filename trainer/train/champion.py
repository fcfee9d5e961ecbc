"""An older model on newer data: its own vocabulary, the same users and the same catalog as its challenger.

Owns: the translation between catalogs. Items that the older model never saw rank last, tied; they are left out of the
histories that it reads. Users need no translation: the model knows them by what they did.

Shapes: B histories, V items of the new catalog, O items of the old one, N events.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from train.data import Sequences
from train.model import NextItemModel
from train.ranking import Histories, spans


class TranslatedModel:
    """Scores the new catalog with a model of another catalog."""

    def __init__(self, model: NextItemModel, catalog: pa.StringArray, sequences: Sequences) -> None:
        self._model = model
        old_V = pc.index_in(sequences.catalog, value_set=catalog)
        self._old_V = old_V.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        self._known_V = torch.from_numpy(np.flatnonzero(self._old_V >= 0))
        self._old_of_known = torch.from_numpy(self._old_V[self._old_V >= 0])

    @property
    def unknown_items(self) -> int:
        return len(self._old_V) - len(self._known_V)

    def __call__(self, histories: Histories) -> torch.Tensor:
        old, is_known_B = self._translate(histories)
        scores_BV = torch.zeros(len(histories.ends_B), len(self._old_V))
        if is_known_B.any():
            old_scores_BO = self._model.scores(old)
            last = old_scores_BO.min() - 1
            translated_BV = torch.full((len(old_scores_BO), len(self._old_V)), float(last))
            translated_BV[:, self._known_V] = old_scores_BO[:, self._old_of_known].cpu()
            scores_BV[torch.from_numpy(np.flatnonzero(is_known_B))] = translated_BV
        return scores_BV

    def _translate(self, histories: Histories) -> tuple[Histories, np.ndarray]:
        """The histories in old indices without unknown items, for those that keep any item at all."""
        row_N, place_N = spans(histories.starts_B, histories.ends_B - histories.starts_B)
        items_N = self._old_V[histories.items_N[place_N]]
        known_N = items_N >= 0
        length_B = np.bincount(row_N[known_N], minlength=len(histories.ends_B))
        is_known_B = length_B > 0
        ends_B = np.cumsum(length_B[is_known_B])
        return Histories(items_N[known_N], ends_B - length_B[is_known_B], ends_B), is_known_B
