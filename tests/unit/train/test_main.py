"""The entry points as a job runs them, in this process: environment in, files and log lines out."""

import io
import json
import math
import shutil
import signal
import urllib.request
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from train import evaluate, main
from train.checkpoint_folder import CheckpointFolder
from train.health import HealthServer
from train.log import LOG_FIELDS, Log
from train.loop import TrainingLoop

from contracts.run_artifacts import SHOWN_METRICS, EvaluationReport, ModelCard, TrainingSummary
from pipeline.artifacts import refusal_file
from tests.unit.train.examples import job_environment, table_of

QUICK_FLAGS = ["--max-epochs", "2", "--width", "16", "--layers", "1", "--batch-tokens", "512"]


@pytest.fixture
def job(tmp_path: Path, shop_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A job's folder with staged data; the environment points at it."""
    shutil.copytree(shop_folder, tmp_path / "staging")
    for name, value in job_environment(tmp_path, GIT_SHA="abc123", REQUEST_ID="request-7").items():
        monkeypatch.setenv(name, value)
    return tmp_path


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_run_leaves_a_model_a_summary_and_metrics_in_its_last_lines(
    job: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(QUICK_FLAGS) == 0
    lines = lines_of(capsys)
    for line in lines:
        assert {*LOG_FIELDS, "time", "severity"} <= line.keys()
        assert (line["run_id"], line["request_id"], line["experiment"]) == ("run-1", "request-7", "recsys-test")
    summary = TrainingSummary.model_validate_json((job / "models" / "run-1" / "training.json").read_bytes())
    last = {line["metric"]: line["value"] for line in lines[-3:]}
    assert last == summary.metrics
    assert set(last) == {"ndcg@10", "hr@10", "auc@10"}
    assert summary.git_sha == "abc123"
    assert summary.started < summary.first_step
    assert [point.step for point in summary.curve] == sorted(point.step for point in summary.curve)
    assert (job / "checkpoints" / "run-1" / "latest.json").is_file()


def test_the_evaluation_is_the_contracts_report_with_baselines(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(QUICK_FLAGS) == 0
    summary = json.loads((job / "models" / "run-1" / "training.json").read_text())
    model, data = str(job / "models" / "run-1"), str(job / "staging")
    copy = job / "outputs" / "evaluation.json"
    capsys.readouterr()
    assert evaluate.main(["--model-uri", model, "--data-uri", data, "--output-file", str(copy)]) == 0
    for line in lines_of(capsys):
        assert (line["run_id"], line["request_id"], line["experiment"]) == ("run-1", "request-7", "recsys-test")
    report = EvaluationReport.model_validate_json((job / "models" / "run-1" / "evaluation.json").read_bytes())
    assert EvaluationReport.model_validate_json(copy.read_bytes()) == report
    shown = {name: report.model.metrics[name] for name in SHOWN_METRICS}
    assert shown == pytest.approx(summary["metrics"])
    assert report.champion is None
    assert set(report.baselines) == {"most_popular", "recency_popular", "markov", "item_knn", "ease"}
    for name, value in shown.items():
        low, high = report.model.intervals[name]
        assert low < value < high
    best = max(report.baselines, key=lambda name: report.baselines[name]["ndcg@10"])
    assert [found.against for found in report.comparisons] == list(dict.fromkeys(["markov", best]))
    assert report.data_fingerprint == summary["data_fingerprint"]
    card = ModelCard.model_validate_json((job / "models" / "run-1" / "card.json").read_bytes())
    assert card.words[0].startswith(f"This model is {card.verdict}: on {report.users:,} held-out items")
    assert f"{summary['cpu_minutes']:.1f} CPU-minutes" in card.words[0]
    assert (job / "models" / "run-1" / "card.html").read_text().startswith("<!doctype html>")
    assert evaluate.main(["--model-uri", model, "--data-uri", data, "--champion-uri", model]) == 0
    again = json.loads((job / "models" / "run-1" / "evaluation.json").read_text())
    assert again["champion"]["metrics"] == pytest.approx(again["model"]["metrics"])
    assert again["comparisons"][0]["against"] == "champion"
    assert [again["comparisons"][0][end] for end in ("mean", "low", "high")] == [0.0, 0.0, 0.0]


def test_a_champion_whose_files_are_gone_counts_as_none_and_that_is_said(
    job: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(QUICK_FLAGS) == 0
    model, lost = str(job / "models" / "run-1"), job / "models" / "old"
    shutil.copytree(model, lost)
    (lost / "weights.pt").unlink()
    asked = ["--model-uri", model, "--data-uri", str(job / "staging"), "--champion-uri", str(lost)]
    for said in ("weights.pt is missing", "the folder holds no manifest.json"):
        capsys.readouterr()
        assert evaluate.main(asked) == 0
        (warned,) = (line["message"] for line in lines_of(capsys) if line["severity"] == "WARNING")
        report = EvaluationReport.model_validate_json((job / "models" / "run-1" / "evaluation.json").read_bytes())
        assert report.champion is None
        assert report.champion_lost.startswith(f"{lost}: {said}")
        assert report.champion_lost in warned
        shutil.rmtree(lost, ignore_errors=True)


def test_an_evaluation_that_is_refused_leaves_the_reason_beside_the_model(job: Path) -> None:
    model = job / "models" / "nothing"
    assert evaluate.main(["--model-uri", str(model), "--data-uri", str(job / "staging")]) == 2
    refusal = json.loads((model / refusal_file("evaluate")).read_text())
    assert refusal["step"] == "evaluate"
    assert "holds no manifest.json" in refusal["text"]


def test_a_bad_environment_is_refused_with_every_problem_before_anything_is_read(
    job: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REGION", "mars")
    monkeypatch.delenv("MODEL_DIR")
    monkeypatch.setenv("STAGING_PREFIX", str(job / "nowhere"))
    assert main.main([]) == 2
    lines = lines_of(capsys)
    assert [line["severity"] for line in lines] == ["ERROR", "ERROR"]
    assert "MODEL_DIR = None" in lines[0]["message"]
    assert "REGION = 'mars'" in lines[1]["message"]


def test_bad_flags_and_bad_data_are_refused(
    job: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["--max-minutes", "-1", "--threads", "0"]) == 2
    assert [line["message"].split(" = ")[0] for line in lines_of(capsys)] == ["--max-minutes", "--threads"]
    for seconds in ("nan", "inf", "-1"):
        assert main.main(["--checkpoint-seconds", seconds]) == 2
        assert lines_of(capsys)[-1]["message"].startswith("--checkpoint-seconds = ")
    (job / "staging" / "interactions.parquet").write_bytes(b"no parquet")
    assert main.main(QUICK_FLAGS) == 2
    assert "not a readable parquet file" in lines_of(capsys)[-1]["message"]
    assert not list((job / "models" / "run-1").iterdir())


def test_a_finished_run_started_again_ends_at_once_with_the_same_model(
    job: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(QUICK_FLAGS) == 0
    first = json.loads((job / "models" / "run-1" / "training.json").read_text())
    capsys.readouterr()
    assert main.main(QUICK_FLAGS) == 0
    second = json.loads((job / "models" / "run-1" / "training.json").read_text())
    assert second["metrics"] == first["metrics"]
    assert second["steps"] == first["steps"]
    assert any(line.get("message") == "resumed" for line in lines_of(capsys))


def test_flags_that_differ_from_the_checkpoints_settings_are_refused(
    job: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(QUICK_FLAGS) == 0
    capsys.readouterr()
    assert main.main([*QUICK_FLAGS, "--dropout", "0.35", "--learn-newest", "0.5"]) == 2
    said = [line["message"] for line in lines_of(capsys) if line["severity"] == "ERROR"]
    assert [message.split(": ")[0] for message in said] == ["--dropout = 0.35", "--learn-newest = 0.5"]
    assert all("choose another RUN_ID" in message for message in said)


def test_another_budget_continues_with_the_checkpoints_settings_and_says_so(
    job: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """How many members and how much dropout pay depends on the budget; a checkpoint has one of each."""
    flags = ["--max-epochs", "1", "--width", "16", "--batch-tokens", "512", "--no-export"]
    assert main.main([*flags, "--max-minutes", "1000"]) == 0
    first = json.loads((job / "models" / "run-1" / "training.json").read_text())
    capsys.readouterr()
    assert main.main([*flags, "--max-epochs", "2", "--max-minutes", "0.02"]) == 0
    second = json.loads((job / "models" / "run-1" / "training.json").read_text())
    assert second["settings"] == {**first["settings"], "max_epochs": 2}
    said = [line["message"] for line in lines_of(capsys) if line.get("message")]
    (kept,) = (message for message in said if message.startswith("the checkpoint's settings are kept: "))
    assert f"members {first['settings']['members']}, not 1" in kept


def test_a_checkpoint_of_other_data_is_refused(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(QUICK_FLAGS) == 0
    table = table_of([[f"i{(user + place) % 12}" for place in range(9)] for user in range(40)])
    pq.write_table(table, job / "staging" / "interactions.parquet")
    capsys.readouterr()
    assert main.main(QUICK_FLAGS) == 2
    assert "of other data" in lines_of(capsys)[-1]["message"]


def test_a_checkpoint_of_other_items_is_refused(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its rows of tags mean nothing for other tags."""
    items = job / "staging" / "items.parquet"
    assert items.exists()
    assert main.main(QUICK_FLAGS) == 0
    items.unlink()
    capsys.readouterr()
    assert main.main(QUICK_FLAGS) == 2
    assert "of another items.parquet" in lines_of(capsys)[-1]["message"]


@pytest.mark.parametrize("name", ["MODEL_DIR", "CHECKPOINT_DIR"])
@pytest.mark.parametrize("place", ["file", "file/deeper", "/proc/nope"])
def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_read(
    job: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, place: str
) -> None:
    (job / "file").write_text("in the way")
    monkeypatch.setenv(name, str(job / place))
    assert main.main(QUICK_FLAGS) == 2
    (line,) = lines_of(capsys)
    assert f"{name} = '{job / place}/run-1': cannot be written to" in line["message"]


def test_a_run_that_is_told_to_stop_says_whether_its_checkpoint_is_stored(
    job: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    step = TrainingLoop._step

    def stopped(loop: TrainingLoop) -> None:
        step(loop)
        signal.raise_signal(signal.SIGTERM)

    def full(*_asked: Any, **_options: Any) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(TrainingLoop, "_step", stopped)
    assert main.main(QUICK_FLAGS) == 143
    assert "told to stop: the checkpoint is stored" in lines_of(capsys)[-1]["message"]
    monkeypatch.setenv("RUN_ID", "run-2")
    monkeypatch.setattr(CheckpointFolder, "commit", full)
    assert main.main(QUICK_FLAGS) == 1
    last = lines_of(capsys)[-1]
    assert last["severity"] == "ERROR"
    assert f"told to stop, and the checkpoint was not stored in {job / 'checkpoints'}" in last["message"]


def test_a_run_that_is_told_to_stop_while_its_model_is_judged_stops(
    job: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    judge = main.evaluate

    def told(*asked: Any, **ranks: Any) -> Any:
        signal.raise_signal(signal.SIGTERM)
        return judge(*asked)

    monkeypatch.setattr(main, "evaluate", told)
    assert main.main(QUICK_FLAGS) == 143
    assert "told to stop: the checkpoint is stored" in lines_of(capsys)[-1]["message"]


def test_every_line_is_valid_json_whatever_the_numbers() -> None:
    stream = io.StringIO()
    log = Log(run_id="r", request_id="", experiment="", stream=stream)
    log.metric("train_loss", math.nan, step=1)
    log.info("x", data={"deep": [math.inf, 1.5, (-math.inf,)]})

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    first, second = (json.loads(line, parse_constant=refuse) for line in stream.getvalue().splitlines())
    assert first["value"] is None
    assert second["data"] == {"deep": [None, 1.5, [None]]}


def test_help_names_every_flag(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(["--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    for flag in ("--max-minutes", "--source", "--seed", "--device", "--width", "--max-epochs", "--learning-rate"):
        assert flag in shown


def test_health_and_metrics_are_served() -> None:
    server = HealthServer(0, run_id='run "1"')
    try:
        server.observe("validation_ndcg@10", 0.25, 7)
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/healthz") as answer:
            assert (answer.status, answer.read()) == (200, b"ok\n")
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics") as answer:
            text = answer.read().decode()
    finally:
        server.close()
    assert 'train_validation_ndcg_at_10{run_id="run \\"1\\""} 0.25' in text
    assert 'train_step{run_id="run \\"1\\""} 7.0' in text


def test_a_health_port_in_use_warns_and_the_run_succeeds(
    job: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server = HealthServer(0, run_id="other")
    try:
        monkeypatch.setenv("HEALTH_PORT", str(server.port))
        assert main.main(QUICK_FLAGS) == 0
    finally:
        server.close()
    warned = next(line for line in lines_of(capsys) if line["severity"] == "WARNING")
    assert f"/healthz is not served: port {server.port} cannot be taken" in warned["message"]


def test_bad_flags_of_the_evaluation_are_refused_before_anything_is_read(
    job: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (job / "file").write_text("in the way")
    uris = ["--model-uri", str(job / "nowhere"), "--data-uri", str(job / "staging")]
    assert evaluate.main([*uris, "--threads", "0", "--output-file", str(job / "file" / "out.json")]) == 2
    assert [line["message"].split(" = ")[0] for line in lines_of(capsys)] == ["--threads", "--output-file"]


def test_metrics_over_sampled_negatives_are_refused_with_the_reason(
    job: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    uris = ["--model-uri", str(job / "nowhere"), "--data-uri", str(job / "staging")]
    assert evaluate.main([*uris, "--negatives", "100"]) == 2
    said = lines_of(capsys)[0]["message"]
    assert "--negatives = 100" in said
    assert "Krichene and Rendle" in said
    assert evaluate.main([*uris, "--k", "5", "0", "--most-users", "0"]) == 2
    told = [line["message"] for line in lines_of(capsys)]
    assert [line.split(": ")[0] for line in told] == ["--k = [0]", "--k = [5, 0]", "--most-users = 0"]


@pytest.mark.parametrize(("length", "said"), [(1, "no user has three events"), (3, "no user has four events")])
def test_data_without_a_step_to_learn_are_refused(
    job: Path, capsys: pytest.CaptureFixture[str], length: int, said: str
) -> None:
    table = table_of([[f"i{(user + place) % 12}" for place in range(length)] for user in range(40)])
    pq.write_table(table, job / "staging" / "interactions.parquet")
    assert main.main(QUICK_FLAGS) == 2
    assert said in lines_of(capsys)[-1]["message"]


def test_an_estimate_is_told_in_a_table_and_nothing_is_trained(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["--estimate"]) == 0
    shown = capsys.readouterr().out
    assert "host memory" in shown
    assert "one pass over the data" in shown
    assert not (job / "models" / "run-1" / "training.json").exists()


def test_a_run_that_does_not_fit_the_memory_is_refused_before_it_trains(
    job: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(main, "free_memory", lambda: 1_000_000)
    assert main.main([]) == 2
    assert "only 0.00 GB are free" in capsys.readouterr().out
    assert not (job / "models" / "run-1" / "training.json").exists()
