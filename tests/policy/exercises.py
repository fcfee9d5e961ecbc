"""The ways in which a command of the README is exercised, from running it to holding it against what it must agree
with.

Does not own: which command is exercised how (test_readme_commands.py).
"""

import argparse
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.policy.readme import ROOT_FOLDER, Command

Exercise = Callable[[Command, Path, pytest.MonkeyPatch], None]

_INSTALLED = ".venv/.installed"
_SECONDS = 60


class _ParsedError(BaseException):
    """A module's parser accepted its arguments: nothing of what comes after it shall run."""


def environment(**changed: str) -> dict[str, str]:
    """As in a terminal with the environment active, whatever `make` runs these tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "PULUMI_"))}
    kept["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
    return kept | changed


def run(command: str, *, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a shell command in the repository; `make` takes what is installed for granted."""
    return subprocess.run(
        ["bash", "-c", re.sub(r"^make\b", f"make -o {_INSTALLED}", command)],
        cwd=ROOT_FOLDER, env=dict(env or environment()), capture_output=True, text=True, timeout=_SECONDS, check=False,
    )  # fmt: skip


def runs(*says: str) -> Exercise:
    """The command itself, which must succeed and say what is expected."""

    def exercise(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        done = run(command.text)
        assert done.returncode == 0, done.stderr
        assert [text for text in says if text not in done.stdout] == []

    return exercise


def expands_to(*expected: str) -> Exercise:
    """The recipe of a make command, not run: it holds what is expected, its programs exist, and each module that it
    starts accepts the arguments that it gets.
    """

    def exercise(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        lines = recipe(command.text)
        assert [text for text in expected if text not in "\n".join(lines)] == []
        for line in lines:
            program, *rest = shlex.split(re.sub(r"^(\w+=\$\(.*?\)|\w+=\S*) +", "", line))
            if rest[:1] == ["-m"] and rest[1] != "pytest":
                assert accepts(rest[1], rest[2:], monkeypatch), line
            elif program != "pulumi":
                assert shutil.which(program, path=environment()["PATH"]) or (ROOT_FOLDER / program).exists(), line

    return exercise


def recipe(command: str) -> list[str]:
    """What make would run, a line each."""
    done = run(f"{command} --dry-run --no-print-directory")
    assert done.returncode == 0, done.stderr
    return [line.strip() for line in re.sub(r"\\\n\s*", "", done.stdout).splitlines() if line.strip()]


def is_accepted(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `python -m` command whose module accepts its arguments; what it then does has tests of its own."""
    python, flag, module, *arguments = shlex.split(command.text)
    assert (python, flag) == ("python", "-m")
    assert accepts(module, arguments, monkeypatch)


def accepts(module: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the parser of `python -m module` takes these arguments; nothing else of the module runs."""
    parse = argparse.ArgumentParser.parse_args

    def parse_alone(self: argparse.ArgumentParser, *given: list[str]) -> argparse.Namespace:
        parse(self, *given)
        raise _ParsedError

    with monkeypatch.context() as patched:
        patched.setattr(argparse.ArgumentParser, "parse_args", parse_alone)
        patched.setattr(sys, "argv", [module, *arguments])
        patched.chdir(ROOT_FOLDER)
        try:
            runpy.run_module(module, run_name="__main__")
        except _ParsedError:
            return True
        except SystemExit:
            return False
    return False
