"""Refresh finds what was changed behind the state's back, and writes it into the state and nowhere else."""

from __future__ import annotations

from typing import Any

from tests.unit.engine.conftest import Workplace, ops

PROGRAM = """
bucket = gcp.storage.Bucket("bucket", name="acme-one", location="EU", labels={"team": "ml", "env": "dev"})
gcp.storage.BucketObject("object", bucket=bucket.name, name="spec.json", content="{}")
topic = gcp.pubsub.Topic("topic", name="events", message_retention_duration="600s")
gcp.pubsub.Subscription("sub", name="events-sub", topic=topic.id)
"""


def _up(workplace: Workplace) -> Workplace:
    assert workplace.program(PROGRAM).up().errors == []
    return workplace


def _topic(workplace: Workplace) -> dict[str, Any]:
    return workplace.google.things["projects/acme-recsys/topics/events"]


def test_what_was_changed_by_hand_is_in_the_state_and_then_in_the_plan(workplace: Workplace) -> None:
    _up(workplace)
    _topic(workplace)["messageRetentionDuration"] = "900s"
    del workplace.google.things["b/acme-one"]["labels"]["env"]
    found = workplace.refresh()
    assert ops(found) == {"bucket": "update", "object": "same", "topic": "update", "sub": "same"}
    assert workplace.state("topic")["inputs"]["messageRetentionDuration"] == "900s"
    assert workplace.state("topic")["outputs"]["messageRetentionDuration"] == "900s"
    plan = {outcome.name: outcome.diff for outcome in workplace.preview().outcomes if outcome.op == "update"}
    assert plan == {"topic": ["messageRetentionDuration"], "bucket": ["effectiveLabels", "labels", "pulumiLabels"]}
    assert not workplace.refresh().changed


def test_what_is_gone_leaves_the_state_and_every_edge_to_it(workplace: Workplace) -> None:
    _up(workplace)
    del workplace.google.things["projects/acme-recsys/topics/events"]
    assert ops(workplace.refresh())["topic"] == "delete"
    assert workplace.names() == {"bucket", "object", "sub"}
    assert "topic" not in str(workplace.state("sub").get("dependencies", []))
    assert ops(workplace.preview())["topic"] == "create"


def test_a_plan_with_refresh_reads_first_and_writes_nothing(workplace: Workplace) -> None:
    _up(workplace)
    before = workplace.state_path.read_text()
    _topic(workplace)["messageRetentionDuration"] = "900s"
    assert not workplace.preview().changed
    plan = workplace.preview(refresh=True)
    assert [(outcome.name, outcome.details) for outcome in plan.drift] == [
        ("topic", {"messageRetentionDuration": "update"})
    ]
    assert ops(plan)["topic"] == "update"
    assert ops(workplace.refresh(preview_only=True))["topic"] == "update"
    assert workplace.state_path.read_text() == before
    assert workplace.up(refresh=True).changes["update"] == 1
    assert _topic(workplace)["messageRetentionDuration"] == "600s"


def test_a_destroy_with_refresh_leaves_alone_what_is_gone_already(workplace: Workplace) -> None:
    _up(workplace)
    del workplace.google.things["projects/acme-recsys/subscriptions/events-sub"]
    gone = workplace.destroy(refresh=True)
    assert gone.errors == []
    assert "sub" not in ops(gone)
    assert workplace.names() == set()


def test_an_answer_that_tells_nothing_fails_the_whole_refresh(workplace: Workplace) -> None:
    _up(workplace)
    before = workplace.state_path.read_text()
    del workplace.google.things["projects/acme-recsys/topics/events"]
    workplace.google.faults.append(lambda method, path: 403 if "subscriptions" in path else None)
    result = workplace.refresh()
    assert not result.ok
    assert "HTTP 403" in result.errors[0]
    assert workplace.state_path.read_text() == before


def test_a_refresh_that_lacks_an_endpoint_names_it(workplace: Workplace) -> None:
    _up(workplace)
    del workplace.environment["GOOGLE_PUBSUB_CUSTOM_ENDPOINT"]
    assert any("GOOGLE_PUBSUB_CUSTOM_ENDPOINT" in error for error in workplace.refresh().errors)


def test_only_the_targets_are_read(workplace: Workplace) -> None:
    _up(workplace)
    _topic(workplace)["messageRetentionDuration"] = "900s"
    workplace.google.log.clear()
    assert not workplace.refresh(targets=("**::sub",)).changed
    assert {path for _, path, _ in workplace.google.log} == {"/pubsub/v1/projects/acme-recsys/subscriptions/events-sub"}
