"""The benchmark's own code, at a size that says nothing of speed."""

from pathlib import Path

import pytest

from tests.bench.cloud import Figure, Size, measure, read_figures, table
from tests.bench.readers import Connection, Read, Taken, request
from tests.contract.cloud_process import CloudProcess

SIZE = Size(requests=400, clients=2, objects=150, jobs=3)


def test_the_benchmark_reads_lists_and_queues_and_every_answer_is_right(tmp_path: Path) -> None:
    figures, seconds = measure(tmp_path, SIZE)
    found = {figure.name: figure for figure in figures}
    assert sum(map(len, seconds.values())) == SIZE.requests
    assert len(seconds) == 9
    assert found["jobs on a pool of two that succeeded"].met
    assert found["jobs started out of their order"].met
    assert found["jobs that ran at once"].met


def test_a_wrong_answer_is_no_reading(tmp_path: Path) -> None:
    cloud = CloudProcess(tmp_path / "cloud").start()
    try:
        path, said = "/storage/v1/b?project=acme-recsys", b"storage#buckets"
        with Connection(cloud.url) as connection:
            assert said in connection.ask(Read("buckets", request("GET", path, token=cloud.token), said))
            with pytest.raises(RuntimeError, match="401"):
                connection.ask(Read("buckets", request("GET", path, token="nobody"), said))
            with pytest.raises(RuntimeError, match="more than there is"):
                connection.ask(Read("buckets", request("GET", path, token=cloud.token), b"more than there is"))
    finally:
        cloud.stop()


@pytest.mark.parametrize(
    ("seconds", "memory", "missed"),
    [
        ([0.001] * 1000, {100: 2**20, 1000: 2**20}, set()),
        ([0.001] * 980 + [0.06] * 20, {100: 2**20, 1000: 2**20}, {"their 99th percentile"}),
        ([0.001] * 1000, {100: 10 * 2**20, 1000: 12 * 2**20}, {"memory's growth until the last"}),
        ([0.001] * 900, {100: 2**20, 1000: 2**20}, {"small reads"}),
    ],
)
def test_a_figure_beyond_its_target_is_marked(seconds: list[float], memory: dict[int, int], missed: set[str]) -> None:
    figures = read_figures(Taken({"object": seconds}, began=0.0, ended=1.0), memory, cpu=0.5)
    assert {figure.name for figure in figures if figure.met is False} == missed


def test_the_table_tells_what_was_missed() -> None:
    rows = table([Figure("good", 1, "s", "under 2", met=True), Figure("bad", 3, "s", "under 2", met=False)])
    assert [row.split()[-1] for row in rows.splitlines()] == ["met", "MISSED"]
