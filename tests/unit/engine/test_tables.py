"""The notation of the field tables, and the rules of planning and comparing that they drive."""

from __future__ import annotations

from typing import Any

import pytest

from engine.gcp.comparing import changes
from engine.gcp.fields import read_fields
from engine.gcp.planning import planned
from engine.gcp.resource import Settings
from engine.gcp.table import TYPES, resource_type
from engine.paths import render
from engine.values import UNKNOWN

FIELDS = read_fields("""
    name str required replace
    size int kept
    state str out
    labels map replace
    tags strset
    rule objs
      age int
      mode str kept
    block obj replace
      kind str replace
      note str
    policies objset
      id str required
      keep int
    location str same=fold
""")


def _changes(prior: dict[str, Any], inputs: dict[str, Any]) -> dict[str, str]:
    found = changes(FIELDS, prior, planned(FIELDS, prior, inputs))
    return {render(change.path): change.kind + ("!" if change.replace else "") for change in found}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("name text", "has kind 'text'"),
        ("name str wrong", "has flag 'wrong'"),
        ("name str\n  inner str", "nested below nothing"),
    ],
)
def test_a_table_that_is_written_wrong_is_refused_with_its_line(table: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_fields(table)


def test_every_table_reads_and_names_existing_rules() -> None:
    from engine.gcp import checks, sameness

    def walk(fields: Any) -> Any:
        for field in fields:
            yield field
            yield from walk(field.fields)

    for token in TYPES:
        table = resource_type(token)
        assert table is not None
        assert table.type_name == token
        for field in walk(table.fields):
            assert not field.same or field.same in sameness.RULES
            assert not field.check or checks.known(field.check)


def test_before_creation_only_what_the_service_sets_is_unknown() -> None:
    plan = planned(FIELDS, None, {"name": "a", "rule": [{"age": 1}]})
    assert plan["state"] is UNKNOWN
    assert plan["size"] is UNKNOWN
    assert plan["labels"] is None
    assert plan["rule"] == [{"age": 1, "mode": UNKNOWN}]


def test_what_the_service_filled_in_is_kept_and_no_change() -> None:
    prior = {"name": "a", "size": 5, "state": "ON", "rule": [{"age": 1, "mode": "X"}], "labels": None}
    assert _changes(prior, {"name": "a", "rule": [{"age": 1}]}) == {}


@pytest.mark.parametrize(
    ("prior", "inputs", "expected"),
    [
        ({"name": "a"}, {"name": "b"}, {"name": "update!"}),
        ({"labels": {"x": "1"}}, {"labels": {"x": "1", "y": "2"}}, {"labels.y": "add!"}),
        ({"labels": {"x": "1"}}, {}, {"labels.x": "delete!"}),
        ({"tags": ["a", "b"]}, {"tags": ["b", "a"]}, {}),
        ({"tags": ["a"]}, {"tags": ["a", "b"]}, {"tags[1]": "add"}),
        ({"rule": [{"age": 1}]}, {"rule": [{"age": 2}]}, {"rule[0].age": "update"}),
        ({"rule": []}, {"rule": [{"age": 2}]}, {"rule": "add"}),
        ({"rule": [{"age": 2}]}, {}, {"rule": "delete"}),
        ({"labels": None}, {"labels": {"x": "1"}}, {"labels": "add!"}),
        ({"tags": ["a", "b"]}, {"tags": ["c", "a"]}, {"tags[0]": "add", "tags[1]": "delete"}),
        ({"tags": ["a", "b"]}, {"tags": ["a", "c"]}, {"tags[1]": "update"}),
        ({"block": None}, {"block": {"kind": "x"}}, {"block": "add!"}),
        ({"block": {"kind": "x", "note": "a"}}, {"block": {"kind": "x", "note": "b"}}, {"block.note": "update"}),
        (
            {"policies": [{"id": "a", "keep": 1}]},
            {"policies": [{"id": "a", "keep": 2}]},
            {"policies[0].keep": "update"},
        ),
        (
            {"policies": [{"id": "a", "keep": 1}, {"id": "b"}]},
            {"policies": [{"id": "b"}, {"id": "a", "keep": 2}]},
            {"policies[0]": "delete", "policies[1]": "add"},
        ),
        ({"size": 0}, {"size": 5}, {"size": "update"}),
        ({"location": ""}, {"location": "EU"}, {"location": "update"}),
        ({"location": None}, {"location": "EU"}, {"location": "add"}),
        ({"location": "EU"}, {"location": "eu"}, {}),
        ({"location": ""}, {}, {}),
        ({"size": 0}, {}, {}),
        ({"name": "a"}, {"name": UNKNOWN}, {"name": "update!"}),
    ],
)
def test_differences_are_found_where_they_are(
    prior: dict[str, Any], inputs: dict[str, Any], expected: dict[str, str]
) -> None:
    whole = {"name": "a", **prior}
    assert _changes(whole, {"name": "a", **inputs}) == expected


def _pool(labels: dict[str, str], prior: dict[str, Any] | None, settings: Settings) -> dict[str, Any]:
    table = resource_type("gcp:vertex/aiPersistentResource:AiPersistentResource")
    assert table is not None
    inputs = {"name": "pool", "labels": labels, "resourcePools": []}
    return table.plan(settings, prior, inputs)


def test_a_providers_default_labels_and_attribution_are_on_the_thing_and_not_in_labels() -> None:
    settings = Settings("acme", "eu", {"team": "ml"})
    plan = _pool({"env": "dev"}, None, settings)
    assert plan["labels"] == {"env": "dev"}
    assert plan["effectiveLabels"] == {"team": "ml", "env": "dev", "goog-pulumi-provisioned": "true"}


def test_labels_that_others_put_on_the_thing_are_left_there() -> None:
    prior = {
        "labels": {"env": "dev"},
        "pulumiLabels": {"env": "dev"},
        "effectiveLabels": {"env": "dev", "by-hand": "yes"},
    }
    plan = _pool({"env": "prod"}, prior, Settings("acme", "eu", attribution=False))
    assert plan["effectiveLabels"] == {"env": "prod", "by-hand": "yes"}
