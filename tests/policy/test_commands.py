"""The developer interface: make's targets explain themselves, and every module that is a command answers --help."""

import re
import subprocess

import pytest

from tests.policy import exercises
from tests.policy import makefile as make
from tests.policy.modules import modules_with_a_parser
from tests.policy.readme import ROOT_FOLDER


def test_every_target_has_a_line_of_help_and_is_phony() -> None:
    assert [name for name, text in make.targets().items() if not text] == []
    assert make.targets().keys() == make.phony()


def test_make_help_lists_every_target() -> None:
    done = exercises.run("make help")

    assert done.returncode == 0, done.stderr
    listed = dict(re.findall(r"^  make (\S+) +(\S.*)$", done.stdout, re.MULTILINE))
    assert listed == make.targets()


def test_the_variables_that_help_names_can_be_set() -> None:
    named = re.findall(r"\b([A-Z]+)=", "\n".join(make.targets().values()))
    assert {"STACK", "DATA", "STATE"} <= set(named) <= make.variables()


def test_texts_name_only_targets_that_exist() -> None:
    """What messages, comments and documents tell the reader to make: in backticks or behind a colon."""
    listing = ["git", "ls-files", "*.py", "*.md", "*.yaml", "*.toml", "Makefile"]
    files = subprocess.run(listing, cwd=ROOT_FOLDER, capture_output=True, text=True, check=True).stdout.split()
    texts = [(ROOT_FOLDER / name).read_text() for name in files if (ROOT_FOLDER / name).exists()]
    named = re.findall(r"(?:`|: )make ([a-z-]+)", "\n".join(texts))
    assert len(named) > 10
    assert set(named) <= make.targets().keys()


def test_the_modules_that_are_commands_are_found() -> None:
    assert {"engine", "local.stack", "local.cloud", "pipeline.submit", "pipeline.steps.extract", "train.main"} <= set(
        modules_with_a_parser()
    )


@pytest.mark.parametrize("module", modules_with_a_parser())
def test_a_command_answers_help_under_its_own_name(module: str) -> None:
    done = exercises.run(f"python -m {module} --help")

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: python -m {module} ")
