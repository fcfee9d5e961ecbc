"""Check refuses what the real provider refuses before it plans, in its words, and nothing else."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from engine.gcp.table import TYPES
from engine.values import reveal
from tests.unit.engine.recordings import check, checked_inputs, load, program_inputs, recorded_resources

ROWS = [row for row in load("plan_time_validation.json") if row["type"] in TYPES]
# The resource that a row's value was put into, where the type has several.
BASES = {
    "gcp:vertex/aiPersistentResource:AiPersistentResource": "pool",
    "gcp:storage/bucket:Bucket": "artifacts",
    "gcp:bigquery/dataset:Dataset": "logs",
    "gcp:bigquery/table:Table": "requests",
    "gcp:serviceaccount/account:Account": "sa-deployer",
    "gcp:projects/iAMMember:IAMMember": "pm-deployer-aiplatform.admin",
    "gcp:serviceaccount/iAMMember:IAMMember": "actas-submitter",
    "gcp:projects/service:Service": "api-pubsub",
}


def _base(row: dict[str, Any]) -> str:
    names = list(load("provider_inputs.json")[row["type"]])
    return BASES.get(row["type"], names[0])


def _changed(row: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    name = _base(row)
    if "autoscalingSpec" in row["change"]:
        name = "elastic"
    inputs = copy.deepcopy(program_inputs(row["type"], name))
    *above, last = row["change"].split(".")
    place: Any = inputs
    for part in above:
        place = place[int(part)] if part.isdigit() else place[part]
    value = row["value"]
    if isinstance(value, str) and "..(" in value:
        value = value[0] * int(value.split("(")[1].rstrip(")"))
    if value is None:
        place.pop(last, None)
    else:
        place[last] = value
    return name, inputs


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['type'].rsplit(':', 1)[1]}-{row['change']}-{row['value']}")
def test_a_wrong_input_is_refused_or_let_through_as_the_provider_does(row: dict[str, Any]) -> None:
    name, inputs = _changed(row)
    failures = [failure.text(name) for failure in check(row["type"], name, inputs)[1]]
    recorded = [failure["reason"] for failure in row["check_failures"]]
    assert sorted(map(_reason, failures)) == sorted(map(_reason, recorded))


def _reason(text: str) -> str:
    """The refusal without the place, and without what Go's own parsers say where ours say it otherwise."""
    for quoted in ("contains an invalid JSON", "doesn't match regexp"):
        if quoted in text:
            return text[: text.index(quoted) + len(quoted)]
    return text.split(". Examine values at", maxsplit=1)[0]


def test_every_row_of_the_tabled_types_is_compared() -> None:
    assert len(ROWS) > 60


@pytest.mark.parametrize(("token", "name"), recorded_resources())
def test_checked_inputs_are_those_of_the_provider_defaults_included(token: str, name: str) -> None:
    checked, failures = check(token, name, program_inputs(token, name))
    assert failures == []
    recorded = checked_inputs(token, name)
    if name == "readme":
        recorded["source"].fields["path"] = program_inputs(token, name)["source"].fields["path"]
    assert reveal(checked) == recorded


def test_a_name_that_is_not_given_is_made_once_and_kept() -> None:
    token = "gcp:storage/bucket:Bucket"
    inputs = {"location": "EU"}
    first, _ = check(token, "Staging", inputs)
    assert first["name"].startswith("staging-")
    assert len(first["name"]) == len("staging-") + 7
    assert "name" in first["__defaults"]
    assert check(token, "Staging", inputs, first)[0]["name"] == first["name"]
    assert check(token, "Staging", inputs)[0]["name"] != first["name"]


def test_all_problems_of_one_resource_are_gathered() -> None:
    inputs = {"datasetId": "bad-id", "defaultTableExpirationMs": 5, "nonsense": 1}
    failures = check("gcp:bigquery/dataset:Dataset", "logs", inputs)[1]
    assert len(failures) == 3
