"""Who else hears of a run: mistakes of Weights & Biases warn and nothing of it stays; names of Vertex Experiments."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from train import trackers
from train.environment import load
from train.experiments import run_context_id

from tests.unit.train.examples import job_environment


class _Service:
    """A wandb module whose run fails at what it is told to fail at."""

    def __init__(self, fails: set[str]) -> None:
        self.fails, self.calls = fails, list[str]()
        self.folder = Path()
        self.Settings = SimpleNamespace

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if name in self.fails:
            raise RuntimeError(f"{name} is broken")

    def init(self, **options: Any) -> "_Service":
        self.folder = Path(options["dir"])
        assert self.folder.is_dir()
        self._called("init")
        return self

    def log(self, values: dict[str, float], *, step: int) -> None:
        self._called("log")

    def finish(self, *, exit_code: int) -> None:
        self._called("finish")


@pytest.mark.parametrize(
    ("fails", "warnings", "calls"),
    [
        (set(), [], ["init", "log", "log", "finish"]),
        ({"log"}, ["wandb no longer logs metrics: log is broken"], ["init", "log", "finish"]),
        ({"finish"}, ["wandb did not finish: finish is broken"], ["init", "log", "log", "finish"]),
        ({"init"}, ["wandb is not logged: init is broken"], ["init"]),
    ],
)
def test_a_mistake_of_the_service_warns_once_and_its_folder_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: set[str], warnings: list[str], calls: list[str]
) -> None:
    service, said = _Service(fails), list[str]()
    monkeypatch.setitem(sys.modules, "wandb", service)
    tracker = trackers._Wandb(load(job_environment(tmp_path)), warn=said.append)
    tracker.start({"width": 8})
    tracker.observe("train_loss", 1.0, 1)
    tracker.observe("train_loss", 0.5, 2)
    tracker.finish("COMPLETE")
    assert (said, service.calls) == (warnings, calls)
    assert not service.folder.exists()


def test_two_long_run_ids_have_two_contexts_and_short_ones_keep_their_name() -> None:
    assert run_context_id("recsys-dev", "Run_1") == "recsys-dev-run-1"
    ids = {run_context_id("recsys-dev", "r" * 120 + end) for end in ("1", "2")}
    assert len(ids) == 2
    assert all(len(name) == 121 for name in ids)
