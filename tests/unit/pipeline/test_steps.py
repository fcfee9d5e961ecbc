"""The steps: their command lines, and what they decide by themselves."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from google.api_core.exceptions import NotFound

from contracts.problems import Refused
from contracts.run_artifacts import TrainingSummary
from pipeline.custom_jobs import STEPS
from pipeline.definition import compile_pipeline
from pipeline.model_registry import ModelVersion, label, version_id
from pipeline.steps import gate
from pipeline.steps import promote as promote_step
from pipeline.steps import register as register_step
from pipeline.steps.promote import promote
from pipeline.steps.register import describe
from tests.unit.pipeline.example import facts
from tests.unit.pipeline.test_definition import container_of
from tests.unit.pipeline.test_gate import evaluation

REPOSITORY = Path(__file__).resolve().parents[3]
MODEL = "projects/1/locations/r/models/recsys"


class Registry:
    """The one thing that promotion asks of the registry."""

    def __init__(self, champion: str = "") -> None:
        self.name = champion

    def champion(self) -> ModelVersion | None:
        return ModelVersion(self.name, "gs://m", "", {}, ("champion",)) if self.name else None

    def make_champion(self, version: str) -> None:
        self.name = version


@pytest.mark.parametrize("step", sorted(set(STEPS) - {"train", "evaluate"}))
def test_every_step_explains_itself_and_takes_what_the_pipeline_passes(step: str) -> None:
    command = [sys.executable, "-m", f"pipeline.steps.{step}", "--help"]
    told = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    passed = container_of(compile_pipeline(facts()), step)["args"]
    assert passed
    for argument in passed:
        assert f"{argument.partition('=')[0]} " in told.replace("]", " ")


def test_a_step_without_its_arguments_says_which() -> None:
    command = [sys.executable, "-m", "pipeline.steps.gate"]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "--model-uri" in ended.stderr


@pytest.mark.parametrize(
    ("champion", "compared_with"),
    [
        ("", ""),
        (f"{MODEL}@2", f"{MODEL}@2"),
        (f"{MODEL}@2", "projects/acme/locations/r/models/recsys@2"),
        (f"{MODEL}@3", f"{MODEL}@2"),
    ],
)
def test_a_version_takes_over_from_the_champion_it_was_compared_with(champion: str, compared_with: str) -> None:
    registry = Registry(champion)
    promote(registry, model_version=f"{MODEL}@3", compared_with=compared_with)  # pyright: ignore[reportArgumentType]
    assert registry.name == f"{MODEL}@3"


@pytest.mark.parametrize(
    ("champion", "compared_with"), [(f"{MODEL}@5", f"{MODEL}@2"), (f"{MODEL}@5", ""), ("", f"{MODEL}@2")]
)
def test_a_champion_that_changed_meanwhile_stays(champion: str, compared_with: str) -> None:
    registry = Registry(champion)
    with pytest.raises(Refused, match=r"compared_with = .*the champion has become version (5|none) since"):
        promote(registry, model_version=f"{MODEL}@3", compared_with=compared_with)  # pyright: ignore[reportArgumentType]
    assert registry.name == champion


def test_a_registered_version_says_what_it_is_and_what_made_it() -> None:
    training = TrainingSummary.model_validate(
        {
            "run_id": "recsys-1",
            "git_sha": "0123abc",
            "started": "2026-01-01T00:00:00Z",
            "first_step": "2026-01-01T00:00:01Z",
            "seconds": 1.0,
            "steps": 10,
            "stopped_by": "max_minutes",
            "data_fingerprint": "f" * 64,
            "users": 943,
            "items": 1682,
            "interactions": 100_000,
            "curve": [],
            "metrics": {},
        }
    )
    told = describe(training, evaluation(0.09, 0.045, markov=0.0766))
    for words in ("ndcg@10 0.0900", "markov 0.0766, most_popular 0.0450", "recsys-1", "0123abc", "f" * 64, "943 users"):
        assert words in told


class _Stored:
    """A storage client whose objects are a dictionary."""

    def __init__(self) -> None:
        self.objects: dict[str, str] = {}

    def bucket(self, name: str) -> "_Stored":
        return self

    def blob(self, name: str, *, generation: int | None) -> Any:
        def download_as_bytes() -> bytes:
            if name not in self.objects:
                raise NotFound(name)
            return self.objects[name].encode()

        def upload_from_string(text: str, *, content_type: str) -> None:
            self.objects[name] = text

        return SimpleNamespace(download_as_bytes=download_as_bytes, upload_from_string=upload_from_string)


@pytest.mark.parametrize(
    ("held", "said"), [(None, "the step before must have left this file"), ("{}", "must be a EvaluationReport")]
)
def test_the_gate_leaves_the_reason_where_it_refuses(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, held: str | None, said: str
) -> None:
    stored = _Stored()
    if held is not None:
        stored.objects["model/evaluation.json"] = held
    monkeypatch.setattr(gate, "for_step", lambda **_: SimpleNamespace(storage=stored))
    flags = ["--project", "p", "--model-uri", "gs://bucket/model", "--decision-file", str(tmp_path / "decision")]
    monkeypatch.setattr(sys, "argv", ["gate", *flags])
    with pytest.raises(Refused, match=said):
        gate.main()
    refusal = json.loads(stored.objects["model/refusal-gate.json"])
    assert refusal["step"] == "gate"
    assert said in refusal["text"]


def test_registration_and_promotion_leave_the_reason_where_they_refuse(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stored = _Stored()
    common = ["--project", "p", "--region", "r", "--model-name", "m", "--model-uri", "gs://bucket/model"]
    steps = {
        register_step: ["--run-id", "1", "--image", "i", "--model-version-file", str(tmp_path / "version")],
        promote_step: ["--model-version", f"{MODEL}@3", "--compared-with", f"{MODEL}@2"],
    }
    for step, flags in steps.items():
        monkeypatch.setattr(step, "for_step", lambda **_: SimpleNamespace(storage=stored))
        monkeypatch.setattr(step, "ModelRegistry", lambda *_: Registry(f"{MODEL}@5"))
        monkeypatch.setattr(sys, "argv", ["step", *common, *flags])
        with pytest.raises(Refused):
            step.main()
    assert "training.json" in json.loads(stored.objects["model/refusal-register.json"])["text"]
    assert "has become version 5" in json.loads(stored.objects["model/refusal-promote.json"])["text"]


def test_labels_are_made_of_what_google_allows() -> None:
    assert label("Feature/X.1") == "feature-x-1"
    assert len(label("f" * 64)) == 63


def test_a_versions_number_is_what_stands_behind_the_at() -> None:
    assert version_id(f"{MODEL}@12") == "12"
    assert version_id("") == ""
