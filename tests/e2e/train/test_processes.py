"""The trainer as a process of its own: killed, told to stop, and against the local cloud.

Slow: each test starts Python with torch several times.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from train.experiments import run_context_id
from train.synthetic_shop import ShopSize, make_shop

from tests.contract.cloud_process import CloudProcess
from tests.unit.train.examples import job_environment

pytestmark = pytest.mark.slow

_REPOSITORY = Path(__file__).resolve().parents[3]
FLAGS = [
    "--max-epochs",
    "12",
    "--width",
    "16",
    "--layers",
    "1",
    "--batch-tokens",
    "256",
    "--checkpoint-seconds",
    "0.05",
]


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("staged")
    make_shop(folder, seed=2, size=ShopSize(users=400, items=150, events=6_000))
    return folder


def process_environment(folder: Path, **changes: str) -> dict[str, str]:
    inherited = {name: os.environ[name] for name in ("PATH", "LANG", "HOME") if name in os.environ}
    paths = f"{_REPOSITORY / 'trainer'}"
    alone = {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "NO_GCE_CHECK": "true", "CLOUDSDK_CONFIG": str(folder)}
    return inherited | alone | job_environment(folder, **changes)


def start(environment: dict[str, str], *argv: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", *(argv or ("train.main", *FLAGS))]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def lines_after(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    text, _ = process.communicate(timeout=120)
    return [json.loads(line) for line in text.splitlines()]


def wait_for_checkpoint(folder: Path, process: subprocess.Popen[str]) -> None:
    latest = folder / "checkpoints" / "run-1" / "latest.json"
    deadline = time.monotonic() + 60
    while not latest.is_file() or len(json.loads(latest.read_text())["checkpoints"]) < 2:  # the first is of step 0
        assert process.poll() is None, "the run ended before its first checkpoint"
        assert time.monotonic() < deadline
        time.sleep(0.01)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / "models" / "run-1" / "weights.pt", weights_only=True)


@pytest.fixture(scope="module")
def uninterrupted(staged: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    folder = tmp_path_factory.mktemp("uninterrupted")
    shutil.copytree(staged, folder / "staging")
    process = start(process_environment(folder))
    lines_after(process)
    assert process.returncode == 0
    return weights(folder)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_was_stopped_or_killed_continues_to_the_same_bits(
    staged: Path, uninterrupted: dict[str, torch.Tensor], tmp_path: Path, number: signal.Signals
) -> None:
    shutil.copytree(staged, tmp_path / "staging")
    first = start(process_environment(tmp_path))
    wait_for_checkpoint(tmp_path, first)
    first.send_signal(number)
    lines = lines_after(first)
    assert first.returncode == (143 if number == signal.SIGTERM else -signal.SIGKILL)
    assert not list((tmp_path / "models" / "run-1").iterdir())
    if number == signal.SIGTERM:
        assert "the checkpoint is stored" in lines[-1]["message"]

    second = start(process_environment(tmp_path))
    lines = lines_after(second)
    assert second.returncode == 0
    resumed = next(line for line in lines if line.get("message") == "resumed")
    assert resumed["step"] > 0
    again = weights(tmp_path)
    assert again.keys() == uninterrupted.keys()
    assert all(torch.equal(again[name], value) for name, value in uninterrupted.items())


def test_the_entry_of_the_container_expands_its_arguments(staged: Path, tmp_path: Path) -> None:
    shutil.copytree(staged, tmp_path / "staging")
    environment = process_environment(tmp_path, TRAIN_ARGS="--max-epochs 1 --width 8 --layers 1")
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    # -c, not -lc: a login shell's profile may put another Python first on a developer's machine.
    process = subprocess.run(
        ["/usr/bin/bash", "-c", "python -m train.main $TRAIN_ARGS"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stdout[-2_000:]
    assert json.loads((tmp_path / "models" / "run-1" / "config.json").read_text())["model"]["width"] == 8


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudProcess]:
    started = CloudProcess(tmp_path_factory.mktemp("cloud"), iam="audit").start()
    yield started
    started.stop()


def upload(cloud: CloudProcess, bucket: str, folder: Path) -> None:
    cloud.json("POST", "/storage/v1/b?project=my-project", {"name": bucket})
    for file in folder.iterdir():
        path = f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name=staging/{file.name}"
        cloud.json("POST", path, data=file.read_bytes(), headers={"content-type": "application/octet-stream"})


def cloud_environment(cloud: CloudProcess, folder: Path, bucket: str, **changes: str) -> dict[str, str]:
    uris = {
        "ARTIFACT_BUCKET": f"gs://{bucket}",
        "STAGING_PREFIX": f"gs://{bucket}/staging",
        "MODEL_DIR": f"gs://{bucket}/models",
        "CHECKPOINT_DIR": f"gs://{bucket}/checkpoints",
        "STORAGE_EMULATOR_HOST": cloud.url,
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_AIPLATFORM": f"{cloud.url}/",
    }
    return process_environment(folder, **uris, **changes)


def test_a_run_and_its_evaluation_on_buckets_leave_model_report_and_experiment(
    cloud: CloudProcess, staged: Path, tmp_path: Path
) -> None:
    upload(cloud, "trainer-e2e", staged)
    environment = cloud_environment(cloud, tmp_path, "trainer-e2e", VERTEX_EXPERIMENT="recsys-test")
    trained = start(environment)
    lines = lines_after(trained)
    assert trained.returncode == 0, lines[-3:]
    assert not [line for line in lines if line["severity"] == "WARNING"]

    model, data = "gs://trainer-e2e/models/run-1", "gs://trainer-e2e/staging"
    evaluated = start(environment, "train.evaluate", "--model-uri", model, "--data-uri", data)
    lines_after(evaluated)
    assert evaluated.returncode == 0
    report = cloud.json("GET", "/storage/v1/b/trainer-e2e/o/models%2Frun-1%2Fevaluation.json?alt=media")
    told = {line["metric"]: line["value"] for line in lines[-3:]}
    assert {name: report["model"]["metrics"][name] for name in told} == pytest.approx(told)
    card = cloud.json("GET", "/storage/v1/b/trainer-e2e/o/models%2Frun-1%2Fcard.json?alt=media")
    assert "its machine" in card["verdict"]
    assert "gs://" in report["model"]["uri"]

    store = "/v1/projects/my-project/locations/us-central1/metadataStores/default/contexts"
    run = cloud.json("GET", f"{store}/{run_context_id('recsys-test', 'run-1')}")
    assert run["schemaTitle"] == "system.ExperimentRun"
    assert run["metadata"]["_state"] == "COMPLETE"
    assert run["metadata"]["_metrics"]["ndcg@10"] == pytest.approx(report["model"]["metrics"]["ndcg@10"])
    assert run["metadata"]["_params"]["width"] == 16
    experiment = cloud.json("GET", f"{store}/recsys-test")
    assert experiment["schemaTitle"] == "system.Experiment"
    assert run["parentContexts"] == [experiment["name"]]


def test_the_sdk_reads_the_experiment_run(cloud: CloudProcess, staged: Path, tmp_path: Path) -> None:
    shutil.copytree(staged, tmp_path / "staging")
    environment = process_environment(
        tmp_path,
        VERTEX_EXPERIMENT="recsys-sdk",
        CLOUDSDK_API_ENDPOINT_OVERRIDES_AIPLATFORM=f"{cloud.url}/",
    )
    trained = start(environment, "train.main", "--max-epochs", "1", "--width", "8", "--layers", "1")
    lines = lines_after(trained)
    assert trained.returncode == 0
    script = (
        "import json, sys\n"
        "from google.auth.credentials import AnonymousCredentials\n"
        "from google.cloud import aiplatform\n"
        "aiplatform.init(project='my-project', location='us-central1', api_transport='rest',"
        " api_endpoint=sys.argv[1], credentials=AnonymousCredentials())\n"
        "run = aiplatform.ExperimentRun('run-1', experiment='recsys-sdk')\n"
        "print(json.dumps([run.state.name, run.get_params(), run.get_metrics()]))\n"
    )
    read = subprocess.run(
        [sys.executable, "-c", script, cloud.url],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert read.returncode == 0, read.stderr[-2_000:]
    state, parameters, metrics = json.loads(read.stdout.splitlines()[-1])
    assert state == "COMPLETE"
    assert parameters["width"] == 8
    assert metrics["ndcg@10"] == pytest.approx({line["metric"]: line["value"] for line in lines}["ndcg@10"])


def test_an_experiment_that_cannot_be_logged_warns_and_the_run_succeeds(staged: Path, tmp_path: Path) -> None:
    shutil.copytree(staged, tmp_path / "staging")
    environment = process_environment(
        tmp_path, VERTEX_EXPERIMENT="recsys-test", CLOUDSDK_API_ENDPOINT_OVERRIDES_AIPLATFORM="http://127.0.0.1:9/"
    )
    process = start(environment, "train.main", "--max-epochs", "1", "--width", "8", "--layers", "1")
    lines = lines_after(process)
    assert process.returncode == 0
    assert any("experiment is not logged" in line.get("message", "") for line in lines)
    assert lines[-1]["metric"] == "auc@10"
