"""A cloud that refuses nobody, as it runs alone: what still must not happen there."""

from collections.abc import Iterator

import pytest

from tests.contract.cloud_process import CloudProcess


@pytest.fixture(scope="package")
def open_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudProcess]:
    cloud = CloudProcess(tmp_path_factory.mktemp("open"), iam="audit").start()
    yield cloud
    cloud.stop()
