"""SASRec of RecTools through its public model; one `fit`, in which a callback offers the model after each step."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
import torch
from pytorch_lightning import Callback, Trainer, seed_everything
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import SASRecModel
from train.ranking import Histories

from tests.bench.train.points import Task
from tests.bench.train.windows import in_our_order, learned, newest

_WINDOW, _MOST_EPOCHS = 50, 10_000
_SHARED = {
    "n_factors": 64,
    "n_heads": 1,
    "dropout_rate": 0.2,
    "session_max_len": _WINDOW,
    "batch_size": 128,
    "lr": 0.001,
}


def train(task: Task) -> None:
    _train(task, n_blocks=2, loss="softmax")


def train_sampled(task: Task) -> None:
    _train(task, n_blocks=1, loss="sampled_softmax", n_negatives=256)


def _train(task: Task, **recipe: Any) -> None:
    warnings.simplefilter("ignore")
    seed_everything(task.seed)
    offers = _Offers(task)
    model = SASRecModel(**_SHARED, **recipe, epochs=_MOST_EPOCHS, get_trainer_func=lambda: _trainer(offers))
    offers.model = model
    model.fit(_dataset(task))


def _trainer(offers: Callback) -> Trainer:
    return Trainer(
        max_epochs=_MOST_EPOCHS,
        min_epochs=_MOST_EPOCHS,
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[offers],
    )


def _dataset(task: Task) -> Dataset:
    user_N, item_N, place_N = learned(task.sequences)
    times = pd.Timestamp("2000-01-01") + pd.to_timedelta(place_N, unit="D")
    columns = {Columns.User: user_N, Columns.Item: item_N, Columns.Weight: 1.0, Columns.Datetime: times}
    return Dataset.construct(pd.DataFrame(columns))


class _Offers(Callback):
    """It knows the model, whose `fit` copies the trainer with its callbacks: there is one of it nevertheless."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self.model: SASRecModel
        self._theirs_V: np.ndarray | None = None

    def __deepcopy__(self, _memo: dict[int, Any]) -> "_Offers":
        return self

    def on_train_batch_end(self, *_told: Any) -> None:
        self._task.offer(self._scores)

    def _ids(self) -> np.ndarray:
        if self._theirs_V is None:
            known = self.model.data_preparator
            self._theirs_V = np.zeros(len(self._task.sequences.catalog), dtype=np.int64)
            items = known.get_known_item_ids().astype(np.int64)
            self._theirs_V[items] = known.get_known_items_sorted_internal_ids()
        return self._theirs_V

    def _scores(self, histories: Histories) -> torch.Tensor:
        net, theirs_V = self.model.torch_model, self._ids()
        was_training = net.training
        net.eval()
        ids_BW, _ = newest(histories, theirs_V, window=_WINDOW)
        items_PD = net.item_model.get_all_embeddings()
        last_BD = net.encode_sessions({"x": torch.from_numpy(ids_BW)}, items_PD)[:, -1]
        net.train(was_training)
        return in_our_order(last_BD @ items_PD.T, theirs_V)
