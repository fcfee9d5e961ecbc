"""The files of a trained model under MODEL_DIR/RUN_ID: written whole, read back checked.

Owns: names, formats and the order of writing (the manifest last: without it a folder holds no model). Does not own: the
network. The names shared with the pipeline are contracts.run_artifacts', repeated because the trainer imports nothing
of ours.
"""

import hashlib
import io
import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from train.model import ModelConfig, NextItemModel
from train.problems import Problem, Refused, refuse_if
from train.storage import Folder

TRAINING_FILE = "training.json"
EVALUATION_FILE = "evaluation.json"
WEIGHTS_FILE = "weights.pt"
CONFIG_FILE = "config.json"
VOCABULARY_FILE = "vocabulary.parquet"
MANIFEST_FILE = "manifest.json"
_FORMAT, _KIND = 3, "next_item_attention"
_BEFORE_MEMBERS = 1  # the format of models that are one network
_BEFORE_MIXTURES = 2  # and of those that know which item follows the last one alone


def write_model(
    folder: Folder, *, model: NextItemModel, catalog: pa.StringArray, counts_V: np.ndarray, training: dict[str, Any]
) -> None:
    """Stores the model with its vocabulary and training summary."""
    weights, vocabulary = io.BytesIO(), io.BytesIO()
    torch.save({name: value.cpu() for name, value in model.state_dict().items()}, weights)
    pq.write_table(pa.table({"item_id": catalog, "train_count": pa.array(counts_V)}), vocabulary)
    config = {"format": _FORMAT, "kind": _KIND, "model": model.config.model_dump()}
    contents = {
        WEIGHTS_FILE: weights.getvalue(),
        VOCABULARY_FILE: vocabulary.getvalue(),
        CONFIG_FILE: _json(config),
        TRAINING_FILE: _json(training),
    }
    for name, content in contents.items():
        folder.write(name, content)
    sums = {
        name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        for name, content in contents.items()
    }
    made_by = {"run_id": training["run_id"], "git_sha": training["git_sha"]}
    folder.write(MANIFEST_FILE, _json({"format": _FORMAT, **made_by, "files": sums}))


class NoModel(Refused):
    """A folder that holds no model, or not all of one any more."""


def read_model(folder: Folder) -> tuple[NextItemModel, pa.StringArray]:
    """The model in evaluation mode, and its catalog; refuses a folder without a whole model (`NoModel`), and a model of
    another format.
    """
    manifest = read_json(folder, MANIFEST_FILE)
    if manifest is None:
        fix = "Name the folder MODEL_DIR/RUN_ID of a run that finished"
        raise NoModel(
            "model", [Problem("--model-uri", folder.uri, f"holds no {MANIFEST_FILE}, so no whole model", fix)]
        )
    contents = {name: _checked(folder, name, entry["sha256"]) for name, entry in manifest["files"].items()}
    described = json.loads(contents[CONFIG_FILE])
    refuse_if("model", _other_format(folder, described))
    weights = torch.load(io.BytesIO(contents[WEIGHTS_FILE]), weights_only=True)
    if described["format"] == _BEFORE_MEMBERS:
        described, weights = _as_one_member(described, weights)
    model = NextItemModel(ModelConfig.model_validate(described["model"]))
    if described["format"] <= _BEFORE_MIXTURES:
        weights = _as_mixture(weights, model)
    model.load_state_dict(weights)
    catalog = pq.read_table(pa.BufferReader(contents[VOCABULARY_FILE]), columns=["item_id"])["item_id"].combine_chunks()
    return model.eval(), catalog


def read_counts(folder: Folder) -> np.ndarray:
    """counts_V of the events that the model learned from, in the order of its catalog; of a model that was read."""
    content = folder.read(VOCABULARY_FILE) or b""
    return pq.read_table(pa.BufferReader(content), columns=["train_count"])["train_count"].to_numpy()


def read_json(folder: Folder, name: str) -> dict[str, Any] | None:
    content = folder.read(name)
    return None if content is None else json.loads(content)


def write_json(folder: Folder, name: str, value: dict[str, Any]) -> None:
    folder.write(name, _json(value))


def _checked(folder: Folder, name: str, sha256: str) -> bytes:
    content = folder.read(name)
    if content is None or hashlib.sha256(content).hexdigest() != sha256:
        state = "is missing" if content is None else "differs from its manifest"
        raise NoModel("model", [Problem(name, folder.uri, state, "Train the model again")])
    return content


def _other_format(folder: Folder, described: dict[str, Any]) -> list[Problem]:
    held = (described.get("format"), described.get("kind"))
    if held in [(form, _KIND) for form in (_BEFORE_MEMBERS, _BEFORE_MIXTURES, _FORMAT)]:
        return []
    rule = f"holds a model of format and kind {held}, and this image reads {(_FORMAT, _KIND)} and older ones"
    return [Problem("--model-uri", folder.uri, rule, "Read it with the image that made it, or train it again")]


def _as_one_member(
    described: dict[str, Any], weights: dict[str, torch.Tensor]
) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """A model of the first format as what it is in this one, so that an older champion can be beaten."""
    moved = {
        f"members.0.{name}" if name.startswith(("blocks.", "norm.")) else name: value for name, value in weights.items()
    }
    return {**described, "model": {**described["model"], "members": 1}}, moved


def _as_mixture(weights: dict[str, torch.Tensor], model: NextItemModel) -> dict[str, torch.Tensor]:
    """Counts of what followed the last item as a mixture that asks the last item alone."""
    held, kept = model.successors.state_dict(), model.successors.others_2VS.shape[2]
    next_VS, gain_VS = (weights.pop(f"successors.{name}")[:, :kept] for name in ("next_VS", "gain_VS"))
    held["others_2VS"][0, :, : next_VS.shape[1]] = next_VS
    held["odds_2VS"][0, :, : gain_VS.shape[1]] = gain_VS.expm1()
    held["weights_2K"][0, 0] = 1.0
    return {**{f"successors.{name}": value for name, value in held.items()}, **weights}


def _json(value: dict[str, Any]) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode()
