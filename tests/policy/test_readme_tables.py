"""What the README tells in tables and lists is what the code says."""

import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

import pytest
import yaml
from pydantic import BaseModel

from contracts import job_environment, log_fields
from infra.prices import Cost, pool_cost_per_day
from infra.stack_config import PoolSettings, StackConfig, config_key
from tests.policy.readme import CONFIGURATION, ROOT_FOLDER, TEXT, blocks, section, spans, table

NAMESPACE = "recsys-training:"
POOLS = ("trainingPool", "stepsPool")


def config(stack: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT_FOLDER / f"Pulumi.{stack}.yaml").read_text())["config"]


def schema_keys(section: type[BaseModel] = StackConfig, prefix: str = "") -> Iterator[str]:
    """Every key that the settings read, sections taken apart, written as the README does."""
    types = get_type_hints(section)
    for name, info in section.model_fields.items():
        key = f"{prefix}.{info.alias}" if prefix else config_key(name).removeprefix(NAMESPACE)
        models = [part for part in (types[name], *get_args(types[name])) if hasattr(part, "model_fields")]
        if name == "further_training_pools":
            yield key  # with the keys of <pool>
        elif models:
            yield from schema_keys(models[0], key)
        else:
            yield key


def documented() -> dict[str, str]:
    """Each key of the configuration table with the value beside it; a row of `<pool>` stands for both pools."""
    found: dict[str, str] = {}
    for keys, values, _ in table("Configuration", CONFIGURATION):
        for pool, part in zip(POOLS, values.split(" / "), strict=False):
            names = [key.replace("<pool>", pool) for key in spans(keys)]
            found |= zip(names, spans(part), strict=True)
    return found


def shown(value: Any) -> str:
    if isinstance(value, str):
        return value or '""'
    return ", ".join(value) if isinstance(value, list) and value else json.dumps(value)


def test_the_configuration_table_has_exactly_the_keys_of_the_settings() -> None:
    assert sorted(documented()) == sorted(schema_keys())
    assert all(text for *_, text in table("Configuration", CONFIGURATION))


def test_the_configuration_table_shows_the_values_of_dev() -> None:
    values = {}
    for key, given in config("dev").items():
        name = key.removeprefix(NAMESPACE)
        value = given[0] if isinstance(given, list) and given and isinstance(given[0], dict) else given
        values |= {f"{name}.{part}": v for part, v in value.items()} if isinstance(value, dict) else {name: value}
    assert documented() == {key: shown(value) for key, value in values.items()}


@pytest.mark.parametrize("row", table("Deploy to Google Cloud"), ids=lambda row: row[0])
def test_the_costs_are_those_of_the_price_table(row: list[str]) -> None:
    stack = config(spans(row[0])[0])
    for cell, pool in zip(row[1:], POOLS, strict=True):
        settings = PoolSettings.model_validate(stack[NAMESPACE + pool])
        assert cell == dollars(pool_cost_per_day(settings.spec(), stack["gcp:region"]))


def dollars(cost: Cost) -> str:
    bounds = [f"{bound:.2f}" for bound in (cost.low, cost.high) if bound is not None]
    return " to ".join(dict.fromkeys(bounds))


def test_the_environment_of_the_container_is_the_contracts() -> None:
    text = section("The container contract")
    required, optional = (
        re.search(rf"\*\*{kind}\*\*:(.*?)(?=^\* )", text, re.M | re.S) for kind in ("Required", "Optional")
    )
    assert required is not None
    assert optional is not None
    assert upper_names(required[1]) == list(job_environment.REQUIRED)
    assert upper_names(optional[1]) == list(job_environment.OPTIONAL)


def upper_names(text: str) -> list[str]:
    return [span for span in spans(text) if re.fullmatch(r"[A-Z_]*[A-Z]", span)]


def test_the_log_line_of_the_container_is_the_contracts() -> None:
    line = next(line for line in section("The container contract").splitlines() if line.startswith("* **Logs**"))
    assert tuple(spans(line)) == log_fields.LOG_FIELDS


def test_the_file_tree_has_every_folder_and_names_nothing_that_is_not_there() -> None:
    tree = next(block for block in blocks() if block.language == "text")
    named = {line.split()[0].rstrip("/") for line in tree.lines}
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT_FOLDER, capture_output=True, text=True, check=True).stdout
    folders = {name.partition("/")[0] for name in tracked.splitlines() if "/" in name}
    assert folders - {name.partition("/")[0] for name in named} == set()
    assert [name for name in named if not (ROOT_FOLDER / name).exists()] == []


def test_links_lead_somewhere() -> None:
    targets = re.findall(r"\]\(([^)]+)\)", TEXT)
    headings = {
        re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.*)$", TEXT, re.M)
    }
    anchors = {target[1:] for target in targets if target.startswith("#")}
    paths = [target for target in targets if not target.startswith(("#", "https://"))]
    assert anchors <= headings
    assert paths
    assert [path for path in paths if not (ROOT_FOLDER / path).exists()] == []


def test_it_can_be_read_in_one_sitting() -> None:
    assert len(TEXT.splitlines()) <= 265
