"""Pipelines that the contract tests run, compiled by KFP."""
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false, reportInvalidTypeForm=false

import warnings
from typing import Any

from kfp import dsl

from tests.unit.pipelines.compiled import compiled

from .conftest import DISK, IMAGE, MACHINE, PROJECT

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from google_cloud_pipeline_components.v1.custom_job import create_custom_training_job_from_component

light = dsl.component(base_image="python:3.11", install_kfp_package=False)


@light
def measure(model: dsl.Input[dsl.Model], metrics: dsl.Output[dsl.Metrics]) -> float:
    from pathlib import Path

    score = float(Path(model.path).read_text())
    metrics.log_metric("ndcg", score)
    return score


@light
def announce(text: str) -> str:
    return text.upper()


@light
def last(status: dsl.PipelineTaskFinalStatus):
    print(f"last: {status.state} {status.error_message}")  # noqa: T201 - a component's own output


@dsl.container_component
def fit(model: dsl.Output[dsl.Model], steps: int, score: dsl.OutputPath(str)):
    return dsl.ContainerSpec(
        image=IMAGE, command=["python", "-m", "fit"], args=["--model", model.path, "--steps", steps, "--score", score]
    )


def fit_job(pool: str) -> Any:
    """`fit` as a custom job on a pool."""
    return create_custom_training_job_from_component(
        fit,
        display_name="fit",
        machine_type=MACHINE["machine_type"],
        boot_disk_type=str(DISK["boot_disk_type"]),
        boot_disk_size_gb=int(DISK["boot_disk_size_gb"]),
        persistent_resource_id=pool,
        service_account=f"trainer@{PROJECT}.iam.gserviceaccount.com",
    )


FIT_MODULE = """
import argparse, pathlib
parser = argparse.ArgumentParser()
parser.add_argument("--model"); parser.add_argument("--steps", type=int); parser.add_argument("--score")
options = parser.parse_args()
print("fitting", options.steps)
for name, text in ((options.model, str(options.steps / 10)), (options.score, "done")):
    path = pathlib.Path(name); path.parent.mkdir(parents=True, exist_ok=True); path.write_text(text)
"""


def training(pool: str) -> dict[str, Any]:
    """Train on a pool, measure, announce if it is good."""
    step = fit_job(pool)

    @dsl.pipeline(name="training")
    def pipeline(steps: int = 5, threshold: float = 0.3):
        with dsl.ExitHandler(last()):
            trained = step(steps=steps).set_caching_options(False)
            measured = measure(model=trained.outputs["model"]).set_caching_options(False)
            with dsl.If(measured.outputs["Output"] >= threshold, name="good"):
                announce(text="promoted")
            with dsl.Else(name="bad"):
                announce(text="kept")

    return compiled(pipeline)


@light
def sleep(seconds: float) -> str:
    import time

    print("asleep", flush=True)  # noqa: T201 - a component's own output
    time.sleep(seconds)
    return "awake"


@dsl.pipeline(name="sleeper")
def sleeper(seconds: float = 600.0):
    first = sleep(seconds=seconds).set_caching_options(False)
    announce(text=first.output)
