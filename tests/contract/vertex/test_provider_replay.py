"""Vertex AI answers the real provider as it needs."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.contract.cloud_process import CloudProcess
from tests.contract.provider_replay import Replay, exchanges

# Where the recording's server was not Google, and the documentation says what Google answers.
DOCUMENTED = {
    r": metadata\.@type is": "each method's operations have metadata of their own type",
    r"blobStoragePathPrefix is": "a folder's name, each server's own",
}


class VertexReplay(Replay):
    """Resources that the server numbers are asked for by project id, and answered with the project's number."""

    def _serves(self, key: str, theirs: Any, ours: Any) -> bool:
        if key == "name" and re.search(r"/\d{9,}$", str(theirs)):
            self._renamed[theirs.rsplit("/", 1)[-1]] = ours.rsplit("/", 1)[-1]
        return super()._serves(key, theirs, ours)


@pytest.fixture
def cloud(new_cloud: Callable[..., CloudProcess]) -> CloudProcess:
    return new_cloud().start()


def test_every_recorded_exchange_is_answered_as_the_provider_needs(cloud: CloudProcess) -> None:
    recorded = exchanges(("/aiplatform/",))
    assert len(recorded) == 45
    replay = VertexReplay(cloud)
    found = [difference for exchange in recorded for difference in replay.differences(exchange)]
    assert [each for each in found if not any(re.search(pattern, each) for pattern in DOCUMENTED)] == []
    assert [pattern for pattern in DOCUMENTED if not any(re.search(pattern, each) for each in found)] == []


def test_without_the_deviation_a_put_alone_is_not_found(cloud: CloudProcess) -> None:
    recorded = exchanges(("/aiplatform/",))
    replay = VertexReplay(cloud)
    cloud.json("PUT", "/_local/aiplatform/settings", {"persistentResourcePut": False})
    for exchange in recorded:
        found = [each for each in replay.differences(exchange) if "status 404 instead of 200" in each]
        assert bool(found) == (exchange["method"] == "PUT")
