"""A stack's file, read without an engine. What its values may be is checked by the plan (infra/settings.py)."""

import json
from pathlib import Path

import yaml
from pydantic import ValidationError

from contracts.problems import Problem, Refused
from infra.stack_config import StackConfig, config_key


def read_config(root: Path, stack: str) -> StackConfig:
    """Raises Refused where there is no such file, or not one of this program."""
    path = root / f"Pulumi.{stack}.yaml"
    try:
        config = yaml.safe_load(path.read_text())["config"]
        values = {name: config[config_key(name)] for name in StackConfig.model_fields}
        return StackConfig.model_validate_json(json.dumps(values))
    except (OSError, KeyError, TypeError, ValidationError) as error:
        problem = Problem(key="--stack", value=stack, rule=f"{path.name} cannot be read ({error})", fix="Run make plan")
        raise Refused("The stack", [problem]) from error
