"""A run that is stopped, refused or killed on its way says what it came to, and the next one finds out the rest."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.engine.conftest import Workplace, ops
from tests.unit.engine.programs import pair

THREE = """
for name in ("a", "b", "c"):
    gcp.storage.Bucket(name, name=f"acme-{name}", location="EU")
"""


@pytest.fixture
def deaf() -> Iterator[None]:
    """SIGTERM ends this process only where nobody handles it; here it is then not noticed."""
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    yield
    signal.signal(signal.SIGTERM, before)


def signal_at_deletion(verb: str, path: str) -> Any:
    if verb == "DELETE":
        os.kill(os.getpid(), signal.SIGTERM)


def test_a_run_counts_what_it_came_to_and_not_what_it_had_planned(workplace: Workplace) -> None:
    workplace.google.faults.append(
        lambda verb, path: 403 if verb == "POST" and len(workplace.google.writes()) > 1 else None
    )
    result = workplace.program(THREE).up(parallel=1)
    assert not result.ok
    assert len(workplace.names()) == 1
    assert result.changes["create"] == 2, "the stack and one bucket"


def test_a_destroy_that_a_signal_stops_counts_what_it_deleted(workplace: Workplace, deaf: None) -> None:
    workplace.program(THREE).up()
    workplace.google.faults.append(signal_at_deletion)
    result = workplace.destroy(parallel=1)
    assert "stopped by SIGTERM" in result.errors[0]
    assert result.changes["delete"] == 1
    assert len(workplace.names()) == 2


def test_a_signal_during_the_deletions_of_up_stops_it(workplace: Workplace, deaf: None) -> None:
    workplace.program(THREE).up()
    workplace.google.faults.append(signal_at_deletion)
    result = workplace.program("").up(parallel=1)
    assert "stopped by SIGTERM" in result.errors[0]
    assert len(workplace.names()) == 2


UNKNOWN_NAME = """
async def never():
    return False
async def name():
    return None
import asyncio
lost = pulumi.Output(set(), asyncio.ensure_future(name()), asyncio.ensure_future(never()))
gcp.storage.Bucket("bucket", name="acme", location="EU", labels={"of": lost})
"""


def test_a_resource_that_is_skipped_because_an_input_stays_unknown_is_an_error(workplace: Workplace) -> None:
    result = workplace.program(UNKNOWN_NAME).up()
    assert workplace.names() == set()
    assert any("labels stayed unknown while applying" in error for error in result.errors)


def interrupted(workplace: Workplace, kind: str, name: str) -> None:
    """Have the state say that a run was killed while it did that to the resource."""
    document = json.loads(workplace.state_path.read_text())
    operation = {"resource": workplace.state(name), "type": kind}
    document["checkpoint"]["latest"]["pending_operations"] = [operation]
    workplace.state_path.write_text(json.dumps(document))


def test_what_an_interrupted_run_did_delete_is_created_again(workplace: Workplace) -> None:
    workplace.program(pair()).up()
    del workplace.google.things["b/acme-one/o/spec.json"]
    interrupted(workplace, "deleting", "object")
    result = workplace.up()
    assert result.errors == []
    assert ops(result) == {"bucket": "same", "object": "replace"}
    assert "b/acme-one/o/spec.json" in workplace.google.things
    assert "pending_operations" not in workplace.deployment
    assert workplace.preview().changed is False


def test_what_is_gone_with_what_depends_on_it_is_created_again_with_it(workplace: Workplace) -> None:
    workplace.program(pair()).up()
    workplace.google.things.clear()
    interrupted(workplace, "deleting", "bucket")
    assert workplace.up().errors == []
    assert sorted(workplace.google.things) == ["b/acme-one", "b/acme-one/o/spec.json"]
    assert workplace.preview().changed is False


def test_what_an_interrupted_run_did_delete_does_not_hinder_a_destroy(workplace: Workplace) -> None:
    workplace.program(pair()).up()
    del workplace.google.things["b/acme-one/o/spec.json"]
    interrupted(workplace, "deleting", "object")
    assert workplace.destroy().errors == []
    assert workplace.states() == []


def test_what_an_interrupted_run_did_update_is_planned_from_what_it_is(workplace: Workplace) -> None:
    program = 'gcp.storage.Bucket("bucket", name="acme", location="EU", labels={{"team": "{}"}})'
    workplace.program(program.format("old")).up()
    workplace.google.things["b/acme"]["labels"] = {"team": "new"}
    interrupted(workplace, "updating", "bucket")
    assert ops(workplace.program(program.format("old")).up()) == {"bucket": "update"}
    assert workplace.google.things["b/acme"]["labels"]["team"] == "old"


@pytest.mark.parametrize(
    ("kind", "told"), [("updating", "being updated is read"), ("deleting", "being deleted is read")]
)
def test_the_warning_says_what_was_interrupted_and_what_becomes_of_it(
    workplace: Workplace, kind: str, told: str
) -> None:
    workplace.program(pair()).up()
    interrupted(workplace, kind, "object")
    (warning,) = [item.message for item in workplace.preview().diagnostics if item.severity == "warning"]
    assert f"interrupted while {kind}" in warning
    assert told in warning
    assert "created again, and taken over" not in warning


def test_what_the_state_says_beyond_what_the_engine_knows_stays_through_an_update(workplace: Workplace) -> None:
    workplace.program(pair()).up()
    document = json.loads(workplace.state_path.read_text())
    (state,) = [item for item in document["checkpoint"]["latest"]["resources"] if item["urn"].endswith("::bucket")]
    state |= {"sourcePosition": "project:///__main__.py#5,1", "hideDiff": ["labels"]}
    workplace.state_path.write_text(json.dumps(document))
    program = pair().replace('location="EU"', 'location="EU", labels={"team": "ml"}')
    assert ops(workplace.program(program).up())["bucket"] == "update"
    assert workplace.state("bucket")["sourcePosition"] == "project:///__main__.py#5,1"
    assert workplace.state("bucket")["hideDiff"] == ["labels"]


def test_what_was_not_initialised_is_updated(workplace: Workplace) -> None:
    workplace.program(pair()).up()
    document = json.loads(workplace.state_path.read_text())
    (state,) = [item for item in document["checkpoint"]["latest"]["resources"] if item["urn"].endswith("::bucket")]
    state["initErrors"] = ["not ready"]
    workplace.state_path.write_text(json.dumps(document))
    assert ops(workplace.up()) == {"bucket": "update", "object": "same"}
    assert "initErrors" not in workplace.state("bucket")
    assert workplace.preview().changed is False
