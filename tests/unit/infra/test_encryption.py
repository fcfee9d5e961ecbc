"""With own keys everything that is stored names a key of its service, and nothing is made before it can be used."""

from typing import Any

import pytest

from infra.naming import Names
from pipeline.custom_jobs import custom_job
from pipeline.definition import compile_pipeline
from tests.unit.infra.deploy import Deployment, deploy
from tests.unit.pipeline.example import facts

RING = "projects/acme-recsys-dev/locations/us-central1/keyRings/recsys-training"


def encrypted(stack: str = "dev", **changes: Any) -> Deployment:
    return deploy(stack=stack, config={"recsys-training:encryption": {"ownKeys": True, **changes}})


def key(service: str) -> str:
    return f"{RING}/cryptoKeys/{service}"


def test_without_own_keys_nothing_names_one() -> None:
    deployment = deploy()

    assert deployment.of_type("CryptoKey") == []
    assert "kmsKeyName" not in str([record.inputs for record in deployment.records])
    assert deployment.outputs["kms_key"] == ""


def test_everything_that_is_stored_names_the_key_of_its_service() -> None:
    deployment = encrypted()

    assert deployment.one("Bucket").inputs["encryption"] == {"defaultKmsKeyName": key("storage")}
    for record in deployment.of_type("Dataset"):
        assert record.inputs["defaultEncryptionConfiguration"] == {"kmsKeyName": key("bigquery")}
    for record in deployment.of_type("Table"):
        named = record.inputs.get("encryptionConfiguration", {}).get("kmsKeyName")
        assert named == (None if "view" in record.inputs else key("bigquery")), record.name
    repository = deployment.one("artifactregistry/repository:Repository")
    assert repository.inputs["kmsKeyName"] == key("artifactregistry")
    for record in deployment.of_type("AiPersistentResource"):
        assert record.inputs["encryptionSpec"] == {"kmsKeyName": key("aiplatform")}
    request = deployment.one("colab/schedule:Schedule").inputs["createPipelineJobRequest"]
    assert request["pipelineJob"]["encryptionSpec"] == {"kmsKeyName": key("aiplatform")}
    assert deployment.outputs["kms_key"] == key("aiplatform")


@pytest.mark.parametrize(
    ("suffix", "service"),
    [
        ("Bucket", "storage"),
        ("Dataset", "bigquery"),
        ("artifactregistry/repository:Repository", "artifactregistry"),
        ("AiPersistentResource", "aiplatform"),
        ("colab/schedule:Schedule", "aiplatform"),
    ],
)
def test_what_is_encrypted_waits_for_the_key_and_for_its_agents_grant(suffix: str, service: str) -> None:
    deployment = encrypted()

    for record in deployment.of_type(suffix):
        assert {f"encryption-{service}", f"encryption-{service}-agent"} <= deployment.dependencies(record)


def test_each_key_is_open_to_its_services_agent_alone() -> None:
    grants = [record.inputs for record in encrypted().of_type("CryptoKeyIAMMember")]

    assert {grant["role"] for grant in grants} == {"roles/cloudkms.cryptoKeyEncrypterDecrypter"}
    assert {grant["member"] for grant in grants} == {
        "serviceAccount:service-1@gcp-sa-aiplatform.iam.gserviceaccount.com",
        "serviceAccount:service-1@gcp-sa-artifactregistry.iam.gserviceaccount.com",
        "serviceAccount:service-1@gs-project-accounts.iam.gserviceaccount.com",
        "serviceAccount:bq-1@bigquery-encryption.iam.gserviceaccount.com",
    }


def test_keys_lie_in_the_region_of_what_they_encrypt_and_are_turned_over() -> None:
    deployment = encrypted(rotationDays=30)

    assert deployment.one("KeyRing").inputs["location"] == "us-central1"
    assert {record.inputs["rotationPeriod"] for record in deployment.of_type("CryptoKey")} == {"2592000s"}
    names = Names(project="acme-recsys-dev", region="us-central1")
    declared = {record.inputs["name"] for record in deployment.of_type("CryptoKey")}
    assert {names.kms_key(name) for name in declared} == {key(name) for name in declared}


def test_prod_protects_keys_without_which_nothing_can_be_read() -> None:
    deployment = encrypted("prod")

    assert deployment.one("KeyRing").protect
    assert all(record.protect for record in deployment.of_type("CryptoKey"))


def test_every_step_is_a_job_with_the_pools_key() -> None:
    spec = compile_pipeline(facts(kms_key=key("aiplatform")))
    executors = spec["deploymentSpec"]["executors"]

    assert executors
    assert all(key("aiplatform") in str(executor) for executor in executors.values())
    assert "kms_key_name" not in str(compile_pipeline(facts()))


def test_a_job_without_a_key_names_none() -> None:
    job = custom_job(step="s", worker_pools=[], persistent_resource_id="p", service_account="a")

    assert "encryption_spec" not in job


def test_a_key_is_found_by_its_labels_and_is_not_destroyed_within_a_month() -> None:
    for record in encrypted().of_type("CryptoKey"):
        assert record.inputs["labels"] == {"platform": "recsys-training", "environment": "dev"}
        assert record.inputs["destroyScheduledDuration"] == f"{30 * 24 * 3600}s"
