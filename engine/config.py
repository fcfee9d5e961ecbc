"""A project and the configuration of one of its stacks, as Pulumi's files write them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from engine.errors import EngineError
from engine.values import Secret, Value

PLACEHOLDER = "[secret]"


@dataclass(frozen=True)
class Project:
    """A Pulumi.yaml."""

    name: str
    folder: Path
    program: Path
    config: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StackConfig:
    """The configuration that a program sees; secrets are wrapped, those that could not be opened are `locked`."""

    values: dict[str, Value]
    locked: list[str]

    @property
    def texts(self) -> dict[str, str]:
        return {key: value.value if isinstance(value, Secret) else value for key, value in self.values.items()}

    @property
    def secret_keys(self) -> list[str]:
        return [key for key, value in self.values.items() if isinstance(value, Secret)]


def read_project(folder: Path) -> Project:
    """The project in a folder; raises EngineError if it is none, or no Python project."""
    path = next(
        (folder / name for name in ("Pulumi.yaml", "Pulumi.yml", "Pulumi.json") if (folder / name).exists()), None
    )
    if path is None:
        raise EngineError(f"{folder} has no Pulumi.yaml: give the folder of a Pulumi project with --cwd")
    body = _read_yaml(path)
    name, runtime = body.get("name"), body.get("runtime")
    runtime = runtime.get("name") if isinstance(runtime, dict) else runtime
    if not isinstance(name, str) or not name:
        raise EngineError(f"{path} has no name: write `name: my-project` into it")
    if runtime != "python":
        raise EngineError(
            f"{path} has runtime {runtime!r}: the embedded engine runs Python programs; use the `pulumi` command"
        )
    program = (folder / str(body.get("main") or ".")).resolve()
    return Project(name, folder, program, body.get("config") or {})


def read_config(
    project: Project, stack: str, file: Path | None, overrides: dict[str, str], unlock: Callable[[str, str], str | None]
) -> StackConfig:
    """The stack's configuration: the project's defaults, the stack's file, then `overrides`.

    `unlock(salt, ciphertext)` opens a secret of the file, or says None: it is then a placeholder, its key `locked`.
    """
    path = file or project.folder / f"Pulumi.{stack}.yaml"
    if file is not None and not path.exists():
        raise EngineError(f"--config-file {str(file)!r} does not exist")
    body = _read_yaml(path) if path.exists() else {}
    if body.get("environment"):
        raise EngineError(
            f"{path} takes configuration from Pulumi ESC (environment:), which needs Pulumi's cloud: use the "
            "`pulumi` command"
        )
    locked: list[str] = []
    salt = str(body.get("encryptionsalt") or "")

    def opened(key: str, ciphertext: str) -> str:
        text = unlock(salt, ciphertext) if salt else None
        if text is None:
            locked.append(key)
        return PLACEHOLDER if text is None else text

    values: dict[str, Value] = {}
    for key, value in project.config.items():
        default = value.get("value", value.get("default")) if isinstance(value, dict) else value
        if default is not None:
            values[_full(key, project.name)] = _text(default)
    for key, value in (body.get("config") or {}).items():
        full = _full(key, project.name)
        values[full] = _stack_value(full, value, opened)
    values |= {_full(key, project.name): value for key, value in overrides.items()}
    return StackConfig(values, locked)


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        body = yaml.safe_load(path.read_text()) or {}
    except (OSError, yaml.YAMLError) as error:
        raise EngineError(f"{path} cannot be read: {error}") from error
    if not isinstance(body, dict):
        raise EngineError(f"{path} is no mapping: see https://www.pulumi.com/docs/iac/concepts/projects/project-file/")
    return body


def _full(key: str, project: str) -> str:
    return key if ":" in key else f"{project}:{key}"


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return str(value)


def _stack_value(key: str, value: Any, opened: Callable[[str, str], str]) -> Value:
    """A value as text; secret if any part of it is."""
    found = False

    def walk(item: Any) -> Any:
        nonlocal found
        if isinstance(item, dict) and set(item) == {"secure"}:
            found = True
            return opened(key, str(item["secure"]))
        if isinstance(item, dict):
            return {name: walk(inner) for name, inner in item.items()}
        if isinstance(item, list):
            return [walk(inner) for inner in item]
        return item

    text = _text(walk(value))
    return Secret(text) if found else text
