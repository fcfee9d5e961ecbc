from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.aiplatform_v1.types import (
    CustomJob,
    PersistentResource,
    PipelineFailurePolicy,
    PipelineJob,
    PipelineState,
    PipelineTaskDetail,
)

from tests.unit.pipelines.compiled import compiled

from .conftest import BUCKET, DISK, MACHINE, PARENT, PROJECT, Vertex, violations, wait_until
from .pipelines import FIT_MODULE, sleeper, training

FINAL = {
    PipelineState.PIPELINE_STATE_SUCCEEDED,
    PipelineState.PIPELINE_STATE_FAILED,
    PipelineState.PIPELINE_STATE_CANCELLED,
}
State = PipelineTaskDetail.State


@pytest.fixture(scope="module")
def pool(vertex: Vertex) -> str:
    resource = PersistentResource(
        resource_pools=[{"machine_spec": MACHINE, "disk_spec": DISK, "replica_count": 1}],
        resource_runtime_spec={"service_account_spec": {"enable_custom_service_account": True}},
    )
    client = vertex.client("PersistentResourceService")
    client.create_persistent_resource(
        parent=PARENT, persistent_resource=resource, persistent_resource_id="pipes"
    ).result()
    vertex.module("fit", FIT_MODULE)
    return "pipes"


def pipeline_job(spec: dict[str, Any], **parameters: Any) -> PipelineJob:
    config = {"gcs_output_directory": f"gs://{BUCKET}/root", "parameter_values": parameters}
    account = f"pipeline@{PROJECT}.iam.gserviceaccount.com"
    return PipelineJob(display_name="run", pipeline_spec=spec, runtime_config=config, service_account=account)


def submit(vertex: Vertex, job: PipelineJob, short: str) -> PipelineJob:
    return vertex.client("PipelineService").create_pipeline_job(parent=PARENT, pipeline_job=job, pipeline_job_id=short)


def ended(vertex: Vertex, name: str) -> PipelineJob:
    client = vertex.client("PipelineService")
    return wait_until(lambda: client.get_pipeline_job(name=name), lambda job: job.state in FINAL, 60)


def tasks(job: PipelineJob) -> dict[str, PipelineTaskDetail]:
    return {detail.task_name: detail for detail in job.job_detail.task_details}


@pytest.mark.parametrize(("steps", "taken", "left_out"), [(5, "PROMOTED", "bad"), (1, "KEPT", "good")])
def test_a_pipeline_trains_on_a_pool_and_takes_its_branch(
    vertex: Vertex, pool: str, steps: int, taken: str, left_out: str
) -> None:
    made = submit(vertex, pipeline_job(training(pool), steps=steps), f"training-{steps}")
    assert made.state == PipelineState.PIPELINE_STATE_PENDING
    job = ended(vertex, made.name)
    assert job.state == PipelineState.PIPELINE_STATE_SUCCEEDED, job.error
    found = tasks(job)
    assert found["fit"].state == found["measure"].state == State.SUCCEEDED
    skipped = [detail for detail in found.values() if detail.state == State.NOT_TRIGGERED]
    assert len(skipped) == 1, left_out
    assert found["announce" if taken == "PROMOTED" else "announce-2"].execution.metadata["output:Output"] == taken
    assert found["measure"].execution.metadata["output:Output"] == steps / 10
    assert found["last"].state == State.SUCCEEDED
    custom: CustomJob = vertex.client("JobService").get_custom_job(
        name=found["fit"].executor_detail.custom_job_detail.job
    )
    assert custom.job_spec.persistent_resource_id == pool
    assert custom.job_spec.service_account == f"trainer@{PROJECT}.iam.gserviceaccount.com"
    root = found[job.name.rsplit("/", 1)[-1]]
    assert root.state == State.SUCCEEDED
    assert found["exit-handler-1"].parent_task_id == root.task_id
    assert found["fit"].parent_task_id == found["exit-handler-1"].task_id
    assert job.create_time <= job.start_time <= job.end_time


def test_outputs_are_objects_and_lineage(vertex: Vertex, pool: str) -> None:
    made = submit(vertex, pipeline_job(training(pool), steps=7), "lineage")
    job = ended(vertex, made.name)
    model = tasks(job)["fit"].outputs["model"].artifacts[0]
    content = vertex.cloud.call(
        "GET", f"/storage/v1/b/{BUCKET}/o/{model.uri.split('/', 3)[3].replace('/', '%2F')}?alt=media"
    )
    assert content.text == "0.7"
    metadata = vertex.client("MetadataService")
    metrics = tasks(job)["measure"].outputs["metrics"].artifacts[0]
    assert metadata.get_artifact(name=metrics.name).metadata["ndcg"] == 0.7
    run = job.job_detail.pipeline_run_context
    assert run.schema_title == "system.PipelineRun"
    assert job.job_detail.pipeline_context.name in list(run.parent_contexts)
    graph = metadata.query_context_lineage_subgraph(context=run.name)
    assert {model.name, metrics.name} <= {artifact.name for artifact in graph.artifacts}
    made_by = [
        event.execution for event in graph.events if event.artifact == model.name and event.type_.name == "OUTPUT"
    ]
    assert made_by == [tasks(job)["fit"].execution.name]


def test_a_failed_run_says_which_tasks_failed_and_runs_its_exit_handler(vertex: Vertex, pool: str) -> None:
    spec = training(pool)
    spec["components"]["comp-fit"]["inputDefinitions"]["parameters"]["worker_pool_specs"]["defaultValue"][0][
        "machine_spec"
    ]["machine_type"] = "n1-standard-4"
    job = ended(vertex, submit(vertex, pipeline_job(spec), "mismatch").name)
    assert job.state == PipelineState.PIPELINE_STATE_FAILED
    assert "failed tasks are: [exit-handler-1]" in job.error.message
    found = tasks(job)
    assert found["fit"].state == State.FAILED
    assert "machineSpec.machineType: 'n1-standard-4' does not match" in found["fit"].error.message
    assert found["measure"].state == State.NOT_TRIGGERED
    assert found["last"].state == State.SUCCEEDED
    logs = _logs(vertex, found["last"].executor_detail.container_detail.main_job)
    assert any(text.startswith("last: FAILED") for text in logs)


def _logs(vertex: Vertex, job: str) -> list[str]:
    text = f'resource.labels.job_id="{job.rsplit("/", 1)[-1]}"'
    body = {"resourceNames": [f"projects/{PROJECT}"], "filter": text, "pageSize": 1000}
    return [entry.get("textPayload", "") for entry in vertex.cloud.json("POST", "/v2/entries:list", body)["entries"]]


def test_cancel_ends_the_run_and_its_jobs(vertex: Vertex) -> None:
    client = vertex.client("PipelineService")
    made = submit(vertex, pipeline_job(compiled(sleeper)), "cancelled")
    wait_until(
        lambda: client.get_pipeline_job(name=made.name),
        lambda job: tasks(job).get("sleep") and tasks(job)["sleep"].state == State.RUNNING,
    )
    client.cancel_pipeline_job(name=made.name)
    job = ended(vertex, made.name)
    assert job.state == PipelineState.PIPELINE_STATE_CANCELLED
    assert job.error.code == 1
    assert tasks(job)["sleep"].state == State.CANCELLED
    assert "announce" not in tasks(job)


def test_parameters_are_checked_before_anything_runs(vertex: Vertex) -> None:
    spec = compiled(sleeper)
    for parameters, field in (({"seconds": "long"}, "seconds"), ({"minutes": 1}, "minutes")):
        with pytest.raises(exceptions.BadRequest) as refused:
            submit(vertex, pipeline_job(spec, **parameters), "wrong")
        assert list(violations(refused)) == [f"runtimeConfig.parameterValues[{field!r}]"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"pipeline_spec": {}}, "pipelineSpec"),
        ({"runtime_config": {"gcs_output_directory": "gs://no-such-bucket/x"}}, "runtimeConfig.gcsOutputDirectory"),
        ({"runtime_config": {"gcs_output_directory": "/tmp"}}, "runtimeConfig.gcsOutputDirectory"),
        ({"labels": {"Bad Key": "x"}}, "labels['Bad Key']"),
    ],
)
def test_a_pipeline_job_that_google_refuses_is_refused(vertex: Vertex, change: dict[str, Any], field: str) -> None:
    body = {**PipelineJob.to_dict(pipeline_job(compiled(sleeper))), **change}
    body["pipeline_spec"] = change.get("pipeline_spec", compiled(sleeper))
    with pytest.raises(exceptions.BadRequest) as refused:
        submit(vertex, PipelineJob(**body), "refused")
    assert field in violations(refused)


def test_an_id_that_is_taken_or_no_id_is_refused(vertex: Vertex) -> None:
    job = pipeline_job(compiled(sleeper), seconds=0)
    submit(vertex, job, "once")
    with pytest.raises(exceptions.Conflict):
        submit(vertex, job, "once")
    with pytest.raises(exceptions.BadRequest, match="Not-An-Id"):
        submit(vertex, job, "Not-An-Id")
    ended(vertex, f"{PARENT}/pipelineJobs/once")


def test_runs_are_listed_and_deleted(vertex: Vertex) -> None:
    client = vertex.client("PipelineService")
    job = pipeline_job(compiled(sleeper), seconds=0)
    job.labels["listed"] = "yes"
    job.runtime_config.failure_policy = PipelineFailurePolicy.PIPELINE_FAILURE_POLICY_FAIL_FAST
    names = [submit(vertex, job, f"listed-{number}").name for number in range(2)]
    for name in names:
        ended(vertex, name)
    listed = list(client.list_pipeline_jobs(request={"parent": PARENT, "filter": "labels.listed=yes"}))
    assert [each.name for each in listed] == names[::-1]
    assert listed[0].runtime_config.failure_policy == PipelineFailurePolicy.PIPELINE_FAILURE_POLICY_FAIL_FAST
    client.delete_pipeline_job(name=names[0]).result()
    with pytest.raises(exceptions.NotFound):
        client.get_pipeline_job(name=names[0])


def test_caching_skips_a_task_unless_the_request_says_no(vertex: Vertex, tmp_path: object) -> None:
    spec = compiled(sleeper)
    spec["root"]["dag"]["tasks"]["sleep"]["cachingOptions"] = {"enableCache": True}
    ended(vertex, submit(vertex, pipeline_job(spec, seconds=0.01), "cache-1").name)
    second = ended(vertex, submit(vertex, pipeline_job(spec, seconds=0.01), "cache-2").name)
    assert tasks(second)["sleep"].state == State.SKIPPED
    assert tasks(second)["sleep"].execution.state.name == "CACHED"
    assert tasks(second)["announce"].execution.metadata["output:Output"] == "AWAKE"
    spec["root"]["dag"]["tasks"]["sleep"]["cachingOptions"] = {}
    third = ended(vertex, submit(vertex, pipeline_job(spec, seconds=0.01), "cache-3").name)
    assert tasks(third)["sleep"].state == State.SUCCEEDED
