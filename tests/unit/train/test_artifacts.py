"""Model files: whole or not there, and read again as they were written."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from train import artifacts
from train.artifacts import MANIFEST_FILE, WEIGHTS_FILE, read_json, read_model, write_model
from train.champion import TranslatedModel
from train.model import SHAPES, NextItemModel
from train.problems import Refused
from train.ranking import Histories
from train.storage import LocalFolder, join, open_folder

from tests.unit.train.examples import sequences_of, small_config


def small_model(items: int) -> NextItemModel:
    torch.manual_seed(0)
    return NextItemModel(small_config(items=items)).eval()


def test_a_model_comes_back_with_the_same_scores(tmp_path: Path) -> None:
    folder = open_folder(join(str(tmp_path), "models", "run"))
    model, catalog = small_model(3), pa.array(["a", "b", "c"])
    model.successors.strength.fill_(0.5)
    write_model(
        folder, model=model, catalog=catalog, counts_V=np.array([1, 2, 3]), training={"run_id": "run", "git_sha": "abc"}
    )
    again, its_catalog = read_model(folder)
    histories = Histories(np.array([0, 1, 2]), np.array([0]), np.array([3]))
    assert torch.equal(again.scores(histories), model.scores(histories))
    assert its_catalog.to_pylist() == catalog.to_pylist()
    manifest = read_json(folder, MANIFEST_FILE) or {}
    assert (manifest["run_id"], manifest["git_sha"]) == ("run", "abc")


def test_a_folder_without_a_whole_model_is_refused(tmp_path: Path) -> None:
    folder = open_folder(str(tmp_path))
    with pytest.raises(Refused, match=r"holds no manifest\.json"):
        read_model(folder)
    write_model(
        folder,
        model=small_model(2),
        catalog=pa.array(["a", "b"]),
        counts_V=np.array([1, 1]),
        training={"run_id": "r", "git_sha": ""},
    )
    (tmp_path / WEIGHTS_FILE).write_bytes(b"other")
    with pytest.raises(Refused, match="differs from its manifest"):
        read_model(folder)


@pytest.mark.parametrize("changed", [{"format": 9}, {"kind": "table"}])
def test_a_model_of_another_format_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any]
) -> None:
    for name, value in changed.items():
        monkeypatch.setattr(artifacts, f"_{name.upper()}", value)
    folder = open_folder(str(tmp_path))
    training = {"run_id": "r", "git_sha": ""}
    write_model(folder, model=small_model(1), catalog=pa.array(["a"]), counts_V=np.array([1]), training=training)
    monkeypatch.undo()
    with pytest.raises(Refused, match=f"{next(iter(changed.values()))!r}.*and this image reads"):
        read_model(folder)


@pytest.mark.parametrize("form", [1, 2])
def test_a_model_of_an_older_format_ranks_as_it_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: int) -> None:
    """The first had one network, whose blocks and norm stood beside the embedding; both knew what followed the last
    item alone, by what each of the kept ones gains.
    """
    model = small_model(3)
    held = {name: value for name, value in model.state_dict().items() if not name.startswith("successors.")}
    next_VS, gain_VS = torch.zeros(3, 64, dtype=torch.int32), torch.zeros(3, 64)
    next_VS[0, :2], gain_VS[0, :2] = torch.tensor([2, 1]), torch.tensor([1.5, 0.5])
    counts = {"next_VS": next_VS, "gain_VS": gain_VS, "strength": torch.tensor(0.5)}
    before = {**held, **{f"successors.{name}": value for name, value in counts.items()}}
    shape = {name: getattr(model.config, name) for name in SHAPES if form > 1 or name != "members"} | {"items": 3}
    if form == 1:
        before = {name.removeprefix("members.0."): value for name, value in before.items()}
    monkeypatch.setattr(artifacts, "_FORMAT", form)
    monkeypatch.setattr(type(model), "state_dict", lambda _model: before)
    monkeypatch.setattr(type(model.config), "model_dump", lambda _config: shape)
    folder, training = open_folder(str(tmp_path)), {"run_id": "r", "git_sha": ""}
    counts_V, catalog = np.array([1, 2, 3]), pa.array(["a", "b", "c"])
    write_model(folder, model=model, catalog=catalog, counts_V=counts_V, training=training)
    monkeypatch.undo()

    again, _ = read_model(folder)

    assert again.config == model.config
    histories = Histories(np.array([1, 0, 2]), np.array([0, 0]), np.array([2, 3]))
    logits_BV = model.last_logits(*model.read(histories))
    logits_BV[0, 2] += 0.5 * 1.5
    logits_BV[0, 1] += 0.5 * 0.5
    torch.testing.assert_close(again.scores(histories), logits_BV)


def test_the_manifest_is_written_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[str] = []
    write = LocalFolder.write

    def noted(folder: LocalFolder, name: str, content: bytes) -> None:
        names.append(name)
        write(folder, name, content)

    monkeypatch.setattr(LocalFolder, "write", noted)
    write_model(
        open_folder(str(tmp_path)),
        model=small_model(2),
        catalog=pa.array(["a", "b"]),
        counts_V=np.array([1, 1]),
        training={"run_id": "r", "git_sha": ""},
    )
    assert names[-1] == MANIFEST_FILE
    assert len(names) == len(set(names)) == 5


def test_an_older_model_ranks_items_that_it_never_saw_last_and_reads_what_it_knows() -> None:
    old_catalog, old = pa.array(["a", "b", "c"]), small_model(3)
    sequences = sequences_of([["a", "new", "b", "c"], ["new", "other", "new"]])
    translated = TranslatedModel(old, old_catalog, sequences)
    assert translated.unknown_items == 2
    histories = Histories(sequences.items_N, np.array([0, 4]), np.array([3, 6]))
    scores_BV = translated(histories)
    alone = old.scores(Histories(np.array([0, 1]), np.array([0]), np.array([2])))
    known = [sequences.catalog.to_pylist().index(item) for item in ("a", "b", "c")]
    unknown = [sequences.catalog.to_pylist().index(item) for item in ("new", "other")]
    torch.testing.assert_close(scores_BV[0, known], alone[0])
    assert scores_BV[0, unknown].max() < scores_BV[0, known].min()
    assert scores_BV[1].unique().numel() == 1  # nothing that it knows: every item ties


def test_a_model_of_the_same_catalog_is_translated_to_itself() -> None:
    sequences = sequences_of([["a", "b", "c", "a"], ["c", "b", "a", "b"]])
    model = small_model(3)
    histories = Histories(sequences.items_N, np.array([0, 4]), np.array([3, 7]))
    torch.testing.assert_close(TranslatedModel(model, sequences.catalog, sequences)(histories), model.scores(histories))
