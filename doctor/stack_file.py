"""A stack's file, read without an engine. What its values may be is checked by the plan (infra/settings.py)."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from contracts.problems import Problem, Refused
from infra.stack_config import StackConfig, config_key


@dataclass(frozen=True)
class StackPlace:
    """What of a stack file says where the stack and its state are."""

    project: str
    state_backend: str


def read_place(root: Path, stack: str) -> StackPlace:
    """Asks for no other key: a stack whose file is older than the program can still be destroyed.

    Raises Refused where there is no such file, or one without these keys.
    """
    project, state_backend = _values(root, stack, StackPlace.__dataclass_fields__).values()
    return StackPlace(str(project), str(state_backend))


def read_config(root: Path, stack: str) -> StackConfig:
    """Raises Refused where there is no such file, or not one of this program."""
    values = _values(root, stack, StackConfig.model_fields)
    try:
        return StackConfig.model_validate_json(json.dumps(values))
    except (TypeError, ValidationError) as error:
        raise _refused(stack, f"cannot be read ({error})") from error


def _values(root: Path, stack: str, fields: Iterable[str]) -> dict[str, Any]:
    try:
        config = yaml.safe_load((root / f"Pulumi.{stack}.yaml").read_text())["config"]
    except (OSError, KeyError, TypeError, yaml.YAMLError) as error:
        raise _refused(stack, f"cannot be read ({error})") from error
    missing = [config_key(name) for name in fields if config_key(name) not in config]
    if missing:
        raise _refused(stack, f"has no {', '.join(missing)}")
    return {name: config[config_key(name)] for name in fields}


def _refused(stack: str, rule: str) -> Refused:
    fix = f"Run make plan STACK={stack}, which tells all that is wrong with it"
    return Refused("The stack", [Problem(key="--stack", value=stack, rule=f"Pulumi.{stack}.yaml {rule}", fix=fix)])
