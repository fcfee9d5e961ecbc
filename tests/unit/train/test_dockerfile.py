"""The image's recipe, held to the contract without a Docker daemon."""

import fnmatch
import json
import re
from importlib.metadata import version
from pathlib import Path

import pytest

TRAINER = Path(__file__).resolve().parents[3] / "trainer"
RECIPE = (TRAINER / "Dockerfile").read_text()
INSTRUCTIONS = [
    line.split(None, 1)
    for line in RECIPE.replace("\\\n", " ").splitlines()
    if line.strip() and not line.lstrip().startswith("#")
]


def arguments_of(instruction: str) -> list[str]:
    return [rest.strip() for name, rest in INSTRUCTIONS if name == instruction]


def test_the_base_is_an_argument_pinned_by_digest() -> None:
    assert re.fullmatch(r"BASE_IMAGE=python:3\.11-\S+@sha256:[0-9a-f]{64}", arguments_of("ARG")[0])
    assert arguments_of("FROM") == ["${BASE_IMAGE}"]


def test_both_images_share_a_base() -> None:
    steps = (TRAINER.parent / "pipeline" / "Dockerfile").read_text()
    assert f"ARG {arguments_of('ARG')[0]}\n" in steps


def test_the_entry_point_is_the_contracts() -> None:
    (entry,) = arguments_of("ENTRYPOINT")
    assert json.loads(entry) == ["/usr/bin/bash", "-lc", "python -m train.main $TRAIN_ARGS"]


@pytest.mark.parametrize("copied", arguments_of("COPY"))
def test_what_is_copied_is_there_and_not_ignored(copied: str) -> None:
    source, _ = copied.split()
    assert (TRAINER / source).exists()
    rules = (TRAINER / ".dockerignore").read_text().splitlines()
    kept = [rule[1:] for rule in rules if rule.startswith("!")]
    sample = source if (TRAINER / source).is_file() else f"{source}/main.py"
    assert rules[0] == "*"
    assert any(fnmatch.fnmatch(sample, rule.replace("**/", "")) for rule in kept)


def test_the_lock_is_installed_and_pins_everything() -> None:
    assert any("--requirement /app/requirements.txt" in command for command in arguments_of("RUN"))
    lines = [line for line in (TRAINER / "requirements.txt").read_text().splitlines() if line and line[0] != "#"]
    assert all("==" in line for line in lines)
    pinned = {line.split("==")[0]: line.split("==")[1].split()[0] for line in lines}
    for name in ("torch", "pyarrow", "pydantic"):
        assert version(name).split("+")[0] == pinned[name]


def test_it_runs_without_privileges_and_knows_its_revision() -> None:
    assert arguments_of("USER") == ["trainer"]
    assert "GIT_SHA=${GIT_SHA}" in arguments_of("ENV")
    names = [name for name, _ in INSTRUCTIONS]
    assert names.index("USER") < names.index("ENTRYPOINT")
