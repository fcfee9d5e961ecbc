"""One local cloud for the pipeline's end-to-end tests, and platforms on it."""

from collections.abc import Iterator

import pytest

from tests.contract.cloud_process import CloudProcess
from tests.e2e.pipeline.platform import LocalPlatform


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudProcess]:
    process = CloudProcess(tmp_path_factory.mktemp("cloud")).start()
    yield process
    process.stop()


@pytest.fixture
def platform(cloud: CloudProcess) -> LocalPlatform:
    return LocalPlatform(cloud).with_bucket()
