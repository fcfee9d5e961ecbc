"""Where a stack's outputs come from."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contracts.problems import Refused
from contracts.stack_outputs import StackOutputs
from pipeline import stack_reader
from tests.unit.pipeline.example import outputs


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "checkout"
    root.mkdir()
    (root / "Pulumi.yaml").write_text("name: recsys-training\nruntime: python\n")
    (root / "Pulumi.local.yaml").write_text("config:\n  recsys-training:stateBackend: file://.local/state\n")
    (root / "Pulumi.dev.yaml").write_text("config:\n  recsys-training:stateBackend: gs://acme-state\n")
    return root


def keep_state(root: Path, values: dict[str, Any]) -> None:
    path = root / ".local/state/.pulumi/stacks/recsys-training/local.json"
    path.parent.mkdir(parents=True)
    resources = [
        {"urn": "urn:x", "type": "pulumi:pulumi:Stack", "custom": False, "outputs": values},
        {"urn": "urn:y", "type": "gcp:storage/bucket:Bucket", "custom": True, "outputs": {"name": "b"}},
    ]
    latest = {"manifest": {}, "resources": resources}
    path.write_text(json.dumps({"version": 3, "checkpoint": {"stack": "organization/x/local", "latest": latest}}))


def test_outputs_are_read_from_a_file_backends_state(project: Path) -> None:
    keep_state(project, outputs(stack="local").model_dump())
    assert stack_reader.read("local", root=project) == outputs(stack="local")


def test_numbers_that_became_floats_and_nulls_that_were_left_out_still_fit(project: Path) -> None:
    values = json.loads(json.dumps(outputs(stack="local").model_dump()), parse_int=float)
    values["training_pool"].pop("autoscaling")
    keep_state(project, values)
    assert stack_reader.read("local", root=project) == outputs(stack="local")


def test_outputs_are_read_from_a_file_wherever_the_project_is(tmp_path: Path) -> None:
    path = tmp_path / "outputs.json"
    path.write_text(outputs().model_dump_json())
    assert stack_reader.read("dev", outputs_file=path) == outputs()


def test_the_project_is_found_by_the_packages_place_or_the_variable(project: Path) -> None:
    assert stack_reader.project_root({"RECSYS_ROOT": str(project)}) == project
    with pytest.raises(Refused, match=r"RECSYS_ROOT = '/nowhere'"):
        stack_reader.project_root({"RECSYS_ROOT": "/nowhere"})


def test_another_backend_is_asked_through_the_pulumi_command(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = tmp_path / "answer.json"
    answer.write_text(outputs().model_dump_json())
    command = tmp_path / "bin" / "pulumi"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\ntest "$PULUMI_BACKEND_URL $PWD" = "gs://acme-state {project}" && cat {answer}\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}:/usr/bin:/bin")
    assert stack_reader.read("dev", root=project) == outputs()
    command.write_text("#!/bin/sh\necho 'error: no stack named dev' >&2\nexit 255\n")
    with pytest.raises(Refused, match="no stack named dev"):
        stack_reader.read("dev", root=project)


def test_without_the_pulumi_command_another_backend_is_refused(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(project))
    with pytest.raises(Refused, match=r"'dev': the state in gs://acme-state is read by the pulumi command"):
        stack_reader.read("dev", root=project)


def drop(name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda values: {key: value for key, value in values.items() if key != name}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (drop("model_dir"), "model_dir = None: field required"),
        (lambda values: values | {"max_minutes": "long"}, "max_minutes = 'long'"),
        (lambda values: values | {"colour": "blue"}, "colour = 'blue'"),
        (lambda _: {}, "the stack is not up"),
    ],
)
def test_outputs_that_are_not_a_platforms_are_refused_by_field(
    project: Path, change: Callable[[dict[str, Any]], dict[str, Any]], words: str
) -> None:
    keep_state(project, change(outputs(stack="local").model_dump()))
    with pytest.raises(Refused, match=words):
        stack_reader.read("local", root=project)


def test_an_unknown_stack_is_refused_with_those_that_exist(project: Path) -> None:
    with pytest.raises(Refused, match=r"'prod': the stacks are dev, local"):
        stack_reader.read("prod", root=project)


def test_a_stack_that_is_not_up_is_refused_with_the_command_that_brings_it_up(project: Path) -> None:
    with pytest.raises(Refused, match=r"the stack is not up\. Bring it up: make up STACK=local"):
        stack_reader.read("local", root=project)


def test_a_half_written_outputs_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "outputs.json"
    path.write_text('{"project": ')
    with pytest.raises(Refused, match=r"outputs\.json': the file must be readable JSON"):
        stack_reader.read("dev", outputs_file=path)


def test_every_output_is_a_field_and_none_is_missing() -> None:
    assert set(outputs().model_dump()) == set(StackOutputs.model_fields)
