"""The stack files, as a person edits them: one set of keys, all of it typed, each file accepted."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from contracts.stack_outputs import StackOutputs
from infra.stack_config import StackConfig, config_key
from tests.unit.infra.deploy import ROOT_FOLDER, deploy

STACKS = ("dev", "prod", "local")


def config(stack: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT_FOLDER / f"Pulumi.{stack}.yaml").read_text())["config"]


def keys(value: Any, path: str = "") -> set[str]:
    if not isinstance(value, dict):
        return {path}
    return {key for name, item in value.items() for key in keys(item, f"{path}.{name}" if path else name)}


def test_all_stack_files_have_one_set_of_keys() -> None:
    assert keys(config("dev")) == keys(config("prod")) == keys(config("local"))


def test_the_keys_are_exactly_those_that_the_program_reads() -> None:
    assert config("dev").keys() == {config_key(field) for field in StackConfig.model_fields}


def test_there_is_no_stack_file_that_these_tests_do_not_know() -> None:
    assert {path.name.split(".")[1] for path in ROOT_FOLDER.glob("Pulumi.*.yaml")} == set(STACKS)


@pytest.mark.parametrize("stack", STACKS)
def test_a_stack_file_is_accepted_and_its_exports_meet_the_contract(stack: str, tmp_path: Path) -> None:
    lock = tmp_path / "images.json"
    lock.write_text(json.dumps({name: f"h/p/r/{name}@sha256:{'a' * 64}" for name in ("trainer", "steps")}))

    outputs = deploy(stack=stack, config={"recsys-training:imagesLock": str(lock)}).outputs

    assert outputs.keys() == StackOutputs.model_fields.keys()
    assert StackOutputs.model_validate(outputs).project == config(stack)["gcp:project"]


def test_dev_and_prod_are_different_projects_with_different_state() -> None:
    for key in ("gcp:project", "recsys-training:stateBackend", "recsys-training:environment"):
        assert config("dev")[key] != config("prod")[key]


def test_prod_protects_and_dev_sleeps() -> None:
    assert config("prod")["recsys-training:protect"] is True
    assert all(schedule["paused"] for schedule in config("dev")["recsys-training:schedules"])
