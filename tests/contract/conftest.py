"""One local cloud for a session's contract tests, and a way to start more."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.contract.cloud_process import CloudProcess
from tests.contract.google_clients import GoogleClients


@pytest.fixture(scope="session")
def cloud_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudProcess]:
    """A cloud that enforces authentication. It is shared: name what you create for your test."""
    cloud = CloudProcess(tmp_path_factory.mktemp("cloud")).start()
    yield cloud
    cloud.stop()


@pytest.fixture(scope="module")
def google_clients(cloud_server: CloudProcess) -> GoogleClients:
    """Google's clients in a project of the module's own."""
    return GoogleClients(cloud_server)


@pytest.fixture
def new_cloud(tmp_path: Path) -> Iterator[Callable[..., CloudProcess]]:
    """Makes clouds for one test alone: `new_cloud(iam="audit")`; not yet started."""
    made: list[CloudProcess] = []

    def make(**options: str) -> CloudProcess:
        made.append(CloudProcess(tmp_path / f"cloud-{len(made)}", **options))
        return made[-1]

    yield make
    for cloud in made:
        cloud.stop()
