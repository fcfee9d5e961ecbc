"""The schema that editors read follows from the settings, and the stack files keep to it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.stack_schema import schema, text

ROOT = Path(__file__).parents[3]
STACKS = ["dev", "prod", "local"]
KINDS: dict[str, Any] = {"string": str, "integer": int, "number": int | float, "boolean": bool, "object": dict}


def problems(value: Any, rule: dict[str, Any], where: str = "") -> list[str]:
    """What a value breaks of the part of JSON Schema that ours is written in."""
    if "$ref" in rule:
        rule = schema()["definitions"][rule["$ref"].rpartition("/")[2]]
    kind = rule.get("type")
    if kind in KINDS and (not isinstance(value, KINDS[kind]) or (kind != "boolean" and isinstance(value, bool))):
        return [f"{where} is no {kind}"]
    found = [f"{where} is none of those that exist"] if "enum" in rule and value not in rule["enum"] else []
    if "minimum" in rule and value < rule["minimum"]:
        found.append(f"{where} is too small")
    return [*found, *(_of_keys(value, rule, where) if kind == "object" else [])]


def _of_keys(value: dict[str, Any], rule: dict[str, Any], where: str) -> list[str]:
    known, free = rule.get("properties", {}), list(rule.get("patternProperties", {}))
    found = [f"{where}.{key} is missing" for key in rule.get("required", []) if key not in value]
    for key, item in value.items():
        if key in known:
            found += problems(item, known[key], f"{where}.{key}")
        elif rule.get("additionalProperties") is False and not any(re.search(each, key) for each in free):
            found.append(f"{where}.{key} is unknown")
    return found


def file(stack: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())


def test_the_file_that_editors_read_is_up_to_date() -> None:
    assert (ROOT / "Pulumi.schema.json").read_text() == text(), "make schema"


@pytest.mark.parametrize("stack", STACKS)
def test_a_stack_file_names_the_schema_and_keeps_to_it(stack: str) -> None:
    first = (ROOT / f"Pulumi.{stack}.yaml").read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=./Pulumi.schema.json"
    assert problems(file(stack), schema()) == []


@pytest.mark.parametrize(
    ("section", "key", "value", "told"),
    [
        ("trainingPool", "machineType", "n1-standard-5", "machineType is none of those that exist"),
        ("trainingPool", "acceleratorType", "NVIDIA_L5", "acceleratorType is none of those that exist"),
        ("trainingPool", "bootDiskSizeGb", "100", "bootDiskSizeGb is no integer"),
        ("trainingPool", "minReplicas", 0, "minReplicas is too small"),
        ("trainingPool", "diskType", "pd-ssd", "diskType is unknown"),
        ("registry", "immutableTags", "yes", "immutableTags is no boolean"),
    ],
)
def test_what_the_settings_refuse_is_marked_in_the_editor(section: str, key: str, value: object, told: str) -> None:
    stack = file("dev")
    stack["config"][f"recsys-training:{section}"][key] = value
    (problem,) = problems(stack, schema())
    assert problem.endswith(told)


def test_a_missing_and_a_misspelt_key_are_marked() -> None:
    stack = file("dev")
    stack["config"]["recsys-training:protekt"] = stack["config"].pop("recsys-training:protect")
    told = [problem.rpartition(":")[2] for problem in problems(stack, schema())]
    assert told == ["protect is missing", "protekt is unknown"]


def test_keys_of_the_providers_are_free() -> None:
    stack = file("dev")
    stack["config"]["gcp:batching"] = "{}"
    assert problems(stack, schema()) == []


def test_the_schema_is_json() -> None:
    assert json.loads(text())["definitions"].keys() >= {"PoolSettings", "ScheduleSettings"}
