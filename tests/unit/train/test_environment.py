"""The container contract: what a job's environment must hold, and how it is refused."""

from pathlib import Path

import pytest
from train.environment import REQUIRED, load
from train.problems import Refused

from tests.unit.train.examples import job_environment


def refusal(environ: dict[str, str]) -> Refused:
    with pytest.raises(Refused) as raised:
        load(environ)
    return raised.value


def test_a_complete_environment_is_taken(tmp_path: Path) -> None:
    found = load(job_environment(tmp_path, MODEL_DIR="gs://bucket/models/recsys/", HEALTH_PORT="8080", GIT_SHA="abc"))
    assert found.model_dir == "gs://bucket/models/recsys"
    assert found.health_port == 8080
    assert found.git_sha == "abc"
    assert not found.wandb_enabled
    assert found.vertex_experiment == ""


def test_every_missing_name_is_refused_at_once() -> None:
    assert [problem.key for problem in refusal({}).problems] == list(REQUIRED)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PROJECT_ID", "My Project"),
        ("REGION", "us-central1-a"),
        ("ARTIFACT_BUCKET", "gs://bucket/prefix"),
        ("STAGING_PREFIX", "s3://bucket/staging"),
        ("MODEL_DIR", "gs://b/models"),
        ("CHECKPOINT_DIR", "gs:///checkpoints"),
        ("EXPERIMENT_NAME", "Recsys_Dev"),
        ("VERTEX_EXPERIMENT", "under_score"),
        ("DATASET_RECSYS", "project.dataset"),
        ("DATASET_DRIFT", "dri-ft"),
        ("REQUESTS_TABLE", "requests"),
        ("FEEDBACK_TABLE", "project.dataset.table"),
        ("DRIFT_TABLE", "drift.hourly; drop"),
        ("RUN_ID", "a/b"),
        ("HEALTH_PORT", "99999"),
        ("WANDB_ENABLED", "maybe"),
    ],
)
def test_a_malformed_value_is_refused_with_rule_and_fix(tmp_path: Path, name: str, value: str) -> None:
    refused = refusal(job_environment(tmp_path, **{name: value}))
    assert [(problem.key, problem.value) for problem in refused.problems] == [(name, value)]
    assert repr(value) in str(refused)
    assert refused.problems[0].rule
    assert refused.problems[0].fix


def test_all_problems_are_gathered(tmp_path: Path) -> None:
    refused = refusal(job_environment(tmp_path, PROJECT_ID="", REGION="mars", RUN_ID="a b"))
    assert [problem.key for problem in refused.problems] == ["PROJECT_ID", "REGION", "RUN_ID"]


def test_model_dir_wins_over_vertex_and_vertex_fills_the_gap(tmp_path: Path) -> None:
    vertex = {"AIP_MODEL_DIR": "gs://bucket/aip/model/", "AIP_CHECKPOINT_DIR": "gs://bucket/aip/checkpoints/"}
    assert load(job_environment(tmp_path, **vertex)).model_dir == str(tmp_path / "models")
    filled = load(job_environment(tmp_path, MODEL_DIR="", CHECKPOINT_DIR="", **vertex))
    assert (filled.model_dir, filled.checkpoint_dir) == ("gs://bucket/aip/model", "gs://bucket/aip/checkpoints")


def test_a_run_without_an_id_takes_the_jobs(tmp_path: Path) -> None:
    assert load(job_environment(tmp_path, RUN_ID="", CLOUD_ML_JOB_ID="4711")).run_id == "4711"
    assert load(job_environment(tmp_path, RUN_ID="")).run_id


def test_wandb_without_a_key_is_refused_unless_it_is_offline(tmp_path: Path) -> None:
    refused = refusal(job_environment(tmp_path, WANDB_ENABLED="true"))
    assert [problem.key for problem in refused.problems] == ["WANDB_API_KEY"]
    assert load(job_environment(tmp_path, WANDB_ENABLED="true", WANDB_MODE="offline")).wandb_enabled


def test_a_secret_is_never_shown(tmp_path: Path) -> None:
    refused = refusal(job_environment(tmp_path, WANDB_ENABLED="true", WANDB_API_KEY="s3cret", REGION="mars"))
    assert "s3cret" not in str(refused)
