# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
import json
import warnings
from typing import Any

import pytest
from kfp import dsl

from .compiled import compiled
from .conftest import Call, Lab

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from google_cloud_pipeline_components.v1.custom_job import (
        CustomTrainingJobOp,
        create_custom_training_job_from_component,
    )

IMAGE = "europe-west1-docker.pkg.dev/acme/training/trainer@sha256:" + "a" * 64


@dsl.container_component
def train(
    data: dsl.Input[dsl.Dataset], model: dsl.Output[dsl.Model], score: dsl.OutputPath(float), lr: float, tag: str = ""
):  # type: ignore[valid-type]
    return dsl.ContainerSpec(
        image=IMAGE,
        command=["python", "-m", "train.main"],
        args=[
            "--data",
            data.uri,
            "--model",
            model.uri,
            "--score",
            score,
            "--lr",
            lr,
            dsl.IfPresentPlaceholder(input_name="tag", then=["--tag", tag], else_=["--untagged"]),
        ],
    )


def test_a_component_made_into_a_training_job_is_submitted_as_that_job_and_its_outputs_are_read_back(lab: Lab) -> None:
    step = create_custom_training_job_from_component(
        train,
        display_name="train",
        machine_type="n1-standard-8",
        boot_disk_type="pd-ssd",
        boot_disk_size_gb=200,
        persistent_resource_id="warm",
        service_account="ct@acme.iam.gserviceaccount.com",
        env=[{"name": "EMPTY", "value": ""}, {"name": "RUN_ID", "value": dsl.PIPELINE_JOB_NAME_PLACEHOLDER}],
        labels={"stage": "train"},
    )

    @dsl.component(base_image="python:3.11", install_kfp_package=False)
    def report(score: float, model: dsl.Input[dsl.Model]) -> str: ...

    @dsl.pipeline(name="training")
    def training(lr: float = 0.5):
        data = dsl.importer(artifact_uri="gs://bucket/data", artifact_class=dsl.Dataset)
        trained = step(data=data.output, lr=lr)
        report(score=trained.outputs["score"], model=trained.outputs["model"])

    def work(call: Call) -> None:
        lab.local(call.argv[call.argv.index("--score") + 1]).write_text("0.25")

    lab.work = {"train": work, "report": lambda call: str(call.inputs["score"])}
    run = lab.run(compiled(training))
    assert run.error is None
    body = lab.calls[0].body
    spec = body["job_spec"]
    pool = spec["worker_pool_specs"][0]
    assert body["display_name"] == "train"
    assert body["labels"] == {"stage": "train"}
    assert spec["persistent_resource_id"] == "warm"
    assert spec["service_account"] == "ct@acme.iam.gserviceaccount.com"
    assert pool["machine_spec"] == {"machine_type": "n1-standard-8"}
    assert pool["disk_spec"] == {"boot_disk_type": "pd-ssd", "boot_disk_size_gb": 200.0}
    assert {"name": "RUN_ID", "value": "run-1"} in pool["container_spec"]["env"]
    base = f"bucket/root/123/run-1/train_{lab.saved['train']['id']}"
    assert pool["container_spec"]["args"] == [
        *("--data", "gs://bucket/data", "--model", f"gs://{base}/model", "--score", f"/gcs/{base}/score"),
        *("--lr", "0.5", "--tag", ""),
    ]
    left = lab.saved["train"]["outputs"]
    assert left["parameters"]["score"] == 0.25
    resources = json.loads(left["parameters"]["gcp_resources"])["resources"]
    assert resources[0]["resourceUri"].endswith("/v1/projects/acme/locations/l/customJobs/1")
    assert lab.saved["report"]["outputs"]["parameters"]["Output"] == "0.25"
    assert lab.saved["train"]["kind"] == "customJob"


def test_a_training_job_op_takes_pipeline_values_inside_its_worker_pools(lab: Lab) -> None:
    @dsl.pipeline(name="op")
    def op(epochs: int, flag: str):
        CustomTrainingJobOp(
            display_name="job",
            persistent_resource_id="",
            worker_pool_specs=[
                {
                    "machine_spec": {"machine_type": "n1-standard-4"},
                    "replica_count": 1,
                    "container_spec": {"image_uri": IMAGE, "args": ["--epochs", f"{epochs}", flag]},
                }
            ],
        )

    lab.run(compiled(op), epochs=3, flag='say "hi"')
    body = lab.calls[0].body
    assert body["job_spec"]["worker_pool_specs"][0]["container_spec"]["args"] == ["--epochs", "3", 'say "hi"']
    assert "persistent_resource_id" not in body["job_spec"]
    assert body["job_spec"]["scheduling"] == {"timeout": "604800s", "strategy": "STANDARD"}


def test_an_ordinary_container_becomes_a_job_with_one_replica(lab: Lab) -> None:
    @dsl.container_component
    def say(text: str, out: dsl.OutputPath(str)):  # type: ignore[valid-type]
        return dsl.ContainerSpec(image="python:3.11-slim", command=["sh", "-c", 'echo "$0" > "$1"'], args=[text, out])

    @dsl.pipeline(name="ordinary")
    def ordinary():
        say(text="hi").set_cpu_limit("6").set_env_variable("A", "b")

    def work(call: Call) -> None:
        lab.local(call.argv[-1]).write_text("hi")

    lab.work = {"say": work}
    assert lab.run(compiled(ordinary)).state == "SUCCEEDED"
    pool: dict[str, Any] = lab.calls[0].body["jobSpec"]["workerPoolSpecs"][0]
    assert pool["machineSpec"] == {"machineType": "e2-standard-8"}
    assert pool["containerSpec"]["imageUri"] == "python:3.11-slim"
    assert {"name": "A", "value": "b"} in pool["containerSpec"]["env"]
    assert lab.saved["say"]["outputs"]["parameters"]["out"] == "hi"


@pytest.mark.parametrize(("option", "value"), [("project", "other-project"), ("location", "mars")])
def test_a_launcher_for_another_project_or_region_is_refused(lab: Lab, option: str, value: str) -> None:
    @dsl.pipeline(name="elsewhere")
    def elsewhere():
        pool = {"machine_spec": {"machine_type": "n1-standard-4"}, "container_spec": {"image_uri": IMAGE}}
        CustomTrainingJobOp(display_name="job", worker_pool_specs=[pool], **{option: value})

    lab.run(compiled(elsewhere))
    assert value in lab.saved["custom-training-job"]["error"]["message"]
