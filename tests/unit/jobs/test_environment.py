import json
from pathlib import Path

import pytest

from local.cloud.jobs.environment import (
    ReplicaPlace,
    free_addresses,
    image_environment,
    map_gcs,
    needs_own_interpreter,
    replica_environment,
)
from local.cloud.jobs.images import RuntimeManifest
from local.cloud.jobs.spec import Job, WorkerPool

RUNTIME = RuntimeManifest(
    interpreter="/venv/bin/python", workdir="/app", pythonpath=["/app", "/lib"], env={"GIT_SHA": "abc"}
)


def job(*replicas: int, base: str = "", env: dict[str, str] | None = None) -> Job:
    pools = tuple(WorkerPool(count, "image", ["python"], [], env or {}) for count in replicas)
    spec = {"workerPoolSpecs": [{"replicaCount": str(count)} for count in replicas]}
    return Job("projects/acme/locations/l/customJobs/42", pools, spec, base_output_directory=base)


def environment(of: Job, pool: int = 0, index: int = 0) -> dict[str, str]:
    place = ReplicaPlace(pool, index, Path("/jobs/42/x"), Path("/tmp/42-x"))
    cloud = {"GCE_METADATA_HOST": "127.0.0.1:1/secret"}
    return replica_environment(of, RUNTIME, place, addresses=free_addresses(of), cloud=cloud, objects=Path("/objects"))


def test_cluster_spec_names_every_replica_with_its_own_port() -> None:
    spec = json.loads(environment(job(1, 2), pool=1, index=1)["CLUSTER_SPEC"])
    addresses = [address for pool in spec["cluster"].values() for address in pool]
    assert {name: len(pool) for name, pool in spec["cluster"].items()} == {"workerpool0": 1, "workerpool1": 2}
    assert len(set(addresses)) == 3
    assert all(address.startswith("127.0.0.1:") for address in addresses)
    assert spec["task"] == {"type": "workerpool1", "index": 1, "trial": ""}
    assert spec["environment"] == "cloud"
    assert spec["job"]["workerPoolSpecs"][1]["replicaCount"] == "2"


def test_tf_config_is_set_for_distributed_jobs_alone() -> None:
    assert "TF_CONFIG" not in environment(job(1))
    config = json.loads(environment(job(1, 1, 1), pool=2)["TF_CONFIG"])
    assert sorted(config["cluster"]) == ["chief", "ps", "worker"]
    assert config["task"]["type"] == "ps"


def test_the_ranks_of_torch_are_the_primary_and_the_workers() -> None:
    distributed = job(1, 2, 1, 1)
    seen = [
        environment(distributed, pool=pool, index=index) for pool, index in ((0, 0), (1, 0), (1, 1), (2, 0), (3, 0))
    ]
    assert [env.get("RANK") for env in seen] == ["0", "1", "2", None, None]
    assert {env["WORLD_SIZE"] for env in seen} == {"3"}
    for env in seen:
        primary = json.loads(env["CLUSTER_SPEC"])["cluster"]["workerpool0"][0]
        assert f"{env['MASTER_ADDR']}:{env['MASTER_PORT']}" == primary
    assert "MASTER_ADDR" not in environment(job(1))


def test_the_evaluator_is_in_cluster_spec_but_not_in_tensorflow_s_cluster() -> None:
    env = environment(job(1, 2, 1, 1), pool=3)
    assert sorted(json.loads(env["CLUSTER_SPEC"])["cluster"]) == [f"workerpool{number}" for number in range(4)]
    config = json.loads(env["TF_CONFIG"])
    assert {role: len(addresses) for role, addresses in config["cluster"].items()} == {"chief": 1, "worker": 2, "ps": 1}
    assert config["task"] == {"type": "evaluator", "index": 0, "cloud": "42"}


def test_the_output_folders_are_set_only_with_a_base_output_directory() -> None:
    assert not [name for name in environment(job(1)) if name.startswith("AIP_")]
    env = environment(job(1, base="gs://bucket/run/"))
    assert env["AIP_MODEL_DIR"] == "gs://bucket/run/model/"
    assert env["AIP_CHECKPOINT_DIR"] == "gs://bucket/run/checkpoints/"
    assert env["AIP_TENSORBOARD_LOG_DIR"] == "gs://bucket/run/logs/"


def test_nothing_of_the_operator_s_environment_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/home/me/key.json")
    monkeypatch.setenv("OPERATOR_SECRET", "x")
    env = environment(job(1))
    assert "OPERATOR_SECRET" not in env
    assert "GOOGLE_APPLICATION_CREDENTIALS" not in env
    assert env["HOME"] == "/jobs/42/x"
    assert env["GCE_METADATA_HOST"] == "127.0.0.1:1/secret"
    assert env["GIT_SHA"] == "abc"
    assert env["OMP_NUM_THREADS"] == "1"
    assert env["PATH"].split(":")[0] == "/venv/bin"


def test_the_container_s_own_variables_win_and_their_gcs_paths_are_mapped() -> None:
    env = environment(job(1, env={"GIT_SHA": "mine", "OUT": "/gcs/b/o", "OMP_NUM_THREADS": "2"}))
    assert (env["GIT_SHA"], env["OUT"], env["OMP_NUM_THREADS"]) == ("mine", "/objects/b/o", "2")


@pytest.mark.parametrize(
    ("text", "mapped"),
    [
        ("/gcs/b/o", "/objects/b/o"),
        ('{"outputFile": "/gcs/b/o"}', '{"outputFile": "/objects/b/o"}'),
        ("--out=/gcs/b:/gcs/c", "--out=/objects/b:/objects/c"),
        ("gs://b/gcs/o", "gs://b/gcs/o"),
        ("/data/gcs/o", "/data/gcs/o"),
    ],
)
def test_only_paths_of_the_mount_are_mapped(text: str, mapped: str) -> None:
    assert map_gcs(text, Path("/objects")) == mapped


def test_a_variable_that_is_read_at_start_needs_an_interpreter_of_its_own() -> None:
    started = image_environment(RUNTIME)
    assert needs_own_interpreter(started | {"TRAIN_ARGS": "x", "OMP_NUM_THREADS": "2"}, RUNTIME) is None
    assert needs_own_interpreter(started | {"PYTHONHASHSEED": "0"}, RUNTIME) == "PYTHONHASHSEED"
    assert needs_own_interpreter(started | {"LD_PRELOAD": "/lib/x.so"}, RUNTIME) == "LD_PRELOAD"
    assert needs_own_interpreter(started | {"PYTHONPATH": "/other"}, RUNTIME) == "PYTHONPATH"
