"""Google's own pipeline components, where a training pipeline needs them beside its custom jobs."""
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false

import warnings
from typing import Any

import pytest
from google.cloud.aiplatform_v1.types import PipelineState, PipelineTaskDetail
from kfp import dsl

from tests.unit.pipelines.compiled import compiled

from .conftest import BUCKET, PARENT, PROJECT, Vertex
from .pipelines import light
from .test_pipeline_jobs import _logs, ended, pipeline_job, submit, tasks

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from google_cloud_pipeline_components.types.artifact_types import UnmanagedContainerModel
    from google_cloud_pipeline_components.v1.batch_predict_job import ModelBatchPredictOp
    from google_cloud_pipeline_components.v1.model import ModelGetOp, ModelUploadOp
    from google_cloud_pipeline_components.v1.vertex_notification_email import VertexNotificationEmailOp

pytestmark = pytest.mark.slow
State = PipelineTaskDetail.State


@light
def register(project: str, uri: str) -> str:
    from google.cloud import aiplatform

    aiplatform.init(project=project, location="europe-west1")
    image = "europe-docker.pkg.dev/vertex-ai/prediction/pytorch-cpu.2-4:latest"
    model = aiplatform.Model.upload(display_name="by-a-component", artifact_uri=uri, serving_container_image_uri=image)
    return model.name


def imported(uri: str) -> Any:
    serving = {"containerSpec": {"imageUri": "europe-docker.pkg.dev/vertex-ai/prediction/pytorch-cpu.2-4:latest"}}
    return dsl.importer(artifact_uri=uri, artifact_class=UnmanagedContainerModel, metadata=serving)


def test_a_model_is_uploaded_and_a_notification_is_accepted_without_a_mail(vertex: Vertex) -> None:
    @dsl.pipeline(name="upload")
    def upload():
        mail = VertexNotificationEmailOp(recipients=["ops@acme.example"])
        with dsl.ExitHandler(mail, name="guarded"):
            model = imported(f"gs://{BUCKET}/model-of-the-test")
            ModelUploadOp(
                project=PROJECT,
                location="europe-west1",
                display_name="uploaded",
                unmanaged_container_model=model.output,
            ).set_caching_options(False)

    job = ended(vertex, submit(vertex, pipeline_job(compiled(upload)), "upload").name)
    found = tasks(job)
    assert job.state == PipelineState.PIPELINE_STATE_SUCCEEDED, found["model-upload"].error
    listed = list(
        vertex.client("ModelService").list_models(request={"parent": PARENT, "filter": 'display_name="uploaded"'})
    )
    assert listed[0].artifact_uri == f"gs://{BUCKET}/model-of-the-test"
    assert (
        listed[0].name.split("/", 2)[2] in found["model-upload"].outputs["model"].artifacts[0].metadata["resourceName"]
    )
    said = _logs(vertex, found["vertex-pipelines-notification-email"].executor_detail.container_detail.main_job)
    assert any('sends no mail. To: ["ops@acme.example"]' in text and "SUCCEEDED" in text for text in said)


def test_a_component_that_uses_the_sdk_reaches_this_cloud_and_a_model_is_got_by_its_name(vertex: Vertex) -> None:
    @dsl.pipeline(name="register")
    def registering():
        made = register(project=PROJECT, uri=f"gs://{BUCKET}/by-a-component").set_caching_options(False)
        ModelGetOp(project=PROJECT, location="europe-west1", model_name=made.output)

    job = ended(vertex, submit(vertex, pipeline_job(compiled(registering)), "register").name)
    found = tasks(job)
    assert job.state == PipelineState.PIPELINE_STATE_SUCCEEDED, {name: str(each.error) for name, each in found.items()}
    name = f"{PARENT}/models/{found['register'].execution.metadata['output:Output']}"
    assert vertex.client("ModelService").get_model(name=name).display_name == "by-a-component"
    got = found["model-get"].outputs["model"].artifacts[0]
    assert got.metadata["resourceName"].split("@")[0].endswith(name.split("/", 2)[2])


def test_a_component_of_a_service_that_is_not_there_is_refused_by_name(vertex: Vertex) -> None:
    @dsl.pipeline(name="predict")
    def predict():
        model = imported(f"gs://{BUCKET}/model-of-the-test")
        ModelBatchPredictOp(
            project=PROJECT,
            location="europe-west1",
            job_display_name="predict",
            unmanaged_container_model=model.output,
            gcs_source_uris=[f"gs://{BUCKET}/in"],
            gcs_destination_output_uri_prefix=f"gs://{BUCKET}/out",
            machine_type="n1-standard-4",
        )

    job = ended(vertex, submit(vertex, pipeline_job(compiled(predict)), "predict").name)
    assert job.state == PipelineState.PIPELINE_STATE_FAILED
    failed = tasks(job)["model-batch-predict"]
    assert failed.state == State.FAILED
    assert failed.error.code == 12
    assert "batch_prediction_job" in failed.error.message
