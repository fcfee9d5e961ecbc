from typing import Any

import pytest

from contracts.pool_spec import DiskSpec, JobRequest, MachineSpec, PoolSpec, match_problems
from infra import settings
from tests.unit.infra.deploy import Deployment, Record, deploy

TRAINING = "recsys-training:trainingPool"


def training_pool(stack: str = "dev", **changes: Any) -> Record:
    (record,) = [
        record
        for record in deploy(stack=stack, config={TRAINING: changes}).of_type("AiPersistentResource")
        if record.name.startswith("training-pool-")
    ]
    return record


def test_machine_disk_and_accelerator_are_written_out_and_counts_are_strings() -> None:
    inputs = training_pool().inputs

    assert inputs["name"] == inputs["displayName"] == "recsys-train-blue"
    assert inputs["location"] == "us-central1"
    assert inputs["resourcePools"] == [
        {
            "id": "workers",
            "machineSpec": {"machineType": "g2-standard-8", "acceleratorType": "NVIDIA_L4", "acceleratorCount": 1},
            "diskSpec": {"bootDiskType": "pd-ssd", "bootDiskSizeGb": 100},
            "replicaCount": "1",
        }
    ]


def test_a_pool_without_accelerator_names_none() -> None:
    pools = deploy().one("AiPersistentResource", "steps-pool-recsys-steps-blue").inputs["resourcePools"]

    assert pools[0]["machineSpec"] == {"machineType": "n1-standard-4"}


def test_jobs_on_a_pool_must_bring_a_service_account_of_their_own() -> None:
    for record in deploy().of_type("AiPersistentResource"):
        assert record.inputs["resourceRuntimeSpec"] == {"serviceAccountSpec": {"enableCustomServiceAccount": True}}


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_a_pool_has_no_labels_so_that_no_label_can_replace_it(stack: str) -> None:
    for record in deploy(stack=stack).of_type("AiPersistentResource"):
        assert "labels" not in record.inputs


@pytest.mark.parametrize("key", ["gcp:defaultLabels", "recsys-training:labels"])
def test_no_configuration_can_label_a_pool(key: str) -> None:
    with pytest.raises(settings.RefusedSettings, match=key):
        deploy(config={key: {"team": "recsys"}})


def test_what_the_provider_would_update_by_an_undocumented_request_replaces_the_pool_instead() -> None:
    for record in deploy().of_type("AiPersistentResource"):
        assert record.replace_on_changes == ["resourcePools", "displayName"]
        assert record.delete_before_replace


def test_autoscaling_moves_the_count_without_a_diff() -> None:
    pool = training_pool(replicas=2, minReplicas=1, maxReplicas=4)

    assert pool.inputs["resourcePools"][0]["replicaCount"] == "2"
    assert pool.inputs["resourcePools"][0]["autoscalingSpec"] == {"minReplicaCount": "1", "maxReplicaCount": "4"}
    assert pool.ignore_changes == ["resourcePools[0].replicaCount"]


def test_a_change_of_a_fixed_count_is_seen() -> None:
    assert training_pool().ignore_changes == []


def test_accelerators_are_waited_for_longer_than_the_providers_20_minutes() -> None:
    deployment = deploy()

    assert deployment.one("AiPersistentResource", "training-pool-recsys-train-blue").timeouts == {
        "create": "60m",
        "delete": "30m",
    }
    assert deployment.one("AiPersistentResource", "steps-pool-recsys-steps-blue").timeouts == {
        "create": "30m",
        "delete": "30m",
    }


def test_prod_refuses_to_lose_the_training_pool() -> None:
    pool = training_pool("prod")

    assert (pool.protect, pool.inputs["deletionPolicy"]) == (True, "PREVENT")


def test_the_steps_pool_and_an_unprotected_stack_can_be_changed() -> None:
    steps = deploy(stack="prod").one("AiPersistentResource", "steps-pool-recsys-steps-blue")

    for pool in (steps, training_pool()):
        assert (pool.protect, pool.inputs["deletionPolicy"]) == (False, "DELETE")


def test_the_pools_are_two_resources_so_that_a_change_of_the_steps_leaves_training_alone() -> None:
    bigger = deploy(config={"recsys-training:stepsPool": {"machineType": "n1-standard-8"}})
    name = "training-pool-recsys-train-blue"

    assert bigger.one("AiPersistentResource", name).inputs == deploy().one("AiPersistentResource", name).inputs


def test_another_generation_is_another_resource() -> None:
    green = training_pool(generation="green")

    assert (green.name, green.inputs["name"]) == ("training-pool-recsys-train-green", "recsys-train-green")
    assert green.urn != training_pool().urn


def rotating(pool: str = TRAINING, **changes: Any) -> Deployment:
    """Prod while green takes over from blue."""
    return deploy(stack="prod", config={pool: {"generation": "green", "retiringGeneration": "blue", **changes}})


def test_a_retiring_pool_is_the_resource_that_it_was_and_may_be_deleted() -> None:
    retiring = rotating().one("AiPersistentResource", "training-pool-recsys-train-blue")
    before = training_pool("prod")

    assert retiring.urn == before.urn
    assert retiring.inputs == before.inputs | {"deletionPolicy": "DELETE"}
    assert (before.protect, retiring.protect) == (True, False)


def test_a_machine_change_does_not_touch_a_retiring_pool() -> None:
    """Ignored changes take the state's value: which machine is registered for it does not matter."""
    retiring = rotating(machineType="g2-standard-8").one("AiPersistentResource", "training-pool-recsys-train-blue")

    assert retiring.ignore_changes == ["resourcePools"]


def test_the_successor_of_a_retiring_pool_is_protected_and_the_one_that_jobs_and_schedule_use() -> None:
    deployment = rotating()
    green = deployment.one("AiPersistentResource", "training-pool-recsys-train-green")
    used = deployment.dependencies(deployment.one("Schedule"))

    assert (green.protect, green.inputs["deletionPolicy"]) == (True, "PREVENT")
    assert deployment.outputs["training_pool"]["persistent_resource_id"] == "recsys-train-green"
    assert {name for name in used if name.startswith("training-pool-")} == {"training-pool-recsys-train-green"}


def test_the_steps_pool_is_rotated_alike() -> None:
    deployment = rotating("recsys-training:stepsPool")
    names = {record.name for record in deployment.of_type("AiPersistentResource")}

    assert {name for name in names if name.startswith("steps-")} == {
        "steps-pool-recsys-steps-green",
        "steps-pool-recsys-steps-blue",
    }
    assert deployment.one("AiPersistentResource", "steps-pool-recsys-steps-blue").ignore_changes == ["resourcePools"]


def test_a_job_built_from_the_exported_pool_matches_the_pool_that_was_created() -> None:
    deployment = deploy()
    created = training_pool().inputs["resourcePools"][0]
    exported = PoolSpec.model_validate(deployment.outputs["training_pool"])

    job = JobRequest(
        machine=MachineSpec(
            machine_type=created["machineSpec"]["machineType"],
            accelerator_type=created["machineSpec"]["acceleratorType"],
            accelerator_count=created["machineSpec"]["acceleratorCount"],
        ),
        disk=DiskSpec(
            boot_disk_type=created["diskSpec"]["bootDiskType"], boot_disk_size_gb=created["diskSpec"]["bootDiskSizeGb"]
        ),
        replica_count=int(created["replicaCount"]),
        persistent_resource_id=training_pool().inputs["name"],
        service_account=deployment.outputs["service_account"],
    )
    assert match_problems(job, exported) == []
