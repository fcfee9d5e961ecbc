import hashlib
import json

from infra.go_json import go_json
from tests.unit.infra.deploy import deploy

SCHEDULE = "recsys-training:schedules"


def test_cron_carries_its_time_zone_and_counts_are_strings() -> None:
    inputs = deploy(config={SCHEDULE: {"cron": "30 4 * * 1", "timeZone": "Europe/Paris"}}).one("Schedule").inputs

    assert inputs["cron"] == "TZ=Europe/Paris 30 4 * * 1"
    assert inputs["maxConcurrentRunCount"] == "1"
    assert inputs["allowQueueing"] is False
    assert inputs["location"] == "us-central1"


def test_a_schedule_is_paused_in_dev_and_active_in_prod() -> None:
    assert deploy().one("Schedule").inputs["desiredState"] == "PAUSED"
    assert deploy(stack="prod").one("Schedule").inputs["desiredState"] == "ACTIVE"


def test_the_pipeline_is_inline_in_the_one_form_that_makes_no_diff() -> None:
    spec = deploy().one("Schedule").inputs["createPipelineJobRequest"]["pipelineJob"]["pipelineSpec"]

    assert spec == go_json(json.loads(spec))
    assert spec.startswith('{"components":{')
    assert '"--only=\\u003ctrain\\u003e\\u0026more"' in spec
    assert '"defaultValue":30,' in spec
    assert "für Ä" in spec


def test_a_scheduled_run_runs_as_the_pipelines_account_in_the_pipelines_root() -> None:
    deployment = deploy()
    job = deployment.one("Schedule").inputs["createPipelineJobRequest"]["pipelineJob"]

    assert job["serviceAccount"] == deployment.outputs["service_account"]
    assert job["runtimeConfig"] == {"gcsOutputDirectory": deployment.outputs["pipeline_root"]}


def test_no_digest_is_in_the_schedules_name() -> None:
    deployment = deploy()
    schedule = deployment.one("Schedule")

    assert schedule.inputs["displayName"] == "recsys-training-nightly"
    assert deployment.outputs["pipeline_spec_digest"][:8] not in schedule.name


def test_no_run_starts_before_the_pools_and_every_grant_are_there() -> None:
    deployment = deploy()
    waits_for = deployment.dependencies(deployment.one("Schedule"))
    grants = {record.name for record in deployment.records if record.inputs.get("member")}
    pools = {record.name for record in deployment.of_type("AiPersistentResource")}

    assert grants | pools <= waits_for


def test_submission_and_schedule_run_the_same_bytes_stored_under_their_digest() -> None:
    deployment = deploy()
    stored = deployment.one("BucketObject").inputs
    digest = hashlib.sha256(stored["source"]["text"].encode()).hexdigest()

    assert (
        stored["source"]["text"]
        == deployment.one("Schedule").inputs["createPipelineJobRequest"]["pipelineJob"]["pipelineSpec"]
    )
    assert stored["name"] == f"pipelines/{digest}.json"
    assert deployment.outputs["pipeline_spec_digest"] == digest
    assert deployment.outputs["pipeline_spec_uri"] == f"gs://{stored['bucket']}/{stored['name']}"
