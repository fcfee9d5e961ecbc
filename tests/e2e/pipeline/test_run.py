"""Runs on the local cloud, from submission to champion, with a stand-in for the trainer."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from contracts.problems import Refused
from pipeline import report
from pipeline.follow import follow
from pipeline.ingest import ingest
from pipeline.model_registry import ModelRegistry
from pipeline.objects import Objects
from pipeline.submit import submit
from tests.contract.cloud_process import CloudProcess
from tests.e2e.pipeline.commands import python_m
from tests.e2e.pipeline.platform import LocalPlatform
from tests.unit.pipeline.example import interactions, write

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def stack(cloud: CloudProcess, tmp_path_factory: pytest.TempPathFactory) -> LocalPlatform:
    platform = LocalPlatform(cloud).with_bucket().with_feedback().with_pipeline()
    data = tmp_path_factory.mktemp("shop")
    write(data / "interactions.parquet", interactions())
    assert ingest(platform.outputs, data).loaded
    return platform


def run(stack: LocalPlatform, *arguments: str) -> tuple[bool, report.RunReport]:
    name = submit(stack.outputs, arguments)
    return follow(stack.outputs, name), report.collect(stack.outputs, name)


def champion(stack: LocalPlatform) -> Any:
    return ModelRegistry(stack.clients, stack.outputs.model_name).champion()


def job_count(stack: LocalPlatform) -> int:
    return len(list(stack.clients.pipelines.list_pipeline_jobs(parent=stack.clients.location)))


@pytest.fixture(scope="module")
def first(stack: LocalPlatform, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The first run, submitted by the command from another folder: its id and what the command said."""
    folder = tmp_path_factory.mktemp("elsewhere")
    outputs = stack.write_outputs(folder)
    ended = python_m(
        "pipeline.submit", "--stack", "local", "--outputs", outputs, "--wait", "train_args=--score 0.2", cwd=folder
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout.splitlines()[0].rpartition("/")[2], ended.stdout


def test_a_run_goes_through_every_step_and_tells_each(first: tuple[str, str]) -> None:
    run_id, told = first
    for step in ("extract", "validate", "train", "evaluate", "gate", "register", "promote"):
        assert f"{step:<9} SUCCEEDED" in told
    assert f"{run_id} SUCCEEDED" in told


def test_the_first_model_is_registered_with_what_made_it_and_becomes_champion(
    stack: LocalPlatform, first: tuple[str, str]
) -> None:
    version = champion(stack)
    objects = Objects(stack.clients.storage)
    snapshot = objects.read_json(f"{stack.outputs.snapshot_prefix}/{first[0]}/snapshot.json")
    assert version.uri == f"{stack.outputs.model_dir}/{first[0]}"
    assert version.labels["run_id"] == first[0]
    assert version.labels["git_sha"] == "0123abc"
    assert version.labels["data_fingerprint"] == snapshot["fingerprint"][:63]
    assert "ndcg@10 0.2000" in version.description
    assert snapshot["fingerprint"] in version.description


def test_the_report_tells_the_run_the_job_and_the_model(stack: LocalPlatform, first: tuple[str, str]) -> None:
    found = report.collect(stack.outputs, first[0])
    document = json.loads(json.dumps(report.to_json(found)))
    assert document["pipeline_run"]["state"] == "PIPELINE_STATE_SUCCEEDED"
    assert [task["state"] for task in document["pipeline_run"]["tasks"]] == ["SUCCEEDED"] * 7
    assert all(task["seconds"] > 0 for task in document["pipeline_run"]["tasks"])
    job = document["custom_job"]
    assert job["state"] == "JOB_STATE_SUCCEEDED"
    assert job["persistent_resource_id"] == stack.outputs.training_pool.persistent_resource_id
    assert 0 < job["seconds_to_first_step"] < job["seconds"]
    model = document["model"]
    assert (model["champion"], model["metrics"]["ndcg@10"]) == (True, 0.2)
    assert model["baselines"]["markov"]["ndcg@10"] == 0.15
    assert "There was no champion to beat" in model["reasons"]
    assert document["data"]["interactions"] == 1000
    assert document["validation"]["findings"] == []
    assert "From submission to registration" in report.to_html(found)


def test_a_weaker_model_is_registered_and_the_champion_stays(stack: LocalPlatform, first: tuple[str, str]) -> None:
    succeeded, found = run(stack, "train_args=--score 0.12")
    assert succeeded
    assert champion(stack).labels["run_id"] == first[0]
    assert found.model is not None
    assert found.model.version != found.model.champion_version
    assert not found.model.champion
    assert found.model.compared_champion == {"ndcg@10": 0.2, "hr@10": 0.4, "auc@10": 0.5}
    assert any("loses to the champion: ndcg@10 0.1200 against 0.2000" in reason for reason in found.model.reasons)
    assert any("loses to first-order Markov counts" in reason for reason in found.model.reasons)
    assert "SUCCEEDED" not in [task.state for task in found.pipeline_run.tasks if task.name == "promote"]


def test_a_better_model_takes_over(stack: LocalPlatform, first: tuple[str, str]) -> None:
    _, found = run(stack, "train_args=--score 0.25")
    assert found.model is not None
    assert found.model.champion
    assert champion(stack).uri == found.model.uri


def test_every_step_runs_warm_unless_it_opts_out(stack: LocalPlatform, first: tuple[str, str]) -> None:
    _, found = run(stack, "steps_persistent_resource_id=", "persistent_resource_id=", "train_args=--score 0.01")
    assert found.custom_job is not None
    assert found.custom_job.persistent_resource_id == ""
    for run_id, pools in (
        (first[0], {stack.outputs.steps_pool.persistent_resource_id}),
        (found.pipeline_run.name, {""}),
    ):
        tasks = report.collect(stack.outputs, run_id).pipeline_run.tasks
        jobs = [stack.clients.jobs.get_custom_job(name=task.custom_job) for task in tasks if task.custom_job]
        ours = [job for job in jobs if job.labels["step"] not in ("train", "evaluate")]
        assert {job.job_spec.persistent_resource_id for job in ours} == pools


def test_a_job_that_does_not_fit_the_pool_is_refused_and_nothing_is_sent(stack: LocalPlatform, tmp_path: Path) -> None:
    before = job_count(stack)
    outputs = stack.write_outputs(tmp_path)
    ended = python_m(
        "pipeline.submit", "--stack", "local", "--outputs", outputs, "machine_type=n1-standard-16", cwd=tmp_path
    )
    assert ended.returncode == 3
    assert "machine_type = 'n1-standard-16'" in ended.stderr
    assert "persistent_resource_id= (empty) to run on demand" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert job_count(stack) == before


def test_a_request_that_the_service_refuses_is_told_with_its_reason(
    stack: LocalPlatform, first: tuple[str, str]
) -> None:
    from google.api_core.exceptions import Conflict

    with pytest.raises(Conflict, match="already exists"):
        submit(stack.outputs, run_id=first[0])


def test_a_pipeline_that_is_not_the_deployed_one_is_refused(stack: LocalPlatform) -> None:
    other = stack.outputs.model_copy(update={"pipeline_spec_digest": "0" * 64})
    with pytest.raises(Refused, match=r"pipeline_spec_digest = .*must have the digest that the stack gives, '0000"):
        submit(other)
    gone = stack.outputs.model_copy(update={"pipeline_spec_uri": f"{stack.outputs.artifact_bucket}/gone.json"})
    with pytest.raises(Refused, match=r"gone\.json': the compiled pipeline must lie there"):
        submit(gone)


def test_a_training_that_fails_fails_the_run_and_registers_nothing(stack: LocalPlatform, tmp_path: Path) -> None:
    outputs = stack.write_outputs(tmp_path)
    ended = python_m(
        "pipeline.submit", "--stack", "local", "--outputs", outputs, "--wait", "train_args=--fail", cwd=tmp_path
    )
    assert ended.returncode == 1
    assert "train     FAILED" in ended.stdout
    assert "train failed: " in ended.stdout
    run_id = ended.stdout.splitlines()[0].rpartition("/")[2]
    found = report.collect(stack.outputs, run_id)
    assert not found.succeeded
    assert found.model is None
    assert ModelRegistry(stack.clients, stack.outputs.model_name).version(run_id) is None


def test_a_run_can_be_followed_by_its_name(stack: LocalPlatform, first: tuple[str, str], tmp_path: Path) -> None:
    outputs = stack.write_outputs(tmp_path)
    ended = python_m("pipeline.submit", "--stack", "local", "--outputs", outputs, "--follow", first[0], cwd=tmp_path)
    assert ended.returncode == 0
    assert f"{first[0]} SUCCEEDED" in ended.stdout


def test_bad_data_that_got_into_staging_fails_the_run_with_rule_and_rows(cloud: CloudProcess, tmp_path: Path) -> None:
    stack = LocalPlatform(cloud).with_bucket().with_feedback().with_pipeline()
    path = write(tmp_path / "interactions.parquet", interactions(user_id=[None, *interactions()["user_id"][1:]]))
    Objects(stack.clients.storage).upload(path, f"{stack.outputs.staging_prefix}/interactions.parquet")
    outputs = stack.write_outputs(tmp_path)
    ended = python_m("pipeline.submit", "--stack", "local", "--outputs", outputs, "--wait", cwd=tmp_path)
    assert ended.returncode == 1
    assert "validate  FAILED" in ended.stdout
    assert "null_ids [user_id]" in ended.stdout
    assert "(1 rows)" in ended.stdout
    assert "train     " not in ended.stdout
    assert champion(stack) is None


def test_ctrl_c_leaves_the_run_going_and_says_how_to_follow_it(stack: LocalPlatform, tmp_path: Path) -> None:
    outputs = stack.write_outputs(tmp_path)
    command = [sys.executable, "-m", "pipeline.submit", "--stack", "local", "--outputs", str(outputs), "--wait"]
    started = subprocess.Popen(
        [*command, "train_args=--seconds 2"],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[3])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert started.stdout is not None
    name = started.stdout.readline().removeprefix("Submitted ").strip()
    assert "RUNNING" in started.stdout.readline()
    started.send_signal(signal.SIGINT)
    _, told = started.communicate(timeout=30)
    assert started.returncode == 130
    assert f"--stack local --outputs {outputs} --follow {name.rpartition('/')[2]}" in told
    assert "Traceback" not in told
    assert follow(stack.outputs, name)
