"""The steps' image: what it installs is what its steps import, in the platform's versions."""

import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from pipeline.custom_jobs import STEPS

REPOSITORY = Path(__file__).resolve().parents[3]
MODULES = [f"pipeline.steps.{step}" for step in STEPS if step not in ("train", "evaluate")]
# Clients that steps import when they first need them.
LAZY = ["google.cloud.storage", "google.cloud.bigquery", "pipeline.vertex_rest"]


def pins(path: str) -> dict[str, str]:
    lines = (REPOSITORY / path).read_text().splitlines()
    return {_normal(line.partition("==")[0]): line for line in lines if "==" in line}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_image_installs_the_platforms_versions() -> None:
    platform = pins("requirements/runtime.txt")
    steps = pins("pipeline/requirements.txt")
    assert steps
    assert {name: line for name, line in steps.items() if platform.get(name) != line} == {}


class OnlyInstalled:
    """Hides every distribution that the image does not install, as far as top-level packages can be told apart."""

    def __init__(self, installed: list[str]) -> None:
        self.installed = set(installed)
        self.distributions = packages_distributions()

    def find_spec(self, name: str, *_: object) -> None:
        owners = {_normal(owner) for owner in self.distributions.get(name.partition(".")[0], [])}
        if owners and not owners & self.installed:
            raise ModuleNotFoundError(f"{name} is not in the image", name=name)


def test_steps_and_their_clients_import_with_nothing_but_what_the_image_installs() -> None:
    program = (
        "import sys; from tests.unit.pipeline.test_image import OnlyInstalled, pins\n"
        "sys.meta_path.insert(0, OnlyInstalled(list(pins('pipeline/requirements.txt'))))\n"
        f"import {', '.join([*MODULES, *LAZY])}\n"
        "import yaml"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.stderr.strip().splitlines()[-1] == "ModuleNotFoundError: yaml is not in the image"


@pytest.mark.parametrize("line", ["ARG BASE_IMAGE=", "FROM ${BASE_IMAGE}"])
def test_the_base_is_an_argument(line: str) -> None:
    assert line in (REPOSITORY / "pipeline/Dockerfile").read_text()


def test_the_base_is_pinned_by_digest() -> None:
    assert re.search(
        r"^ARG BASE_IMAGE=\S+@sha256:[0-9a-f]{64}$", (REPOSITORY / "pipeline/Dockerfile").read_text(), re.M
    )
