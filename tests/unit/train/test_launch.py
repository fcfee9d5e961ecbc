"""Which rank a process is: by torchrun, by CLUSTER_SPEC or alone; how a wrong place is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from train.environment import load
from train.launch import Place, place_of, places_here
from train.problems import Refused

from tests.unit.train.examples import job_environment

TORCH = {"RANK": "3", "WORLD_SIZE": "4", "MASTER_ADDR": "10.0.0.2", "MASTER_PORT": "3333", "LOCAL_RANK": "1"}


def cluster(pool: str = "workerpool0", index: int = 0, **pools: list[str]) -> str:
    return json.dumps({"cluster": pools, "environment": "cloud", "task": {"type": pool, "index": index, "trial": ""}})


def three(pool: str, index: int) -> str:
    return cluster(pool, index, workerpool0=["chief:2222"], workerpool1=["a:2222", "b:2222"], workerpool2=["r:2222"])


def test_without_any_variable_a_process_is_alone() -> None:
    assert place_of({}) == (Place(), [])
    assert place_of({"MASTER_ADDR": "10.0.0.2", "MASTER_PORT": "3333"}) == (Place(), [])
    assert place_of({"CLUSTER_SPEC": cluster(workerpool0=["chief:2222"])}) == (Place(), [])


def test_torchruns_variables_win_and_are_what_a_place_writes() -> None:
    place, problems = place_of({**TORCH, "CLUSTER_SPEC": three("workerpool0", 0)})
    assert (place, problems) == (Place(rank=3, size=4, local_rank=1, address="10.0.0.2", port=3333), [])
    assert place_of(place.variables()) == (place, [])


@pytest.mark.parametrize(
    ("pool", "index", "rank"), [("workerpool0", 0, 0), ("workerpool1", 0, 1), ("workerpool1", 1, 2)]
)
def test_vertex_ais_cluster_numbers_the_chief_and_then_the_workers(pool: str, index: int, rank: int) -> None:
    place, problems = place_of({"CLUSTER_SPEC": three(pool, index)})
    assert (place, problems) == (Place(rank=rank, size=3, address="chief", port=2222), [])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({**TORCH, "RANK": "4"}, "RANK = 4: must be below WORLD_SIZE, 4"),
        ({**TORCH, "RANK": "-1"}, "RANK = '-1': must be a whole number"),
        ({**TORCH, "WORLD_SIZE": "many"}, "WORLD_SIZE = 'many': must be a whole number"),
        ({**TORCH, "MASTER_ADDR": ""}, "MASTER_ADDR = '': RANK, WORLD_SIZE, MASTER_PORT need it too"),
        ({"CLUSTER_SPEC": "[]"}, r"CLUSTER_SPEC = '\[\]': must be the JSON that Vertex AI sets"),
        ({"CLUSTER_SPEC": three("workerpool2", 0)}, "task 0 of 'workerpool2', which is no rank"),
        ({"CLUSTER_SPEC": three("workerpool1", 7)}, "task 7 of 'workerpool1', which is no rank"),
    ],
)
def test_a_place_that_is_none_is_refused_with_the_rest_of_the_environment(
    tmp_path: Path, given: dict[str, Any], words: str
) -> None:
    with pytest.raises(Refused, match=words):
        load(job_environment(tmp_path, **given))


def test_several_ranks_must_be_told_the_name_of_their_run(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="RUN_ID = '': is required where 4 ranks work on one run"):
        load(job_environment(tmp_path, RUN_ID="", **TORCH))
    assert load(job_environment(tmp_path, RUN_ID="", CLOUD_ML_JOB_ID="17", **TORCH)).place.rank == 3


def test_processes_of_one_machine_share_its_number_and_meet_where_machines_do() -> None:
    assert places_here(Place(), 1) == [Place()]
    first, second = places_here(Place(), 2)
    assert (first.rank, second.rank, second.local_rank, first.size) == (0, 1, 1, 2)
    assert (first.address, first.port) == (second.address, second.port)
    machine = Place(rank=1, size=2, address="chief", port=2222)
    assert places_here(machine, 2) == [
        Place(rank=2, size=4, local_rank=0, address="chief", port=2222),
        Place(rank=3, size=4, local_rank=1, address="chief", port=2222),
    ]
