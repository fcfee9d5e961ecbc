"""The settings of the stack that is being deployed: read once, refused whole.

`load()` is the only reader of `pulumi.Config` and of the environment. It gathers every problem before the first
resource is declared. Does not own: the keys (infra/stack_config.py) or what their values may be (infra/rules.py).
"""

import difflib
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import pulumi
import pulumi.runtime.config
import yaml
from pydantic import TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

from contracts.problems import Problem, Refused
from contracts.stack_outputs import Endpoints, ImageLock
from infra import rules
from infra.endpoints import endpoints
from infra.image_source import Checkout, image_source
from infra.stack_config import NAMESPACE, StackConfig, config_key

PROJECT_ROOT = Path(__file__).resolve().parent.parent

# What pydantic's kinds of error ask for, in the words of a stack file.
_KINDS = {
    "bool_type": "true or false",
    "int_type": "a whole number, without quotes",
    "float_type": "a number, without quotes",
    "string_type": "text",
    "tuple_type": "a list",
    "model_type": "a mapping",
    "dict_type": "a mapping",
}


class Settings(StackConfig):
    """A stack's configuration with what follows from where the program runs."""

    stack: str
    image_source: ImageLock | Checkout
    endpoints: Endpoints


class RefusedSettings(Refused, pulumi.RunError):
    """A refusal that engines print as it is, without a traceback."""


def load() -> Settings:
    """The settings of the current stack. Raises RefusedSettings with every problem found."""
    stack = pulumi.get_stack()
    raw = _raw_config()
    draft, problems = _read(raw, f"Pulumi.{stack}.yaml")
    problems += rules.provider_problems(raw)
    problems += rules.stack_problems(draft)
    if "project" in draft:
        problems += rules.shared_project(draft["project"], _other_projects(stack))
    if "images_lock" in draft:
        source, more = image_source(draft["images_lock"], PROJECT_ROOT)
        draft["image_source"] = source
        problems += more
    if problems:
        raise RefusedSettings(f"Pulumi.{stack}.yaml", problems)
    return Settings(**draft, stack=stack, endpoints=endpoints(os.environ))


def _raw_config() -> dict[str, str]:
    """All of the stack's configuration; `pulumi.Config` reads keys by name but cannot list them, so a misspelt one
    would pass."""
    return {**pulumi.runtime.config.get_config_env(), **pulumi.runtime.config.CONFIG.get()}


def _other_projects(stack: str) -> dict[str, str]:
    """The projects of the stack files beside this stack's, by file; one that cannot be read is its own stack's care."""
    found: dict[str, str] = {}
    for path in sorted(PROJECT_ROOT.glob("Pulumi.*.yaml")):
        if path.name != f"Pulumi.{stack}.yaml":
            with suppress(OSError, yaml.YAMLError, KeyError, TypeError):
                found[path.name] = str(yaml.safe_load(path.read_text())["config"][config_key("project")])
    return found


def _read(raw: Mapping[str, str], file: str) -> tuple[dict[str, Any], list[Problem]]:
    """Each key parsed on its own, so that a broken one hides no problem of another."""
    fields = {config_key(name): name for name in StackConfig.model_fields}
    problems = [
        _unknown(key, raw[key], list(fields), file)
        for key in sorted(raw)
        if key.startswith(f"{NAMESPACE}:") and key not in fields
    ]
    types: dict[str, Any] = get_type_hints(StackConfig)
    draft: dict[str, Any] = {}
    for key, name in fields.items():
        annotation = types[name]
        try:
            draft[name] = (
                raw[key] if annotation is str else TypeAdapter(annotation).validate_json(raw[key], strict=True)
            )
        except KeyError:
            problems.append(_missing(key, file))
        except ValidationError as error:
            problems += [_invalid(key, detail, annotation, file) for detail in error.errors()]
    return draft, problems


def _invalid(key: str, detail: Any, section: Any, file: str) -> Problem:
    path = key + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in detail["loc"])
    if detail["type"] == "missing":
        return _missing(path, file)
    if detail["type"] == "extra_forbidden":
        model = next((part for part in get_args(section) if hasattr(part, "model_fields")), section)
        parent = path.rpartition(".")[0]
        return _unknown(path, detail["input"], [f"{parent}.{to_camel(name)}" for name in model.model_fields], file)
    kinds = {bool: "bool_type", tuple: "tuple_type"}
    wanted = kinds.get(get_origin(section) or section, "model_type")
    kind = wanted if detail["type"] == "json_invalid" else detail["type"]
    rule = f"must be {_KINDS[kind]}" if kind in _KINDS else detail["msg"]
    return Problem(key=path, value=detail["input"], rule=rule, fix=f"Correct it in {file}")


def _missing(key: str, file: str) -> Problem:
    return Problem(key=key, value=None, rule="is missing", fix=f"Add it to {file}; Pulumi.dev.yaml explains every key")


def _unknown(key: str, value: object, known: list[str], file: str) -> Problem:
    close = difflib.get_close_matches(key, known, n=1)
    fix = f"Rename it to {close[0]!r} in {file}" if close else f"Remove it from {file}"
    return Problem(key=key, value=value, rule="is no key of this program", fix=fix)
