"""The Vertex AI SDK, as its users write it."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.contract.cloud_process import CloudProcess
from tests.unit.pipelines.compiled import compiled

from .conftest import BUCKET, IMAGE, PROJECT, Vertex, pointed_at
from .pipelines import sleeper

pytestmark = pytest.mark.slow


@pytest.fixture
def lenient(
    new_cloud: Callable[..., CloudProcess], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Vertex, Any]]:
    """A cloud that takes callers without a token, as which the SDK sends packages to a storage emulator."""
    made = Vertex(new_cloud(iam="audit").start(), tmp_path)
    made.prepare()
    for sdk in pointed_at(made, monkeypatch):
        yield made, sdk


def test_a_custom_job_is_run_and_waited_for(vertex: Vertex, sdk: Any) -> None:
    vertex.module("sdk_job", "print('from the SDK')")
    pool = {
        "machine_spec": {"machine_type": "n1-standard-4"},
        "replica_count": 1,
        "container_spec": {"image_uri": IMAGE, "command": ["python", "-m", "sdk_job"]},
    }
    job = sdk.CustomJob(display_name="sdk", worker_pool_specs=[pool])
    job.run(sync=True)
    assert job.state.name == "JOB_STATE_SUCCEEDED"
    assert job.resource_name in [each.resource_name for each in sdk.CustomJob.list(filter='display_name="sdk"')]
    job.delete()


def test_a_script_is_packaged_sent_and_run_with_what_it_requires(lenient: tuple[Vertex, Any], tmp_path: Path) -> None:
    vertex, sdk = lenient
    script = tmp_path / "task.py"
    script.write_text(
        "import os, sys, packaging, yaml\nprint('told', sys.argv[1:], os.environ['COLOUR'], flush=True)\n"
    )
    job = sdk.CustomJob.from_local_script(
        display_name="script",
        script_path=str(script),
        container_uri="us-docker.pkg.dev/vertex-ai/training/pytorch-cpu.2-4.py310:latest",
        args=["--epochs", "2"],
        environment_variables={"COLOUR": "red"},
        requirements=["packaging>=20"],
        machine_type="n1-standard-4",
        replica_count=1,
    )
    job.run(sync=True)
    assert job.state.name == "JOB_STATE_SUCCEEDED"
    entries = vertex.cloud.json(
        "POST", "/v2/entries:list", {"resourceNames": [f"projects/{PROJECT}"], "pageSize": 1000}
    )
    told = [each["textPayload"] for each in entries["entries"] if "told" in each.get("textPayload", "")]
    assert told == ["told ['--epochs', '2'] red"]


def test_a_persistent_resource_is_made_and_deleted(sdk: Any) -> None:
    from google.cloud.aiplatform.preview import persistent_resource
    from google.cloud.aiplatform_v1beta1.types.machine_resources import MachineSpec
    from google.cloud.aiplatform_v1beta1.types.persistent_resource import ResourcePool

    made = persistent_resource.PersistentResource.create(
        persistent_resource_id="sdk-pool",
        resource_pools=[ResourcePool(machine_spec=MachineSpec(machine_type="n1-standard-4"), replica_count=1)],
        enable_custom_service_account=True,
    )
    assert made.state.name == "RUNNING"
    assert "sdk-pool" in [each.name for each in persistent_resource.PersistentResource.list()]
    made.delete()


def test_a_pipeline_is_submitted_cloned_and_scheduled(
    vertex: Vertex, sdk: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from google.cloud.aiplatform.utils import resource_manager_utils

    # submit() first asks Resource Manager over gRPC who owns the bucket, which cannot be pointed elsewhere.
    number = vertex.cloud.json("GET", f"/v1/projects/{PROJECT}")["projectNumber"]
    monkeypatch.setattr(resource_manager_utils, "get_project_number", lambda *_, **__: number)
    monkeypatch.setattr(sdk.pipeline_jobs, "_JOB_WAIT_TIME", 0.1)
    path = tmp_path / "sleeper.yaml"
    path.write_text(yaml.safe_dump(compiled(sleeper)))
    values = {"parameter_values": {"seconds": 0.1}, "enable_caching": False}
    job = sdk.PipelineJob("sdk", str(path), pipeline_root=f"gs://{BUCKET}/sdk", job_id="sdk-run", **values)
    job.submit(experiment=sdk.Experiment.get_or_create("submitted"))
    job.wait()
    assert job.state.name == "PIPELINE_STATE_SUCCEEDED"
    assert {detail.task_name for detail in job.task_details} >= {"sleep", "announce"}
    assert job.get_associated_experiment().name == "submitted"
    again = job.clone(job_id="sdk-clone", input_artifacts={})
    again.run()
    found = sdk.PipelineJob.list(filter='display_name="sdk" AND pipeline_name="sleeper"')
    assert {each.name for each in found} == {"sdk-run", "sdk-clone"}
    schedule = job.create_schedule(
        "CRON_TZ=America/New_York */15 9-17/2 * JAN-DEC MON-FRI", display_name="sdk", max_run_count=3
    )
    schedule.pause()
    schedule.update(cron="0 4 * * *", max_run_count=5)
    assert (schedule.state.name, schedule.cron, schedule.max_run_count) == ("PAUSED", "0 4 * * *", 5)
    schedule.resume(catch_up=False)
    assert schedule.name in [each.name for each in sdk.PipelineJobSchedule.list(filter="state=ACTIVE")]
    assert schedule.list_jobs() == []
    schedule.delete()


def test_an_experiment_keeps_parameters_metrics_and_curves(vertex: Vertex, sdk: Any) -> None:
    name = f"experiment-{uuid.uuid4().hex[:8]}"
    sdk.init(experiment=name)
    with sdk.start_run("run-1") as run:
        run.log_params({"lr": 0.1, "layers": 2, "optimizer": "adam"})
        run.log_metrics({"ndcg@10": 0.25})
        run.log_metrics({"hr@10": 0.5})
        for step in range(3):
            run.log_time_series_metrics({"loss": 1.0 / (step + 1)}, step=step + 1)
    again = sdk.ExperimentRun("run-1", experiment=name)
    assert again.get_params() == {"lr": 0.1, "layers": 2.0, "optimizer": "adam"}
    assert again.get_metrics() == {"ndcg@10": 0.25, "hr@10": 0.5}
    assert again.state.name == "COMPLETE"
    board = vertex.client("TensorboardService")
    series = list(board.list_tensorboard_time_series(parent=again._backing_tensorboard_run.resource.resource_name))
    assert [each.display_name for each in series] == ["loss"]
    points = board.read_tensorboard_time_series_data(tensorboard_time_series=series[0].name).time_series_data.values
    assert [point.scalar.value for point in points] == [1.0, 0.5, pytest.approx(1 / 3)]
    assert [each.name for each in sdk.ExperimentRun.list(experiment=name)] == ["run-1"]


def test_an_experiment_without_a_tensorboard(sdk: Any) -> None:
    name = f"plain-{uuid.uuid4().hex[:8]}"
    sdk.init(experiment=name, experiment_tensorboard=False)
    sdk.start_run("run-1")
    sdk.log_params({"a": 1})
    sdk.log_metrics({"b": 2.0})
    sdk.end_run()
    sdk.start_run("run-1", resume=True)
    sdk.log_metrics({"c": 3.0})
    sdk.end_run()
    run = sdk.ExperimentRun("run-1", experiment=name)
    assert (run.get_params(), run.get_metrics()) == ({"a": 1.0}, {"b": 2.0, "c": 3.0})


def test_a_model_is_uploaded_with_versions_and_aliases(sdk: Any) -> None:
    model = sdk.Model.upload(
        display_name="sdk",
        artifact_uri=f"gs://{BUCKET}/model",
        serving_container_image_uri="europe-docker.pkg.dev/vertex-ai/prediction/pytorch-cpu.2-4:latest",
        model_id="sdk-model",
        version_aliases=["champion"],
    )
    assert model.version_id == "1"
    second = sdk.Model.upload(
        display_name="sdk",
        artifact_uri=f"gs://{BUCKET}/model-2",
        serving_container_image_uri="europe-docker.pkg.dev/vertex-ai/prediction/pytorch-cpu.2-4:latest",
        parent_model="sdk-model",
        is_default_version=False,
    )
    assert second.version_id == "2"
    registry = sdk.models.ModelRegistry("sdk-model")
    registry.add_version_aliases(["challenger"], "2")
    assert {each.version_id: sorted(each.version_aliases) for each in registry.list_versions()} == {
        "1": ["champion", "default"],
        "2": ["challenger"],
    }
    assert sdk.Model("sdk-model@challenger").uri == f"gs://{BUCKET}/model-2"
