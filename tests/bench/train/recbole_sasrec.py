"""SASRec of RecBole by its own data set, data loader and trainer, whose epochs are run one after another; the model is
offered after each step. Its files are written to a folder that is removed.
"""

import logging
import tempfile
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np
import torch
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.data.interaction import Interaction
from recbole.model.sequential_recommender.sasrec import SASRec
from recbole.trainer import Trainer
from recbole.utils import init_seed
from train.ranking import Histories

from tests.bench.train.points import Task
from tests.bench.train.windows import in_our_order, learned, newest, to_the_left

_NAME, _WINDOW, _MOST_EPOCHS = "bench", 50, 10_000


def train(task: Task) -> None:
    with tempfile.TemporaryDirectory(prefix="bench-train-") as folder, chdir(folder):  # it also writes where it runs
        _write(task, Path(folder) / _NAME)
        config = Config(model="SASRec", dataset=_NAME, config_dict=_settings(folder, task.seed))
        logging.disable(logging.INFO)
        init_seed(task.seed, config["reproducibility"])
        dataset = create_dataset(config)
        batches, _, _ = data_preparation(config, dataset)
        model = SASRec(config, batches.dataset)
        trainer = Trainer(config, model)
        theirs_V = _ids(dataset, len(task.sequences.catalog))
        offering = _Offering(batches, lambda: task.offer(lambda histories: _scores(model, histories, theirs_V)))
        for epoch in range(_MOST_EPOCHS):
            trainer._train_epoch(offering, epoch)


def _write(task: Task, folder: Path) -> None:
    """The events to learn from; time is the place in the user's history."""
    folder.mkdir()
    rows = zip(*(column.tolist() for column in learned(task.sequences)), strict=True)
    lines = [
        "user_id:token\titem_id:token\ttimestamp:float",
        *(f"{user}\t{item}\t{place}" for user, item, place in rows),
    ]
    (folder / f"{_NAME}.inter").write_text("\n".join(lines) + "\n")


def _settings(folder: str, seed: int) -> dict[str, Any]:
    """Nothing is held out: the file has only what may be learned from."""
    return {
        "data_path": folder,
        "checkpoint_dir": folder,
        "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
        "eval_args": {"split": {"RS": [1.0, 0.0, 0.0]}, "group_by": None, "order": "TO", "mode": "full"},
        "MAX_ITEM_LIST_LENGTH": _WINDOW,
        "train_batch_size": 256,
        "train_neg_sample_args": None,
        "use_gpu": False,
        "seed": seed,
        "state": "WARNING",
        "show_progress": False,
    }


def _ids(dataset: Any, size: int) -> np.ndarray:
    tokens = dataset.field2id_token[dataset.iid_field]
    theirs_V = np.zeros(size, dtype=np.int64)
    theirs_V[tokens[1:].astype(np.int64)] = np.arange(1, len(tokens))
    return theirs_V


class _Offering:
    """Its data loader, with an offer after each step."""

    def __init__(self, batches: Any, offer: Any) -> None:
        self._batches, self._offer = batches, offer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batches, name)

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[Any]:
        for number, batch in enumerate(self._batches):
            if number:
                self._offer()
            yield batch
        self._offer()


def _scores(model: SASRec, histories: Histories, theirs_V: np.ndarray) -> torch.Tensor:
    model.eval()
    ids_BW, lengths_B = newest(histories, theirs_V, window=_WINDOW)
    columns = {
        model.ITEM_SEQ: torch.from_numpy(to_the_left(ids_BW, lengths_B)),
        model.ITEM_SEQ_LEN: torch.from_numpy(np.maximum(lengths_B, 1)),
    }
    scores_BP = model.full_sort_predict(Interaction(columns))
    model.train()
    return in_our_order(scores_BP, theirs_V)
