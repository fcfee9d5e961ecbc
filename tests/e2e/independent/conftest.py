"""A local cloud that knows the recorded project, and the recorded program on it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.cloud_process import CloudProcess
from tests.contract.provider_replay import DATA, PROJECT
from tests.e2e.independent.engines import Stack


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[CloudProcess]:
    made = CloudProcess(tmp_path / "cloud").start()
    made.json("PUT", "/_local/projects", PROJECT)
    yield made
    made.stop()


@pytest.fixture
def stack(cloud: CloudProcess, tmp_path: Path) -> Stack:
    return Stack(Path(shutil.copytree(DATA / "stack", tmp_path / "stack")), cloud)
