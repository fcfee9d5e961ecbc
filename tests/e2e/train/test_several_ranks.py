"""Two ranks as processes: they train one model, stop together, and end when one of them dies."""

import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from train.launch import Place, places_here
from train.synthetic_shop import ShopSize, make_shop

from tests.e2e.train.test_processes import FLAGS, lines_after, process_environment, start, wait_for_checkpoint, weights

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("staged")
    make_shop(folder, seed=2, size=ShopSize(users=400, items=150, events=6_000))
    return folder


@contextmanager
def two_ranks(folder: Path, *more: str) -> Iterator[list[subprocess.Popen[str]]]:
    """Both ranks, of which none is left behind."""
    places = places_here(Place(), 2)
    ranks = [start(process_environment(folder, **place.variables()), "train.main", *FLAGS, *more) for place in places]
    try:
        yield ranks
    finally:
        for process in ranks:
            process.kill()
            process.communicate()


def codes(folder: Path) -> list[int]:
    """What both ranks end with where nobody disturbs them."""
    with two_ranks(folder) as ranks:
        for process in ranks:
            lines_after(process)
        return [process.returncode for process in ranks]


def test_two_processes_of_a_machine_store_one_model(staged: Path, tmp_path: Path) -> None:
    shutil.copytree(staged, tmp_path / "staging")
    flags = ["--max-epochs", "2", "--width", "8", "--layers", "1", "--processes", "2"]
    process = start(process_environment(tmp_path), "train.main", *flags)
    lines = lines_after(process)
    assert process.returncode == 0, lines[-3:]
    assert next(line for line in lines if line.get("message") == "settings")["ranks"] == 2
    assert len([line for line in lines if line.get("message") == "model stored"]) == 1
    assert all(value.isfinite().all() for value in weights(tmp_path).values())


def test_ranks_that_were_stopped_by_a_signal_to_one_continue_to_the_same_bits(staged: Path, tmp_path: Path) -> None:
    for name in ("whole", "stopped"):
        shutil.copytree(staged, tmp_path / name / "staging")
    assert codes(tmp_path / "whole") == [0, 0]
    with two_ranks(tmp_path / "stopped") as (first, second):
        wait_for_checkpoint(tmp_path / "stopped", first)
        second.send_signal(signal.SIGTERM)
        lines_after(first)
        lines_after(second)
        assert (first.returncode, second.returncode) == (143, 143)
    assert codes(tmp_path / "stopped") == [0, 0]
    whole, stopped = weights(tmp_path / "whole"), weights(tmp_path / "stopped")
    assert whole.keys() == stopped.keys()
    assert all(stopped[name].equal(value) for name, value in whole.items())


def test_a_rank_that_is_killed_ends_the_other_with_a_reason(staged: Path, tmp_path: Path) -> None:
    shutil.copytree(staged, tmp_path / "staging")
    with two_ranks(tmp_path, "--max-epochs", "100000", "--patience-epochs", "100000") as (first, second):
        wait_for_checkpoint(tmp_path, first)
        first.kill()
        lines = lines_after(second)  # which waits two minutes at most
        assert second.returncode == 1
        assert "rank 1 lost another rank" in lines[-1]["message"]
