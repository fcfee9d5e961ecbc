"""Operations send the recorded requests, and make of the recorded answers exactly the recorded outputs."""

from __future__ import annotations

from typing import Any

import pytest

from engine.gcp.checking import without_defaults
from engine.gcp.resource import Call, ResourceType
from engine.gcp.table import resource_type
from engine.paths import parse, reset
from engine.values import from_json, reveal
from tests.unit.engine.recordings import (
    SETTINGS,
    check,
    load,
    loose,
    outputs_of,
    planned_inputs,
    recorded_resources,
)
from tests.unit.engine.replay import RecordedApi, exchanges


def _table(token: str) -> ResourceType:
    table = resource_type(token)
    assert table is not None
    return table


def _exact(token: str, outputs: dict[str, Any]) -> dict[str, Any]:
    """Outputs with sets in one order. The provider's empty lifecycle conditions are null or zero by chance."""
    result = dict(outputs)
    for field in _table(token).fields:
        if field.unordered and isinstance(result.get(field.name), list):
            result[field.name] = sorted(result[field.name], key=repr)
    if "lifecycleRules" in result:
        result["lifecycleRules"] = loose(result["lifecycleRules"])
    return result


@pytest.mark.parametrize(("token", "name"), recorded_resources())
def test_a_creation_reproduces_the_recorded_outputs_exactly(token: str, name: str) -> None:
    table = _table(token)
    recorded = exchanges("up_create", name, "Create")
    assert recorded
    api = RecordedApi(recorded)
    identity, outputs = table.create(Call(api, SETTINGS), table.plan(SETTINGS, None, planned_inputs(token, name)))
    assert api.missing_writes() == []
    expected = outputs_of(token, name)
    assert identity == load("provider_outputs.json")[token][name]["id"]
    if name == "readme":
        expected["source"] = outputs["source"]
    assert _exact(token, outputs) == _exact(token, expected)


# The first recorded update of a resource, which starts from its creation's outputs.
UPDATES = [
    ("change_bucket_label", "artifacts"),
    ("change_dataset_expiry", "logs"),
    ("change_table_add_column", "requests"),
    ("change_sa_display", "sa-pipeline"),
    ("change_ar_cleanup", "repo"),
    ("change_sched_cron", "nightly"),
    ("change_pool_display", "pool"),
    ("change_bulk", "role-submitter"),
    ("change_bulk", "drift"),
    ("change_bulk", "feedback"),
    ("change_bulk", "daily-view"),
    ("change_bulk", "pipeline-json"),
    ("change_alert_policy", "pool-idle"),
    ("change_bulk", "tensorboard"),
    ("change_bulk", "drift-events"),
    ("change_bulk", "drift-sub"),
    ("change_bulk", "oncall"),
    ("change_bulk", "dash"),
    ("change_bulk", "runs"),
    ("change_bulk", "sink"),
    ("change_bulk", "token"),
    ("change_bulk", "gh-pool"),
    ("change_bulk", "gh-provider"),
    ("change_bulk", "http-check"),
    ("change_bulk", "drift-check"),
    ("change_bulk", "key"),
    ("change_bulk", "budget"),
    ("change_bulk", "subnet"),
    ("change_bulk", "fw"),
    ("change_bulk", "nat"),
]


def _change(change: str, name: str) -> tuple[str, dict[str, Any]]:
    (item,) = [item for item in load("plans.json")[change]["resources"] if item["name"] == name]
    return item["type"], {key: from_json(value["new"]) for key, value in item["input_change"].items()}


@pytest.mark.parametrize(("change", "name"), UPDATES)
def test_an_update_sends_the_recorded_requests(change: str, name: str) -> None:
    token, changed = _change(change, name)
    table, prior = _table(token), outputs_of(token, name)
    inputs = {**planned_inputs(token, name), **without_defaults(reveal(changed))}
    if name == "pipeline-json":  # its change is secret in the recording
        inputs["content"] = inputs["content"].replace('"first"', '"second"')
    inputs = without_defaults(reveal(check(token, name, inputs)[0]))
    api = RecordedApi(exchanges(f"{change}.up", name, "Update"))
    plan = table.plan(SETTINGS, prior, inputs)
    outputs = table.update(Call(api, SETTINGS), prior["id"], prior, plan)
    assert api.missing_writes() == []
    assert table.compare(outputs, table.plan(SETTINGS, outputs, inputs)) == []


DELETED = [name for _, name in recorded_resources() if exchanges("destroy", name, "Delete")]


@pytest.mark.parametrize("name", DELETED)
def test_a_deletion_sends_the_recorded_requests(name: str) -> None:
    token = exchanges("destroy", name, "Delete")[0]["resource_type"]
    prior = outputs_of(token, name)
    if name == "repo-reader":
        prior["role"] = "roles/artifactregistry.writer"  # the recorded run had changed it before, as the next
    if name == "token-v1":
        prior["id"] = prior["id"].replace("versions/1", "versions/2")
    api = RecordedApi(exchanges("destroy", name, "Delete"))
    _table(token).delete(Call(api, SETTINGS), prior["id"], prior)
    assert api.missing_writes() == []


REFRESHED = [(token, name) for token, name in recorded_resources() if exchanges("refresh", name, "Read")]


@pytest.mark.parametrize(("token", "name"), REFRESHED)
def test_a_refresh_reads_as_recorded_and_finds_nothing_changed(token: str, name: str) -> None:
    prior, table = outputs_of(token, name), _table(token)
    outputs = table.read(Call(RecordedApi(exchanges("refresh", name, "Read")), SETTINGS), prior["id"], prior)
    assert outputs is not None
    given = {field.name for field in table.fields if not field.computed}
    assert [change for change in table.compare(prior, outputs) if change.key in given] == []


def test_ignoring_a_moved_replica_count_leaves_no_change() -> None:
    token = "gcp:vertex/aiPersistentResource:AiPersistentResource"
    prior, inputs = outputs_of(token, "elastic"), planned_inputs(token, "elastic")
    table = _table(token)
    prior["resourcePools"][0]["replicaCount"] = "3"
    assert [change.key for change in table.compare(prior, table.plan(SETTINGS, prior, inputs))] == ["resourcePools"]
    assert reset(parse("resourcePools[0].replicaCount"), prior, inputs)
    assert table.compare(prior, table.plan(SETTINGS, prior, inputs)) == []
