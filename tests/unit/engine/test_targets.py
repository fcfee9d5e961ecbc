"""Commands that are confined to some resources touch these and no others."""

from __future__ import annotations

import pytest

from engine.targets import Targets
from tests.unit.engine.conftest import Workplace, ops

PROGRAM = """
bucket = gcp.storage.Bucket("bucket", name="acme-one", location="EU", labels={{"v": "{version}"}})
gcp.storage.BucketObject("object", bucket=bucket.name, name="spec.json", content="{version}")
topic = gcp.pubsub.Topic("topic", name="{topic}", labels={{"v": "{version}"}})
gcp.pubsub.Subscription("sub", name="events-sub", topic=topic.id, labels={{"v": "{version}"}})
"""
URN = "urn:pulumi:local::shop::"
BUCKET = f"{URN}gcp:storage/bucket:Bucket::bucket"
TOPIC = f"{URN}gcp:pubsub/topic:Topic::topic"


def program(version: str = "1", topic: str = "events") -> str:
    return PROGRAM.format(version=version, topic=topic)


def _changed(workplace: Workplace, **changes: str) -> Workplace:
    assert workplace.program(program()).up().errors == []
    return workplace.program(program(**changes))


@pytest.mark.parametrize(
    ("pattern", "hit"),
    [
        (BUCKET, True),
        ("**::bucket", True),
        (f"{URN}gcp:storage/*:Bucket::buck*", True),
        ("*::bucket", False),
        ("**Bucket", False),
        (TOPIC, False),
    ],
)
def test_a_star_stands_for_no_colon_and_two_stars_for_anything(pattern: str, hit: bool) -> None:  # noqa: FBT001
    assert Targets([pattern]).contains(BUCKET) is hit


def test_only_the_target_is_updated(workplace: Workplace) -> None:
    _changed(workplace, version="2")
    workplace.google.log.clear()
    result = workplace.up(targets=(BUCKET,))
    assert result.errors == []
    assert ops(result) == {"bucket": "update", "object": "same", "topic": "same", "sub": "same"}
    assert workplace.google.writes() == ["PATCH /storage/v1/b/acme-one"]
    assert ops(workplace.preview()) == {"bucket": "same", "object": "update", "topic": "update", "sub": "update"}


def test_what_depends_on_a_target_is_one_where_that_is_wanted(workplace: Workplace) -> None:
    _changed(workplace, version="2")
    plan = workplace.preview(targets=("**::topic",), target_dependents=True)
    assert ops(plan) == {"bucket": "same", "object": "same", "topic": "update", "sub": "update"}


def test_a_new_resource_that_is_no_target_is_passed_over(workplace: Workplace) -> None:
    result = workplace.program(program()).up(targets=(TOPIC,))
    assert result.errors == []
    assert workplace.names() == {"topic"}
    assert ops(workplace.up()) == {"bucket": "create", "object": "create", "topic": "same", "sub": "create"}


def test_a_target_that_needs_what_is_passed_over_is_refused(workplace: Workplace) -> None:
    result = workplace.program(program()).up(targets=("**::object",))
    (error,) = result.errors
    assert "depends on" in error
    assert BUCKET in error
    assert workplace.google.writes() == []


def test_what_is_excluded_is_left_alone(workplace: Workplace) -> None:
    result = _changed(workplace, version="2").up(excludes=(TOPIC, f"{URN}gcp:storage/bucketObject:*::*"))
    assert result.errors == []
    assert ops(result) == {"bucket": "update", "object": "same", "topic": "same", "sub": "update"}
    assert "Target 'urn:nobody' could not be found" in workplace.preview(excludes=("urn:nobody",)).errors[0]


def test_what_others_need_is_not_deleted_where_they_are_excluded(workplace: Workplace) -> None:
    workplace.program(program()).up()
    refused = workplace.destroy(excludes=(f"{URN}gcp:pubsub/subscription:Subscription::sub",))
    assert any("Subscription::sub' will be destroyed but was not specified" in error for error in refused.errors)
    assert workplace.names() == {"bucket", "object", "topic", "sub"}


def test_a_target_that_nobody_knows_is_named(workplace: Workplace) -> None:
    result = workplace.program(program()).up(targets=(BUCKET + "s",))
    assert any(f"Target '{BUCKET}s' could not be found in the stack" in error for error in result.errors)
    assert workplace.google.writes() == []


def test_a_replaced_target_does_not_take_others_along_unasked(workplace: Workplace) -> None:
    _changed(workplace, topic="events-2")
    refused = workplace.up(targets=("**::topic",))
    assert any("::sub' will be destroyed but was not specified in --target list" in error for error in refused.errors)
    done = workplace.up(targets=("**::topic",), target_dependents=True)
    assert done.errors == []
    assert ops(done) == {"bucket": "same", "object": "same", "topic": "replace", "sub": "replace"}


def test_a_replacement_is_made_because_it_is_asked_for(workplace: Workplace) -> None:
    _changed(workplace)
    result = workplace.up(replaces=("**::object",))
    assert result.errors == []
    assert {name: op for name, op in ops(result).items() if op != "same"} == {"object": "replace"}
    assert not workplace.preview().changed


def test_a_destroy_takes_the_targets_and_refuses_what_others_need(workplace: Workplace) -> None:
    _changed(workplace)
    refused = workplace.destroy(targets=("**::topic",))
    assert any("::sub' will be destroyed but was not specified" in error for error in refused.errors)
    assert workplace.destroy(targets=("**::sub",)).errors == []
    assert workplace.names() == {"bucket", "object", "topic"}
    assert workplace.destroy(targets=(BUCKET,), target_dependents=True).errors == []
    assert workplace.names() == {"topic"}
    assert ops(workplace.preview()) == {"bucket": "create", "object": "create", "topic": "same", "sub": "create"}


def test_what_the_program_no_longer_has_stays_unless_it_is_a_target(workplace: Workplace) -> None:
    assert workplace.program(program()).up().errors == []
    workplace.program('gcp.pubsub.Topic("topic", name="events", labels={"v": "1"})')
    assert workplace.up(targets=(TOPIC,)).errors == []
    assert workplace.names() == {"bucket", "object", "topic", "sub"}
    assert workplace.up(targets=("**::sub",)).errors == []
    assert workplace.names() == {"bucket", "object", "topic"}


def test_what_is_left_alone_stays_behind_what_it_needs(workplace: Workplace) -> None:
    """The first resource of the program is no target: its provider is registered after it."""
    _changed(workplace, version="2")
    assert workplace.up(targets=("**::sub",)).errors == []
    positions = {state["urn"]: index for index, state in enumerate(workplace.states())}
    for state in workplace.states():
        provider = state.get("provider", "").rpartition("::")[0]
        for needed in [*state.get("dependencies", []), *filter(None, [provider, state.get("parent")])]:
            assert positions[needed] < positions[state["urn"]]
    assert ops(workplace.preview()) == {"bucket": "update", "object": "update", "topic": "update", "sub": "same"}
