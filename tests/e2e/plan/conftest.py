"""One local cloud for these tests, with a platform on it that is up."""

from collections.abc import Iterator

import pytest

from tests.contract.cloud_process import CloudProcess
from tests.e2e.plan.deployed import Deployed


@pytest.fixture(scope="package")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudProcess]:
    process = CloudProcess(tmp_path_factory.mktemp("cloud")).start()
    yield process
    process.stop()


@pytest.fixture(scope="package")
def dev(cloud: CloudProcess, tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    """Dev, where nothing is protected."""
    return Deployed(cloud, tmp_path_factory.mktemp("dev"))


@pytest.fixture(scope="package")
def prod(cloud: CloudProcess, tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    """Prod, autoscaled and protected."""
    return Deployed(cloud, tmp_path_factory.mktemp("prod"), stack="prod")
