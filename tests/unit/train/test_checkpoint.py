"""Checkpoints: whole or not there."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from train.checkpoint import Checkpoints
from train.checkpoint_folder import LATEST_FILE
from train.problems import Refused
from train.storage import LocalFolder, open_folder

IDENTITY = {"fingerprint": "f00d", "settings": {"width": 8}}


def saved(folder: Path, *steps: int, warnings: list[str] | None = None, **options: Any) -> Checkpoints:
    """Checkpoints of a run that continues there and stores so many."""
    warn = (warnings if warnings is not None else []).append
    checkpoints = Checkpoints(LocalFolder(str(folder)), warn=warn, **{"kept": 2, **options})
    checkpoints.load()
    for step in steps:
        checkpoints.save({"step": torch.tensor(step), "progress": "x"}, step=step, identity=IDENTITY)
    checkpoints.flush()
    return checkpoints


def steps_in(folder: Path) -> list[int]:
    return [int(name.split("-")[1]) for name in LocalFolder(str(folder)).names() if name != LATEST_FILE]


def test_the_newest_is_loaded_and_two_are_kept_beside_the_first_of_this_hundred_steps_and_of_the_one_before(
    tmp_path: Path,
) -> None:
    checkpoints = saved(tmp_path, 1, 101, 150, 201, 202, 203, 204)

    newest, older = checkpoints.load(), checkpoints.load(at_most_step=199)

    assert newest is not None
    assert older is not None
    assert (int(newest.state["step"]), int(older.state["step"])) == (204, 101)
    assert steps_in(tmp_path) == [101, 201, 203, 204]


def test_what_a_killed_or_failed_write_left_is_removed(tmp_path: Path) -> None:
    checkpoints = saved(tmp_path, 1)
    (tmp_path / ".step-000000002-000002.pt.partial").write_bytes(b"half")
    checkpoints.load()
    folder = LocalFolder(str(tmp_path))
    with pytest.raises(ZeroDivisionError), folder.writing("step") as partial:
        partial.write_bytes(b"half" * (1 // 0))
    assert list(tmp_path.glob(".*")) == []


@pytest.mark.parametrize("damage", ["cut", "altered", "missing"])
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(tmp_path: Path, damage: str) -> None:
    warnings: list[str] = []
    checkpoints = saved(tmp_path, 1, 2, warnings=warnings)
    file = tmp_path / "step-000000002-000002.pt"
    content = file.read_bytes()
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(content[:100] if damage == "cut" else content[:-1] + bytes([content[-1] ^ 1]))
    newest = checkpoints.load()
    assert newest is not None
    assert int(newest.state["step"]) == 1
    assert "step-000000002-000002.pt is missing or damaged" in warnings[0]


def test_a_half_written_upload_leaves_the_one_before(tmp_path: Path) -> None:
    checkpoints = saved(tmp_path, 1)
    (tmp_path / "step-000000009-000009.pt").write_bytes(b"half")  # killed before latest.json named it
    newest = checkpoints.load()
    assert newest is not None
    assert int(newest.state["step"]) == 1
    assert LocalFolder(str(tmp_path)).names() == [LATEST_FILE, "step-000000001-000001.pt"]


@pytest.mark.parametrize("index", ["{", "[]", '{"checkpoints": [{"file": "step-000000001-000001.pt"}]}', None])
def test_without_a_readable_index_the_newest_whole_file_is_taken(tmp_path: Path, index: str | None) -> None:
    warnings: list[str] = []
    checkpoints = saved(tmp_path, 1, 2, warnings=warnings)
    content = (tmp_path / "step-000000002-000002.pt").read_bytes()
    (tmp_path / "step-000000003-000003.pt").write_bytes(content[: len(content) // 2])
    middle = content.index(b"progress") + 3
    altered = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    (tmp_path / "step-000000004-000004.pt").write_bytes(altered)
    if index is None:
        (tmp_path / LATEST_FILE).unlink()
    else:
        (tmp_path / LATEST_FILE).write_text(index)
    newest = checkpoints.load()
    assert newest is not None
    assert int(newest.state["step"]) == 2
    assert [LATEST_FILE in warning for warning in warnings] == ([] if index is None else [True])
    saved(tmp_path, 5)
    assert steps_in(tmp_path) == [1, 2, 5]


def test_no_checkpoint_is_none_and_a_broken_index_warns(tmp_path: Path) -> None:
    warnings: list[str] = []
    checkpoints = saved(tmp_path / "run", warnings=warnings)
    assert checkpoints.load() is None
    (tmp_path / "run" / LATEST_FILE).write_text("{")
    assert checkpoints.load() is None
    assert "damaged" in warnings[0]


def test_checkpoints_of_another_format_are_refused_and_stay(tmp_path: Path) -> None:
    first = {"checkpoints": [{"file": "step-000000001.pt", "step": 1, "sha256": "f00d"}]}
    (tmp_path / "step-000000001.pt").write_bytes(b"of the first format")
    for index, held in ((first, "1"), ({"format": 9, "checkpoints": []}, "9")):
        (tmp_path / LATEST_FILE).write_text(json.dumps(index))
        with pytest.raises(Refused, match=f"of format {held}, and this image reads format 2"):
            saved(tmp_path)
    assert LocalFolder(str(tmp_path)).names() == [LATEST_FILE, "step-000000001.pt"]


def test_a_tensor_that_occurs_twice_is_written_once_and_comes_back_in_both_places(tmp_path: Path) -> None:
    table = torch.rand(100_000)
    checkpoints = Checkpoints(LocalFolder(str(tmp_path)), warn=pytest.fail)
    for step in (1, 2):
        table += 1
        checkpoints.save({"parameters": [table], "average": [table]}, step=step, identity=IDENTITY)
        checkpoints.flush()
        file = tmp_path / f"step-{step:09d}-{step:06d}.pt"
        assert file.stat().st_size < 1.5 * table.nbytes
    newest = checkpoints.load()
    assert newest is not None
    assert newest.identity == IDENTITY
    assert all(torch.equal(newest.state[name][0], table) for name in ("parameters", "average"))


def test_a_failed_upload_warns_and_training_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    warnings: list[str] = []
    checkpoints = saved(tmp_path / "file", 1, warnings=warnings)
    assert "cannot be stored" in warnings[0]
    assert "was not stored" in warnings[1]
    assert not checkpoints.flush()
    assert saved(tmp_path / "folder", 1).flush()


def test_storage_refuses_other_schemes_and_replaces_whole_files(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="s3://bucket"):
        open_folder("s3://bucket")
    folder = open_folder(f"file://{tmp_path}/deep/folder")
    assert folder.names() == []
    assert folder.read("a.json") is None
    folder.write("a.json", b"1")
    folder.write("a.json", b"2")
    assert (folder.read("a.json"), folder.names()) == (b"2", ["a.json"])
    folder.delete("a.json")
    folder.delete("a.json")
    assert folder.names() == []
