"""The outputs of a stack, from wherever its state is kept.

Owns: finding the project and its state backend, and reading outputs from a file, from a file backend's state, or from
the pulumi command. Does not own: what the outputs mean (contracts.stack_outputs), nor any change of state.
"""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

import contracts
from contracts.problems import Problem, Refused
from contracts.stack_outputs import StackOutputs

ROOT_VARIABLE = "RECSYS_ROOT"
BACKEND_KEY = "stateBackend"


def read(stack: str, *, outputs_file: Path | None = None, root: Path | None = None) -> StackOutputs:
    """The outputs of a stack. Raises `Refused` where they cannot be had, and says how to get them."""
    if outputs_file is not None:
        return parse(_json_file(outputs_file), source=str(outputs_file))
    root = root or project_root(os.environ)
    backend = state_backend(root, stack)
    if backend.startswith("file://"):
        path = _state_file(root, backend, stack)
        return parse(outputs_in_state(_state(path, stack)), source=str(path))
    return parse(_from_pulumi(root, backend, stack), source=f"pulumi stack output --stack {stack}")


def project_root(environment: Mapping[str, str]) -> Path:
    """The folder of Pulumi.yaml: RECSYS_ROOT, or where this package is installed from."""
    root = Path(environment.get(ROOT_VARIABLE) or Path(contracts.__file__).parent.parent)
    if not (root / "Pulumi.yaml").is_file():
        rule = "the project's folder must hold Pulumi.yaml"
        raise _refused(ROOT_VARIABLE, str(root), rule, f"Set {ROOT_VARIABLE} to the repository, or pass --outputs FILE")
    return root


def state_backend(root: Path, stack: str) -> str:
    """The stack's `stateBackend`, as an address."""
    path = root / f"Pulumi.{stack}.yaml"
    if not path.is_file():
        known = sorted(file.name.split(".")[1] for file in root.glob("Pulumi.*.yaml"))
        raise _refused("--stack", stack, f"the stacks are {', '.join(known) or 'none'}", "Name one of them")
    config = (yaml.safe_load(path.read_text()) or {}).get("config") or {}
    backend = config.get(f"{_project_name(root)}:{BACKEND_KEY}", "")
    if not backend:
        raise _refused(
            f"{path.name} {BACKEND_KEY}", backend, "the stack's state must be somewhere", "Set it: file://… or gs://…"
        )
    return str(backend)


def outputs_in_state(state: Mapping[str, Any]) -> dict[str, Any]:
    """The stack resource's outputs in a checkpoint of Pulumi's file backend."""
    resources = (state.get("checkpoint") or {}).get("latest", {}).get("resources") or []
    stacks = [resource for resource in resources if resource.get("type") == "pulumi:pulumi:Stack"]
    return dict(stacks[0].get("outputs") or {}) if stacks else {}


def parse(values: Any, *, source: str) -> StackOutputs:
    """Typed outputs. Raises `Refused` with every field that is missing or wrong."""
    if not values:
        raise _refused("outputs", {}, f"{source} has no outputs: the stack is not up", "Bring it up: make up")
    try:
        return StackOutputs.model_validate(values)
    except ValidationError as error:
        problems = [
            Problem(
                key=".".join(str(part) for part in fault["loc"]) or "outputs",
                value=None if fault["type"] == "missing" else fault["input"],
                rule=f"{fault['msg'].lower()} ({source})",
                fix="Bring the stack up with this version of the program: make up",
            )
            for fault in error.errors()
        ]
        raise Refused("Stack outputs", problems) from None


def _state_file(root: Path, backend: str, stack: str) -> Path:
    folder = Path(backend.removeprefix("file://")).expanduser()
    return root / folder / ".pulumi" / "stacks" / _project_name(root) / f"{stack}.json"


def _state(path: Path, stack: str) -> dict[str, Any]:
    if not path.is_file():
        raise _refused(
            "--stack", stack, f"there is no state in {path}: the stack is not up", f"Bring it up: make up STACK={stack}"
        )
    return _json_file(path)


def _json_file(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise _refused(
            "outputs", str(path), f"the file must be readable JSON ({error})", "Bring the stack up: make up"
        ) from None


def _from_pulumi(root: Path, backend: str, stack: str) -> Any:
    command = ["pulumi", "stack", "output", "--json", "--stack", stack]
    environment = os.environ | {"PULUMI_BACKEND_URL": backend}
    fix = f"Run it yourself in {root}, or pass --outputs FILE"
    try:
        done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        rule = f"the state in {backend} is read by the pulumi command, which is not on PATH"
        raise _refused("--stack", stack, rule, "Install Pulumi, or pass --outputs FILE") from None
    if done.returncode:
        reason = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no message"]
        raise _refused("--stack", stack, f"{' '.join(command)} failed: {reason[0]}", fix)
    return json.loads(done.stdout)


def _project_name(root: Path) -> str:
    return str(yaml.safe_load((root / "Pulumi.yaml").read_text())["name"])


def _refused(key: str, value: Any, rule: str, fix: str) -> Refused:
    return Refused("Stack", [Problem(key=key, value=value, rule=rule, fix=fix)])
