"""Training pipelines: as the SDK's training jobs make them, and as the generated client does."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.aiplatform_v1.types import TrainingPipeline
from google.protobuf import json_format, struct_pb2

from tests.contract.cloud_process import CloudProcess

from .conftest import BUCKET, IMAGE, PARENT, PROJECT, Vertex, violations, wait_until, worker_pool

pytestmark = pytest.mark.slow

CUSTOM_TASK = "gs://google-cloud-aiplatform/schema/trainingjob/definition/custom_task_1.0.0.yaml"
FINAL = {"PIPELINE_STATE_SUCCEEDED", "PIPELINE_STATE_FAILED", "PIPELINE_STATE_CANCELLED"}


def pipeline(*command: str, base: str = f"gs://{BUCKET}/trained", **more: Any) -> TrainingPipeline:
    inputs = {"workerPoolSpecs": [worker_pool(*command)], "baseOutputDirectory": {"outputUriPrefix": base}}
    value = json_format.ParseDict(inputs, struct_pb2.Value())
    fields = {"display_name": "trained", "training_task_definition": CUSTOM_TASK, "training_task_inputs": value}
    return TrainingPipeline(**{**fields, **more})


def ended(client: Any, name: str) -> TrainingPipeline:
    return wait_until(lambda: client.get_training_pipeline(name=name), lambda each: each.state.name in FINAL)


def test_the_sdk_trains_in_a_container_and_gets_the_model(
    vertex: Vertex,
    sdk: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sdk.training_jobs, "_JOB_WAIT_TIME", 0.1)
    job = sdk.CustomContainerTrainingJob(
        display_name="container",
        container_uri=IMAGE,
        command=[
            "sh",
            "-c",
            f'mkdir -p /gcs/{BUCKET}/sdk-trained/model && echo "$@" >/gcs/{BUCKET}/sdk-trained/model/w',
            "-",
        ],
        model_serving_container_image_uri="example.com/serving:1",
    )
    trained = {"base_output_dir": f"gs://{BUCKET}/sdk-trained", "machine_type": "n1-standard-4", "sync": True}
    model = job.run(args=["--epochs", "2"], model_display_name="of-sdk", model_id="of-sdk", timeout=60, **trained)
    assert (model.display_name, model.name, model.version_id) == ("of-sdk", "of-sdk", "1")
    assert model.uri == f"gs://{BUCKET}/sdk-trained/model"
    assert model.gca_resource.training_pipeline == job.resource_name
    assert job.state.name == "PIPELINE_STATE_SUCCEEDED"
    again = sdk.CustomContainerTrainingJob(
        "again", container_uri=IMAGE, command=["true"], model_serving_container_image_uri="x"
    )
    second = again.run(parent_model="of-sdk", is_default_version=False, model_version_aliases=["fresh"], **trained)
    assert (second.version_id, second.version_aliases) == ("2", ["fresh"])
    found = sdk.CustomContainerTrainingJob.list(filter='display_name="container"')
    assert [each.resource_name for each in found] == [job.resource_name]
    assert sdk.CustomContainerTrainingJob.get(job.resource_name).get_model().name == "of-sdk"
    job.delete()
    assert sdk.Model("of-sdk").version_id == "1"


def test_what_a_pipelines_job_comes_to_it_comes_to(vertex: Vertex) -> None:
    client = vertex.client("PipelineService")
    made = client.create_training_pipeline(parent=PARENT, training_pipeline=pipeline("sh", "-c", "exit 3"))
    failed = ended(client, made.name)
    assert failed.state.name == "PIPELINE_STATE_FAILED"
    assert "non-zero status of 3" in failed.error.message
    backing = vertex.client("JobService").get_custom_job(name=failed.training_task_metadata["backingCustomJob"])
    assert (backing.display_name, backing.state.name) == ("trained-custom-job", "JOB_STATE_FAILED")
    assert failed.start_time
    assert failed.end_time
    model = {"display_name": "never"}
    made = client.create_training_pipeline(
        parent=PARENT, training_pipeline=pipeline("true", base=f"gs://{BUCKET}/empty", model_to_upload=model)
    )
    assert ended(client, made.name).error.message == f'There are no files under "gs://{BUCKET}/empty/model" to copy.'


def test_a_pipeline_is_cancelled_and_deleted(vertex: Vertex) -> None:
    client = vertex.client("PipelineService")
    name = client.create_training_pipeline(
        parent=PARENT, training_pipeline=pipeline("sleep", "60", labels={"of": "cancel"})
    ).name
    wait_until(
        lambda: client.get_training_pipeline(name=name).state.name, lambda state: state == "PIPELINE_STATE_RUNNING"
    )
    with pytest.raises(exceptions.BadRequest, match="cancel it before"):
        client.delete_training_pipeline(name=name)
    assert name in [
        each.name
        for each in client.list_training_pipelines(
            request={"parent": PARENT, "filter": "labels.of=cancel AND state=PIPELINE_STATE_RUNNING"}
        )
    ]
    client.cancel_training_pipeline(name=name)
    cancelled = ended(client, name)
    assert (cancelled.state.name, cancelled.error.code) == ("PIPELINE_STATE_CANCELLED", 1)
    client.delete_training_pipeline(name=name).result()
    with pytest.raises(exceptions.NotFound):
        client.get_training_pipeline(name=name)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"display_name": ""}, "displayName"),
        ({"training_task_definition": ""}, "trainingTaskDefinition"),
        ({"training_task_inputs": struct_pb2.Value(string_value="x")}, "trainingTaskInputs"),
        ({"base": "", "model_to_upload": {"display_name": "m"}}, "trainingTaskInputs.baseOutputDirectory"),
        ({"model_to_upload": {"display_name": ""}}, "model.displayName"),
        ({"base": "trained"}, "trainingTaskInputs.baseOutputDirectory.outputUriPrefix"),
    ],
)
def test_a_pipeline_that_google_refuses_is_refused(vertex: Vertex, change: dict[str, Any], field: str) -> None:
    with pytest.raises(exceptions.BadRequest) as refused:
        vertex.client("PipelineService").create_training_pipeline(
            parent=PARENT, training_pipeline=pipeline("true", **change)
        )
    assert list(violations(refused)) == [field]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"training_task_definition": CUSTOM_TASK.replace("custom_task", "automl_tabular")}, "automl_tabular"),
        ({"input_data_config": {"dataset_id": "1"}}, "inputDataConfig"),
    ],
)
def test_what_this_cloud_cannot_train_is_refused_by_name(vertex: Vertex, change: dict[str, Any], named: str) -> None:
    with pytest.raises(exceptions.BadRequest, match=named):
        vertex.client("PipelineService").create_training_pipeline(
            parent=PARENT, training_pipeline=pipeline("true", **change)
        )


def test_a_pipeline_outlives_its_cloud(new_cloud: Callable[..., CloudProcess], tmp_path: Path) -> None:
    vertex = Vertex(new_cloud().start(), tmp_path)
    vertex.prepare()
    go = tmp_path / "go"
    code = (
        f"mkdir -p /gcs/{BUCKET}/kept/model; echo w >/gcs/{BUCKET}/kept/model/w; until [ -e {go} ]; do sleep 0.05; done"
    )
    made = vertex.client("PipelineService").create_training_pipeline(
        parent=PARENT,
        training_pipeline=pipeline(
            "sh", "-c", code, base=f"gs://{BUCKET}/kept", model_to_upload={"display_name": "kept"}
        ),
    )
    wait_until(
        lambda: vertex.client("PipelineService").get_training_pipeline(name=made.name).state.name,
        lambda state: state == "PIPELINE_STATE_RUNNING",
    )
    vertex.cloud.kill()
    go.touch()
    vertex.cloud.start()
    client = vertex.client("PipelineService")
    done = ended(client, made.name)
    assert done.state.name == "PIPELINE_STATE_SUCCEEDED"
    assert vertex.client("ModelService").get_model(name=done.model_to_upload.name).training_pipeline == made.name
    jobs = vertex.client("JobService").list_custom_jobs(parent=f"projects/{PROJECT}/locations/europe-west1")
    assert [each.name for each in jobs] == [done.training_task_metadata["backingCustomJob"]]
