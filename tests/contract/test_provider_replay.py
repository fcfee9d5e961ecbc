"""The local cloud answers the real provider as it needs: all recorded traffic, in order, against a fresh one."""

import re
from pathlib import Path

import pytest

from tests.contract import conformance
from tests.contract.cloud_process import CloudProcess
from tests.contract.documented_differences import DOCUMENTED


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory):
    cloud = CloudProcess(tmp_path_factory.mktemp("replay")).start()
    yield conformance.run(cloud, put=True)
    cloud.stop()


def test_all_of_the_recording_is_replayed(results):
    assert len(results) == 677 + 59
    assert len({result.exchange["service"] for result in results}) == 19


def test_every_recorded_exchange_is_answered_as_the_provider_needs(results):
    assert [str(each) for result in results for each in result.unexplained] == []


def test_every_documented_difference_is_one(results):
    found = "\n".join(str(each) for result in results for each in result.differences)
    assert [pattern for pattern in DOCUMENTED if not re.search(pattern, found)] == []


def test_a_field_that_the_provider_reads_is_missed(results):
    """The comparison itself sees what the provider would: an answer without a pool's disk."""
    [read] = [
        each.exchange
        for each in results
        if each.exchange["method"] == "GET"
        and each.exchange.get("n")
        and "/topics/drift-events" in each.exchange["path"]
        and "getIamPolicy" not in each.exchange["path"]
    ][:1]
    missed = conformance.Difference(read, "messageRetentionDuration", "is missing; it was '86400s'")
    assert missed.matters
    assert not conformance.explained(missed)


def test_without_the_deviation_a_put_on_a_pool_alone_is_not_found(tmp_path: Path):
    cloud = CloudProcess(tmp_path).start()
    try:
        assert conformance.follows_put(conformance.run(cloud, put=False)) == []
    finally:
        cloud.stop()
