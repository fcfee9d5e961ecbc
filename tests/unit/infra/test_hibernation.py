"""A hibernated pool is not there, and everything that would run on it runs on demand."""

import json

import pytest

from contracts.pool_spec import JobRequest, match_problems
from contracts.stack_outputs import StackOutputs
from infra.prices import pool_cost_per_day
from tests.unit.infra.deploy import Deployment, deploy, main_program

TRAINING, STEPS = "recsys-training:trainingPool", "recsys-training:stepsPool"


def pools(deployment: Deployment) -> set[str]:
    return {record.inputs["name"] for record in deployment.of_type("AiPersistentResource")}


@pytest.mark.parametrize(("key", "left"), [(TRAINING, {"recsys-steps-blue"}), (STEPS, {"recsys-train-blue"})])
def test_a_hibernated_pool_is_not_declared_and_the_other_stays(key: str, left: set[str]) -> None:
    assert pools(deploy(config={key: {"hibernated": True}})) == left


def test_the_pipeline_runs_on_demand_by_default_while_its_pool_sleeps() -> None:
    deployment = deploy(main_program, config={TRAINING: {"hibernated": True}})
    spec = json.loads(deployment.one("BucketObject").inputs["source"]["text"])
    parameters = spec["root"]["inputDefinitions"]["parameters"]

    assert parameters["persistent_resource_id"].get("defaultValue", "") == ""
    assert parameters["steps_persistent_resource_id"]["defaultValue"] == "recsys-steps-blue"
    assert parameters["machine_type"]["defaultValue"] == "g2-standard-8"


def test_a_job_that_names_a_sleeping_pool_is_refused_and_one_on_demand_is_not() -> None:
    outputs = StackOutputs.model_validate(deploy(config={TRAINING: {"hibernated": True}}).outputs)
    pool = outputs.training_pool
    job = JobRequest(machine=pool.machine, disk=pool.disk, service_account="a", persistent_resource_id="recsys-train")

    assert "'recsys-train': the stack's pool is hibernated" in str(match_problems(job, pool)[0])
    assert match_problems(job.model_copy(update={"persistent_resource_id": ""}), pool) == []


def test_a_sleeping_pool_costs_nothing() -> None:
    outputs = StackOutputs.model_validate(deploy(config={TRAINING: {"hibernated": True}}).outputs)

    assert pool_cost_per_day(outputs.training_pool, outputs.region).high == 0


def test_a_retiring_pool_stays_while_its_successor_sleeps() -> None:
    retiring = {"hibernated": True, "generation": "green", "retiringGeneration": "blue"}

    assert pools(deploy(config={TRAINING: retiring})) == {"recsys-train-blue", "recsys-steps-blue"}


def test_runs_on_demand_are_not_bound_to_a_pools_replicas() -> None:
    config = {
        TRAINING: {"hibernated": True},
        STEPS: {"hibernated": True},
        "recsys-training:schedules": {"maxConcurrentRuns": 5},
    }

    assert deploy(config=config).one("colab/schedule:Schedule").inputs["maxConcurrentRunCount"] == "5"


@pytest.mark.parametrize(
    ("changes", "minutes"),
    [
        ({}, "60m"),
        ({"machineType": "n1-standard-8", "acceleratorType": "", "acceleratorCount": 0}, "30m"),
        ({"machineType": "a2-highgpu-1g", "acceleratorType": "NVIDIA_TESLA_A100"}, "120m"),
    ],
)
def test_the_scarcer_the_accelerator_the_longer_its_pool_may_take(changes: dict[str, object], minutes: str) -> None:
    pool = deploy(config={TRAINING: changes}).one("AiPersistentResource", "training-pool-recsys-train-blue")

    assert pool.timeouts["create"] == minutes
