"""Pipelines that name nothing of ours: stock images, the pipeline's own artifacts, a workspace, their own paths."""
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false, reportInvalidTypeForm=false

from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.aiplatform_v1.types import Artifact, PipelineJob, PipelineState, PipelineTaskDetail
from kfp import dsl

from tests.unit.pipelines.compiled import compiled

from .conftest import BUCKET, PARENT, Vertex, violations
from .pipelines import light
from .test_pipeline_jobs import _logs, ended, pipeline_job, submit, tasks

State = PipelineTaskDetail.State
STORE = f"{PARENT}/metadataStores/default"


@dsl.container_component
def shell(word: str, out: dsl.OutputPath(str)):
    return dsl.ContainerSpec(
        image="alpine:3.20",
        command=["sh", "-c", 'mkdir -p "$(dirname "$1")" && [[ -n "$0" ]] && printf %s "$0, shell" > "$1"'],
        args=[word, out],
    )


@dsl.container_component
def counted(models: dsl.Input[list[dsl.Model]], out: dsl.OutputPath(int)):
    return dsl.ContainerSpec(
        image="python:3.12-slim",
        command=["python", "-c"],
        args=["import json, sys; open(sys.argv[2], 'w').write(str(len(json.loads(sys.argv[1]))))", models, out],
    )


@light
def to_a_path_of_its_own(out: dsl.Output[dsl.Dataset]):
    from pathlib import Path

    folder = Path.cwd() / "elsewhere"
    folder.mkdir()
    (folder / "part").write_text("kept")
    out.set_path(str(folder))


@light
def read(data: dsl.Input[dsl.Dataset], name: str = "") -> str:
    from pathlib import Path

    return Path(data.path, name).read_text() if name else Path(data.path).read_text()


@light
def leave(workspace: str):
    from pathlib import Path

    Path(workspace, "note").write_text("from the first")


@light
def find(workspace: str) -> str:
    from pathlib import Path

    return Path(workspace, "note").read_text()


@light
def model(out: dsl.Output[dsl.Model]): ...


@dsl.pipeline(name="strange", pipeline_config=dsl.PipelineConfig(workspace=dsl.WorkspaceConfig(size="1Gi")))
def strange(given: dsl.Input[dsl.Dataset], word: str = "hello"):
    shell(word=word)
    read(data=given)
    read(data=to_a_path_of_its_own().outputs["out"], name="part")
    first = leave(workspace=dsl.WORKSPACE_PATH_PLACEHOLDER)
    find(workspace=dsl.WORKSPACE_PATH_PLACEHOLDER).after(first)
    with dsl.ParallelFor([1, 2]) as _:
        made = model()
    counted(models=dsl.Collected(made.outputs["out"]))


def job_of(artifacts: dict[str, str], **parameters: Any) -> PipelineJob:
    job = pipeline_job(compiled(strange), **parameters)
    for name, short in artifacts.items():
        job.runtime_config.input_artifacts[name] = PipelineJob.RuntimeConfig.InputArtifact(artifact_id=short)
    return job


def dataset(vertex: Vertex) -> Artifact:
    vertex.cloud.call("POST", f"/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name=given.txt", data=b"given")
    vertex.cloud.call("POST", f"/v1/{PARENT}/metadataStores?metadataStoreId=default", {})
    made = Artifact(uri=f"gs://{BUCKET}/given.txt", schema_title="system.Dataset")
    return vertex.client("MetadataService").create_artifact(parent=STORE, artifact=made)


def test_a_strangers_pipeline_runs_as_it_is(vertex: Vertex) -> None:
    given = dataset(vertex)
    job = ended(vertex, submit(vertex, job_of({"given": given.name.rsplit("/", 1)[-1]}), "strange").name)
    found = tasks(job)
    assert job.state == PipelineState.PIPELINE_STATE_SUCCEEDED, {name: str(each.error) for name, each in found.items()}
    left = {name: dict(each.execution.metadata) for name, each in found.items()}
    assert left["shell"]["output:out"] == "hello, shell"
    assert left["read"]["output:Output"] == "given"
    assert left["read-2"]["output:Output"] == "kept"
    assert left["find"]["output:Output"] == "from the first"
    assert left["counted"]["output:out"] == 2
    assert found["read"].inputs["given" if "given" in found["read"].inputs else "data"].artifacts[0].name == given.name
    written = found["to-a-path-of-its-own"].outputs["out"].artifacts[0].uri
    content = vertex.cloud.call(
        "GET", f"/storage/v1/b/{BUCKET}/o/{written.split('/', 3)[3].replace('/', '%2F')}%2Fpart?alt=media"
    )
    assert content.text == "kept"


@pytest.mark.parametrize(
    ("artifacts", "field", "reason"),
    [
        ({}, "runtimeConfig.inputArtifacts['given']", "is required"),
        ({"given": "nothing"}, "runtimeConfig.inputArtifacts['given'].artifactId", "'nothing' is no artifact"),
        ({"taken": "nothing"}, "runtimeConfig.inputArtifacts['taken']", "it has given"),
    ],
)
def test_an_artifact_that_a_pipeline_cannot_have_is_refused(
    vertex: Vertex, artifacts: dict[str, str], field: str, reason: str
) -> None:
    with pytest.raises(exceptions.BadRequest) as refused:
        submit(vertex, job_of(artifacts), "strange-refused")
    assert reason in violations(refused)[field]


def test_an_image_that_is_not_here_fails_its_task_and_says_what_to_do(vertex: Vertex) -> None:
    @dsl.container_component
    def foreign():
        return dsl.ContainerSpec(image="acme/pytorch:2", command=["python"])

    @dsl.pipeline(name="foreign-image")
    def foreign_image():
        foreign()

    job = ended(vertex, submit(vertex, pipeline_job(compiled(foreign_image)), "foreign").name)
    failed = tasks(job)["foreign"]
    assert failed.state == State.FAILED
    assert "Failed to pull image 'acme/pytorch:2'" in failed.error.message
    assert "Stock images" in failed.error.message
    assert _logs(vertex, failed.executor_detail.container_detail.main_job)
