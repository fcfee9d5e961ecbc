from collections.abc import Iterator
from pathlib import Path

import pytest

from local.cloud.app import Cloud
from local.cloud.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def cloud(tmp_path: Path, clock: ManualClock) -> Iterator[Cloud]:
    """A cloud that nobody serves: its parts are called directly."""
    cloud = Cloud(tmp_path / "cloud", clock=clock)
    yield cloud
    cloud.stop()
