# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.cloud import aiplatform
from kfp import dsl

from tests.samples.__main__ import main
from tests.samples.catalog import samples_in
from tests.unit.pipelines.compiled import compiled


@dsl.container_component
def say(word: str):
    return dsl.ContainerSpec(image="alpine", command=["echo"], args=[word])


@dsl.container_component
def break_off():
    return dsl.ContainerSpec(image="python:3.11", command=["python", "-c", "raise SystemExit(3)"])


@dsl.container_component
def foreign():
    return dsl.ContainerSpec(image="acme/own:1", command=["true"])


@dsl.pipeline(name="says")
def says(word: str, rows: list, times: int = 2):
    with dsl.If(times > 1):
        say(word=word)


@dsl.pipeline(name="breaks")
def breaks():
    break_off()


@dsl.pipeline(name="needs")
def needs():
    foreign()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, pipeline in (("says", says), ("fail_v2", breaks), ("deep/needs", needs)):
        path = tmp_path / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(compiled(pipeline)))
    kubernetes = {"platforms": {"kubernetes": {"deploymentSpec": {"executors": {"e": {"secretAsEnv": []}}}}}}
    (tmp_path / "secret.yaml").write_text(yaml.safe_dump_all([compiled(breaks), kubernetes]))
    (tmp_path / "secret-in-a-branch.yaml").write_text(yaml.safe_dump_all([compiled(says), kubernetes]))
    (tmp_path / "workflow.yaml").write_text("kind: Workflow\n")
    (tmp_path / "broken.yaml").write_text("a: [\n")
    return tmp_path


def test_every_file_is_listed_with_why_it_is_skipped(folder: Path) -> None:
    found = {each.name: each.why_not for each in samples_in(folder)}
    assert found == {
        "broken.yaml": "cannot be read: ParserError",
        "deep/needs.yaml": "needs acme/own:1",
        "fail_v2.yaml": "",
        "says.yaml": "",
        "secret-in-a-branch.yaml": "",
        "secret.yaml": "needs Kubernetes (secretAsEnv)",
        "workflow.yaml": "holds no PipelineSpec",
    }


def test_without_an_index_a_sample_that_installs_more_than_kfp_is_skipped(tmp_path: Path) -> None:
    for name, packages in (("plain", []), ("more", ["yapf==0.40"])):
        component = dsl.component(base_image="python:3.11", packages_to_install=packages)(print_word)
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(compiled(component)))
    found = {each.name: each for each in samples_in(tmp_path, online=False)}
    assert found["plain.yaml"].why_not == ""
    assert found["more.yaml"].why_not == "installs yapf==0.40, and the package index cannot be reached"
    assert samples_in(tmp_path)[0].why_not == ""


def print_word(word: str): ...


def test_parameters_without_a_default_are_given_by_their_type(folder: Path) -> None:
    says_sample = next(each for each in samples_in(folder) if each.name == "says.yaml")
    assert says_sample.control_flow
    assert says_sample.parameters() == {"word": "text", "rows": ["1", "2"]}


@pytest.fixture
def sdk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The SDK's settings, which a run of samples changes, put back."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "")
    yield
    aiplatform.initializer.global_config.__init__()  # type: ignore[misc]


@pytest.mark.slow
@pytest.mark.usefixtures("sdk")
def test_samples_are_run_and_one_that_ends_otherwise_is_a_failure(folder: Path, tmp_path: Path) -> None:
    def run(only: str) -> tuple[int, dict[str, Any]]:
        out = tmp_path / "out.json"
        status = main([f"SAMPLES={folder}", "--offline", "--only", only, "--out", str(out)])
        return status, {each["name"]: each for each in json.loads(out.read_text())}

    status, outcomes = run("s")
    assert status == 0
    assert {name: each["verdict"] for name, each in outcomes.items()} == {
        "deep/needs.yaml": "skipped",
        "says.yaml": "passed",
        "secret-in-a-branch.yaml": "passed",
        "secret.yaml": "skipped",
    }
    (folder / "fail_v2.yaml").rename(folder / "unforeseen.yaml")
    status, outcomes = run("unforeseen")
    assert status == 1
    assert outcomes["unforeseen.yaml"]["reason"].startswith("FAILED instead of SUCCEEDED: break-off")
