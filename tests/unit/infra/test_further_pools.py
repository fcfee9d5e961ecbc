"""Several training pools: each a resource of its own, called by its id, from configuration to submission."""

import json
from typing import Any

import pytest

from contracts.stack_outputs import StackOutputs
from infra.settings import RefusedSettings
from tests.unit.infra.deploy import Deployment, deploy, main_program, stack_config

KEY, SCHEDULES = "recsys-training:furtherTrainingPools", "recsys-training:schedules"
CONFIG = stack_config("dev", {})
NIGHTLY = CONFIG[SCHEDULES][0]
LARGE = CONFIG["recsys-training:trainingPool"] | {
    "persistentResourceId": "recsys-large",
    "machineType": "g2-standard-24",
    "acceleratorCount": 2,
}


def with_large(*, run_on: str = "pool", schedule: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    return {KEY: [LARGE | changes], SCHEDULES: [NIGHTLY | {"runOn": run_on} | (schedule or {})]}


def refusal(config: dict[str, Any]) -> str:
    with pytest.raises(RefusedSettings) as refused:
        deploy(config=config)
    return str(refused.value)


def scheduled(deployment: Deployment) -> dict[str, Any]:
    """The defaults of the schedule's own spec."""
    job = deployment.one("colab/schedule:Schedule").inputs["createPipelineJobRequest"]["pipelineJob"]
    parameters = json.loads(job["pipelineSpec"])["root"]["inputDefinitions"]["parameters"]
    return {name: definition.get("defaultValue") for name, definition in parameters.items()}


def test_a_further_pool_is_a_resource_of_its_own_and_leaves_the_others_alone() -> None:
    both, alone = deploy(config=with_large()), deploy()
    large = both.one("AiPersistentResource", "training-pool-recsys-large-recsys-large-blue")
    usual = "training-pool-recsys-train-blue"

    assert large.inputs["resourcePools"][0]["machineSpec"]["machineType"] == "g2-standard-24"
    assert both.one("AiPersistentResource", usual) == alone.one("AiPersistentResource", usual)


def test_it_is_protected_where_the_training_pool_is() -> None:
    prod = deploy(stack="prod", config={KEY: [LARGE]})

    assert prod.one("AiPersistentResource", "training-pool-recsys-large-recsys-large-blue").protect


def test_it_has_generations_of_its_own() -> None:
    rotating = deploy(config=with_large(generation="green", retiringGeneration="blue"))

    assert {record.inputs["name"] for record in rotating.of_type("AiPersistentResource")} == {
        *("recsys-train-blue", "recsys-large-green", "recsys-large-blue", "recsys-steps-blue"),
    }


def test_the_outputs_carry_every_pool_under_its_name() -> None:
    outputs = StackOutputs.model_validate(deploy(config=with_large(hibernated=True)).outputs)

    assert [pool.name for pool in outputs.training_pools] == ["recsys-train", "recsys-large"]
    assert outputs.training_pools[1].persistent_resource_id == ""
    assert outputs.training_pools[1].machine.accelerator_count == 2


def test_a_schedule_that_names_it_asks_for_its_machine() -> None:
    deployment = deploy(main_program, config=with_large(run_on="recsys-large"))
    usual = json.loads(deployment.one("BucketObject").inputs["source"]["text"])["root"]["inputDefinitions"][
        "parameters"
    ]

    assert scheduled(deployment)["persistent_resource_id"] == "recsys-large-blue"
    assert scheduled(deployment)["machine_type"] == "g2-standard-24"
    assert usual["persistent_resource_id"]["defaultValue"] == "recsys-train-blue"


def test_a_schedule_waits_for_every_pool() -> None:
    deployment = deploy(config=with_large())

    waited_for = deployment.dependencies(deployment.one("colab/schedule:Schedule"))
    assert "training-pool-recsys-large-recsys-large-blue" in waited_for


def test_the_training_pools_own_name_means_the_training_pool() -> None:
    deployment = deploy(main_program, config=with_large(run_on="recsys-train"))

    assert scheduled(deployment)["persistent_resource_id"] == "recsys-train-blue"


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (with_large(machineType="g2-standard-8"), "furtherTrainingPools[0].acceleratorCount x acceleratorType = '2 x"),
        (with_large(persistentResourceId="spot"), "[0].persistentResourceId = 'spot': is a word that runOn has"),
        (
            with_large(persistentResourceId="recsys-train", generation="green"),
            "furtherTrainingPools[0].persistentResourceId = 'recsys-train': is another training pool's too",
        ),
        (
            with_large(persistentResourceId="recsys-train"),
            "persistentResourceId = 'recsys-train-blue': is the training pool's name too",
        ),
        (
            with_large(persistentResourceId="recsys-steps"),
            "'recsys-steps-blue': is the recsys-training:furtherTrainingPools[0]'s name too",
        ),
        (with_large(run_on="recsys-huge"), "runOn = 'recsys-huge': must be one of pool, recsys-train, recsys-large"),
        (
            with_large(run_on="recsys-large", schedule={"maxConcurrentRuns": 2}),
            "maxConcurrentRuns = 2: recsys-training:furtherTrainingPools[0] has at most 1 replica",
        ),
        ({KEY: [LARGE, "large"]}, "furtherTrainingPools[1] = 'large': must be a mapping"),
        ({KEY: [LARGE | {"machineTipe": "n1"}]}, "machineTipe = 'n1': is no key of this program. Rename it to"),
    ],
)
def test_one_that_breaks_a_rule_is_refused_by_its_place(config: dict[str, Any], words: str) -> None:
    assert words in refusal(config)


def test_schedules_on_different_pools_do_not_share_their_replicas() -> None:
    steps = {"recsys-training:stepsPool": {"replicas": 2, "minReplicas": 2, "maxReplicas": 2}}
    running = NIGHTLY | {"paused": False}
    schedules = [running, running | {"name": "large", "runOn": "recsys-large"}]

    assert deploy(config={KEY: [LARGE], SCHEDULES: schedules, **steps})
