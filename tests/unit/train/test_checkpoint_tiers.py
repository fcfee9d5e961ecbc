"""Checkpoints in the background: training does not wait, this machine's copy covers for a bucket out of reach."""

import threading
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from train.checkpoint import Cadence, Checkpoints
from train.checkpoint_folder import LATEST_FILE
from train.storage import Folder, LocalFolder

IDENTITY = {"fingerprint": "f00d"}


class Bucket:
    """A bucket's folder that is slow or out of reach when told so."""

    def __init__(self, folder: Path) -> None:
        self.uri = "gs://bucket/run"
        self._inner = LocalFolder(str(folder))
        self.open = threading.Event()
        self.open.set()
        self.is_out_of_reach = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def copy_in(self, name: str, file: Path) -> None:
        assert self.open.wait(30)
        self._reach()
        self._inner.copy_in(name, file)

    def write(self, name: str, content: bytes) -> None:
        self._reach()
        self._inner.write(name, content)

    def _reach(self) -> None:
        if self.is_out_of_reach:
            raise ConnectionError("no route")


class Place:
    def __init__(self, folder: Path) -> None:
        self.far, self.near = folder / "far", folder / "near"
        self.bucket = Bucket(self.far)
        self.warnings: list[str] = []
        self.stored: list[int] = []

    def process(self) -> Checkpoints:
        """What a new process of the run opens."""
        return Checkpoints(
            cast(Folder, self.bucket),
            warn=self.warnings.append,
            stored=lambda step, _seconds: self.stored.append(step),
            scratch=str(self.near),
        )


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def save(checkpoints: Checkpoints, step: int, *, wait: bool = True, value: float = 0.0) -> bool:
    state = {"step": step, "values": [torch.full((3,), value or step)]}
    return checkpoints.save(state, step=step, identity=IDENTITY, wait=wait)


def loaded_step(checkpoints: Checkpoints, **options: Any) -> int | None:
    saved = checkpoints.load(**options)
    return None if saved is None else saved.state["step"]


def files(folder: Path) -> list[str]:
    return LocalFolder(str(folder)).names()


def test_training_goes_on_while_a_state_is_written_and_the_next_is_left_out(place: Place) -> None:
    checkpoints = place.process()
    place.bucket.open.clear()
    weights = torch.zeros(2)
    assert checkpoints.save({"step": 1, "values": weights}, step=1, identity=IDENTITY, wait=False)
    weights += 1  # the next steps change what was saved
    assert not save(checkpoints, 2, wait=False)
    assert place.stored == []
    place.bucket.open.set()
    assert checkpoints.flush()
    assert place.stored == [1]
    saved = place.process().load()
    assert saved is not None
    assert saved.state["values"].tolist() == [0.0, 0.0]


def test_what_the_bucket_could_not_take_is_continued_from_on_the_same_machine(place: Place) -> None:
    checkpoints = place.process()
    save(checkpoints, 1)
    assert checkpoints.flush()
    place.bucket.is_out_of_reach = True
    save(checkpoints, 2)
    assert not checkpoints.flush()
    assert "no route" in place.warnings[-1]
    assert place.stored == [1]
    assert loaded_step(place.process()) == 2
    place.bucket.is_out_of_reach = False
    again = place.process()
    again.load()
    save(again, 3)
    assert again.flush()
    assert [name.split("-")[1] for name in files(place.far) if name != LATEST_FILE] == ["000000001", "000000003"]


@pytest.mark.parametrize("index", ["damaged", "lost"])
def test_a_bucket_that_lost_its_index_does_not_cost_what_this_machine_has(place: Place, index: str) -> None:
    checkpoints = place.process()
    save(checkpoints, 1)
    checkpoints.flush()
    place.bucket.is_out_of_reach = True
    save(checkpoints, 2)
    checkpoints.flush()
    place.bucket.is_out_of_reach = False
    (place.far / LATEST_FILE).unlink() if index == "lost" else (place.far / LATEST_FILE).write_text("{")
    assert loaded_step(place.process()) == 2


def test_a_bucket_that_is_out_of_reach_from_the_start_does_not_cost_what_this_machine_has(place: Place) -> None:
    place.bucket.is_out_of_reach = True
    checkpoints = place.process()
    checkpoints.load()
    save(checkpoints, 1)
    checkpoints.flush()
    place.bucket.is_out_of_reach = False
    again = place.process()
    assert loaded_step(again) == 1
    save(again, 2)
    assert again.flush()
    assert loaded_step(place.process()) == 2


def test_a_machine_that_has_no_room_leaves_the_bucket_its_checkpoints(place: Place) -> None:
    place.near.write_text("in the way")
    checkpoints = place.process()
    checkpoints.load()
    save(checkpoints, 1)
    assert checkpoints.flush()
    assert "it goes to the bucket alone" in place.warnings[-1]
    assert loaded_step(place.process()) == 1


@pytest.mark.parametrize("lost", ["near", "far"])
def test_either_place_alone_is_enough(place: Place, lost: str) -> None:
    checkpoints = place.process()
    save(checkpoints, 1)
    save(checkpoints, 2)
    checkpoints.flush()
    for file in getattr(place, lost).glob("step-*"):
        file.write_bytes(file.read_bytes()[:50])
    assert loaded_step(place.process()) == 2


def test_copies_of_another_run_of_the_same_name_are_dropped(place: Place) -> None:
    checkpoints = place.process()
    save(checkpoints, 1)
    checkpoints.flush()
    for file in place.far.iterdir():
        file.unlink()
    assert loaded_step(place.process()) is None
    assert not place.near.exists()


def test_a_run_that_ended_leaves_nothing_on_its_machine(place: Place) -> None:
    checkpoints = place.process()
    save(checkpoints, 1)
    checkpoints.flush()
    checkpoints.discard_scratch()
    assert not place.near.exists()
    assert loaded_step(place.process()) == 1


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_state_that_is_not_finite_is_never_stored(place: Place, value: float) -> None:
    checkpoints = place.process()
    save(checkpoints, 1)
    save(checkpoints, 2, value=value)
    assert not checkpoints.flush()
    assert "the state after step 2 is not finite" in place.warnings[-1]
    assert loaded_step(place.process()) == 1


def test_the_newest_is_what_was_written_last_and_an_older_step_can_be_asked_for(place: Place) -> None:
    checkpoints = place.process()
    for step in (10, 20, 15):  # went back after 20
        save(checkpoints, step)
    checkpoints.flush()
    assert loaded_step(checkpoints) == 15
    assert loaded_step(checkpoints, at_most_step=12) == 10
    assert loaded_step(checkpoints, at_most_step=9) is None


def test_a_checkpoint_is_due_after_seconds_or_steps_and_long_copies_and_writes_stretch_the_time() -> None:
    time, written_in = [0.0], [0.0]

    def takes(seconds: float) -> None:
        time[0] += seconds

    cadence = Cadence(seconds=30, steps=100, step=0, clock=lambda: time[0], written_in=lambda: written_in[0])
    assert not cadence.is_due(99)
    assert cadence.is_due(100)
    takes(30)
    assert cadence.is_due(1)
    cadence.run(lambda: takes(0.75), 1)
    assert not cadence.is_due(100)
    assert cadence.is_due(101)
    takes(49)
    assert not cadence.is_due(2)
    takes(1)
    assert cadence.is_due(2)
    written_in[0] = 0.15  # known once it is written, while training goes on
    takes(9)
    assert not cadence.is_due(2)
    takes(1.1)
    assert cadence.is_due(2)
