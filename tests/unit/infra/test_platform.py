import json
import re

import pytest

from contracts.stack_outputs import PlatformFacts, StackOutputs
from infra import limits
from infra.naming import DATASET_DRIFT, DATASET_RECSYS, PIPELINE_ACCOUNT, REPOSITORY, Names
from tests.unit.infra.deploy import Record, deploy, main_program, platform, small_pipeline


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_the_stack_exports_the_outputs_contract_and_nothing_else(stack: str) -> None:
    outputs = deploy(stack=stack).outputs

    assert outputs.keys() == StackOutputs.model_fields.keys()
    assert StackOutputs.model_validate(outputs).stack == stack


def test_the_pipeline_is_compiled_with_the_facts_that_are_exported() -> None:
    seen: list[PlatformFacts] = []

    def compile_pipeline(facts: PlatformFacts) -> dict[str, object]:
        seen.append(facts)
        return small_pipeline(facts)

    outputs = deploy(lambda: platform(compile_pipeline)).outputs

    assert seen
    exported = StackOutputs.model_validate(outputs)
    for name in PlatformFacts.model_fields:
        assert getattr(seen[0], name) == getattr(exported, name), name


def test_what_expires_lies_under_the_prefixes_that_expire() -> None:
    outputs = deploy().outputs
    bucket = outputs["artifact_bucket"]

    assert outputs["staging_prefix"].startswith(f"{bucket}/staging/")
    assert outputs["snapshot_prefix"].startswith(f"{bucket}/staging/")
    assert outputs["checkpoint_dir"].startswith(f"{bucket}/checkpoints/")
    for kept in ("model_dir", "pipeline_root", "pipeline_spec_uri"):
        assert not re.match(rf"{bucket}/(staging|checkpoints)/", outputs[kept]), kept


def test_two_deployments_declare_the_same_names_and_inputs() -> None:
    first, second = deploy(platform, stack="prod"), deploy(platform, stack="prod")

    assert {record.urn: record.inputs for record in first.records} == {
        record.urn: record.inputs for record in second.records
    }


def test_every_resource_is_inside_a_component_of_ours() -> None:
    deployment = deploy()
    components = {record.urn for record in deployment.records if record.type.startswith("recsys:infra:")}

    for record in deployment.records:
        assert record.type.startswith("recsys:infra:") or record.parent in components, record.name


@pytest.mark.parametrize(("stack", "protected"), [("dev", set()), ("local", set())])
def test_nothing_is_protected_where_the_configuration_does_not_say_so(
    stack: str, protected: set[str], image_lock: str
) -> None:
    deployment = deploy(stack=stack, config={"recsys-training:imagesLock": image_lock})

    assert {record.name for record in deployment.records if record.protect} == protected


def test_prod_protects_data_images_and_scarce_capacity() -> None:
    assert {record.name for record in deploy(stack="prod").records if record.protect} == {
        "artifacts-bucket",
        "audit-records-bucket",
        "warehouse-recsys_logs",
        "warehouse-recsys_logs-requests",
        "warehouse-recsys_logs-feedback",
        "warehouse-drift",
        "warehouse-drift-hourly",
        "registry-repository",
        "training-pool-recsys-train-blue",
    }


def test_what_can_have_labels_says_which_platform_and_environment_it_belongs_to() -> None:
    records = deploy().records
    kinds = {kind_of(record) for record in records if "labels" in record.inputs} - {"NotificationChannel"}

    assert kinds == {"Bucket", "Dataset", "Table", "Repository"}  # those of a channel are its address
    for record in records:
        if kind_of(record) in kinds:
            assert record.inputs.get("labels") == {"platform": "recsys-training", "environment": "dev"}, record.name


def kind_of(record: Record) -> str:
    return record.type.split(":")[-1]


def test_no_endpoint_is_an_input_of_a_resource(image_lock: str) -> None:
    endpoint = "http://127.0.0.1:54321"
    environment = {"GOOGLE_VERTEX_AI_CUSTOM_ENDPOINT": f"{endpoint}/aiplatform/v1beta1/"}

    deployment = deploy(stack="local", config={"recsys-training:imagesLock": image_lock}, environment=environment)

    assert deployment.outputs["endpoints"]["vertex"] == endpoint
    assert all(endpoint not in str(record.inputs) for record in deployment.records)


def test_the_names_derived_from_a_project_are_ones_that_google_accepts() -> None:
    for project in ("abcdef", "a" * 30):
        names = Names(project=project, region="us-central1")
        assert limits.name_rule("bucket", names.artifact_bucket) is None
    for kind, name in (
        ("service account", PIPELINE_ACCOUNT),
        ("repository", REPOSITORY),
        ("dataset", DATASET_RECSYS),
        ("dataset", DATASET_DRIFT),
    ):
        assert limits.name_rule(kind, name) is None


def test_the_program_itself_declares_the_platform_around_the_real_pipeline() -> None:
    deployment = deploy(main_program)

    assert StackOutputs.model_validate(deployment.outputs)
    spec = json.loads(deployment.one("BucketObject").inputs["source"]["text"])
    assert spec["pipelineInfo"]["name"] == "recsys-training"
    assert deployment.outputs["images"]["trainer"] in deployment.one("BucketObject").inputs["source"]["text"]


def test_the_program_compiles_to_the_same_bytes_every_time() -> None:
    contents = [deploy(main_program, stack="prod").one("BucketObject").inputs["source"]["text"] for _ in range(2)]

    assert contents[0] == contents[1]
