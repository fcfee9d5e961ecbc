"""One local cloud for these tests, and stacks that the embedded engine brings up on it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.cloud_process import CloudProcess
from tests.e2e.platform.stack import Stack


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudProcess]:
    process = CloudProcess(tmp_path_factory.mktemp("cloud")).start()
    yield process
    process.stop()


@pytest.fixture
def stack(cloud: CloudProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """Prod's configuration in a project of its own, not brought up yet."""
    monkeypatch.setattr("engine.crypto._ROUNDS", 1)  # a million rounds take half a second, and nothing here is secret
    return Stack(cloud, tmp_path)
