"""`python -m doctor.guard`: that a stack is changed only where its state says it lies, asked before `up` and `down`.

The engines take the project from the stack file and the account from whoever is logged in, and compare neither with the
state: another project in the file, or endpoints that lead to another cloud, would have a whole stack made anew there
and forgotten here. Owns: that comparison. Does not own: whether the stack could come up (doctor/checks.py).
"""

import argparse
import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from google.auth.exceptions import GoogleAuthError

from contracts.problems import Problem, Refused, refuse_if
from doctor.google import Google, NoAnswerError, Rest
from doctor.stack_file import StackPlace, read_place
from infra.stack_config import config_key

_STACK = "pulumi:pulumi:Stack"
_PROVIDER = "pulumi:providers:gcp"
_AGENT = re.compile(r"service-(\d+)@gcp-sa-")
_NO_STACK = "no stack named"


@dataclass(frozen=True)
class Place:
    """Where a state's resources lie; `number` is the project's, "" where the state does not tell it."""

    project: str
    number: str


def require_same_place(root: Path, stack: str, environment: Mapping[str, str]) -> None:
    """Raise Refused where the stack file's project is not the state's, or where the account that is logged in does not
    see that project, or sees another of its name.
    """
    config = read_place(root, stack)
    place = place_of(_state(root, stack, config, environment))
    if place is None:
        return
    subject = f"Stack {stack}"
    if place.project != config.project:
        rule = f"the stack's state is of project {place.project!r}, and nothing moves from one to the other"
        fix = f"Set it back to {place.project} in Pulumi.{stack}.yaml; for another project make another stack file"
        refuse_if(subject, [Problem(key=config_key("project"), value=config.project, rule=rule, fix=fix)])
    try:
        refuse_if(subject, other_cloud(Rest(environment), place))
    except GoogleAuthError as error:
        fix = "gcloud auth application-default login"
        raise Refused(
            subject, [Problem(key="account", value=None, rule=f"nobody is logged in ({error})", fix=fix)]
        ) from error


def other_cloud(google: Google, place: Place) -> list[Problem]:
    """Why whatever answers is not where the state's resources lie."""
    try:
        found = google.get("projects", f"projects/{place.project}")
    except NoAnswerError as error:
        rule = f"is not seen by the account that is logged in (HTTP {error.status}: {error})"
        fix = "gcloud auth application-default login, as one who may change this stack"
        return [Problem(key="the state's project", value=place.project, rule=rule, fix=fix)]
    number = str(found.get("projectNumber") or "")
    if place.number in ("", number):
        return []
    rule = f"the state's {place.project} has the number {place.number!r}: another cloud or another project answers"
    fix = "Unset the GOOGLE_…_CUSTOM_ENDPOINT variables, or log in where the stack was brought up"
    return [Problem(key="project number", value=number, rule=rule, fix=fix)]


def place_of(state: Mapping[str, Any]) -> Place | None:
    """None where the state has nothing of Google's."""
    resources = state.get("resources") or []
    outputs = [each.get("outputs") or {} for each in resources if each.get("type") == _STACK]
    providers = [each.get("inputs") or {} for each in resources if each.get("type") == _PROVIDER]
    projects = [str(each["project"]) for each in (*outputs, *providers) if each.get("project")]
    if not projects or not any(str(each.get("type")).startswith("gcp:") for each in resources):
        return None
    emails = (str((each.get("outputs") or {}).get("email")) for each in resources)
    numbers = [found[1] for email in emails if (found := _AGENT.match(email))]
    return Place(projects[0], numbers[0] if numbers else "")


def _state(root: Path, stack: str, config: StackPlace, environment: Mapping[str, str]) -> dict[str, Any]:
    """The deployment that the stack's backend holds; nothing where there is no such stack yet, nor of a damaged file,
    which the engines refuse with the way back.
    """
    if config.state_backend.startswith("file://"):
        name = yaml.safe_load((root / "Pulumi.yaml").read_text())["name"]
        folder = root / Path(config.state_backend.removeprefix("file://")).expanduser()
        path = folder / ".pulumi" / "stacks" / name / f"{stack}.json"
        if not path.is_file():
            return {}
        with contextlib.suppress(ValueError, KeyError, TypeError):
            return json.loads(path.read_text())["checkpoint"]["latest"] or {}
        return {}
    return _exported(root, stack, config.state_backend, environment)


def _exported(root: Path, stack: str, backend: str, environment: Mapping[str, str]) -> dict[str, Any]:
    command = ["pulumi", "stack", "export", "--stack", stack]
    env = {**environment, "PULUMI_BACKEND_URL": backend}
    try:
        done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        rule, fix = f"the state in {backend} is read by the pulumi command, which is not on PATH", "Install Pulumi"
        raise Refused("The stack", [Problem(key="--stack", value=stack, rule=rule, fix=fix)]) from None
    if done.returncode and _NO_STACK in done.stderr:
        return {}
    try:
        done.check_returncode()
        return json.loads(done.stdout).get("deployment") or {}
    except (subprocess.CalledProcessError, ValueError) as error:
        reason = next(iter((done.stderr or done.stdout).strip().splitlines()[-1:]), "no message")
        rule = f"`{' '.join(command)}` failed: {reason}"
        fix = f"Run it yourself with PULUMI_BACKEND_URL={backend}"
        raise Refused("The stack", [Problem(key="--stack", value=stack, rule=rule, fix=fix)]) from error


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m doctor.guard", description=__doc__)
    parser.add_argument("--stack", required=True, metavar="NAME", help="the stack")
    parser.add_argument(
        "--cwd", type=Path, default=Path(), metavar="FOLDER", help="the project's folder (default: here)"
    )
    arguments = parser.parse_args(argv)
    try:
        require_same_place(arguments.cwd, arguments.stack, os.environ)
    except Refused as refused:
        sys.stderr.write(f"{refused}\n")
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
