"""A project and the configuration of one of its stacks, as Pulumi's files write them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from engine import goyaml
from engine.errors import EngineError
from engine.gojson import go_float, go_json
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
    """The configuration that a program sees; secrets are wrapped, those that could not be opened are `locked`, and
    `empty` are those without a value.
    """

    values: dict[str, Value]
    locked: list[str]
    empty: list[str] = field(default_factory=list)

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
    return Project(name, folder, program, _entries(body, path))


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
    empty: list[str] = []
    for key, value in project.config.items():
        default = value.get("value", value.get("default")) if isinstance(value, dict) else value
        if default is not None:
            values[_full(key, project.name)] = _text(default)
    for key, value in _entries(body, path).items():
        full = _full(key, project.name)
        if value is None:
            empty.append(full)
        values[full] = _stack_value(full, value, opened)
    values |= {_full(key, project.name): value for key, value in overrides.items()}
    return StackConfig(values, locked, empty)


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        body = goyaml.load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise EngineError(f"{path} cannot be read: {error}") from error
    body = {} if body is None else body
    if not isinstance(body, dict):
        raise EngineError(f"{path} is no mapping: see https://www.pulumi.com/docs/iac/concepts/projects/project-file/")
    return body


def _entries(body: dict[str, Any], path: Path) -> dict[str, Any]:
    """The configuration in a file."""
    entries = body.get("config")
    if entries is None:
        return {}
    if not isinstance(entries, dict):
        raise EngineError(f"{path} has config: {entries!r}: write keys and values below it")
    for key in entries:
        if not isinstance(key, str):
            raise EngineError(f"{path} has the configuration key {key!r}, which is no text: quote it")
    return entries


def _full(key: str, project: str) -> str:
    return key if ":" in key else f"{project}:{key}"


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool | dict | list):
        return go_json(_with_text_keys(value))
    if isinstance(value, float):
        return go_float(value)
    return str(value)


def _with_text_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {key if isinstance(key, str) else _text(key): _with_text_keys(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_text_keys(item) for item in value]
    return value


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
