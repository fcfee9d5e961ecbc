"""What is said of the real provider's plans of somebody else's stack, as they were recorded."""

import json
from pathlib import Path
from typing import Any

import pytest

from plan.changes import Change, read
from plan.words import notes, tell

RECORDED = json.loads((Path(__file__).parents[2] / "data" / "provider" / "plans.json").read_text())


def recorded(plan: str, name: str) -> Change:
    (found,) = [resource for resource in RECORDED[plan]["resources"] if resource["name"] == name]
    changed = found.get("input_change") or {}
    step: dict[str, Any] = {key: found[key] for key in ("op", "type", "name")}
    step["detailedDiff"] = found.get("detailedDiff")
    for side, state in (("old", "oldState"), ("new", "newState")):
        step[state] = {"custom": True, "inputs": {key: value[side] for key, value in changed.items()}}
    (change,) = read([step])
    return change


@pytest.mark.parametrize(
    ("plan", "name", "words"),
    [
        ("change_pool_label", "pool", "is REPLACED (deleted, then created): label cost none → training"),
        ("change_autoscale_max", "elastic", "most replicas 4 → 6"),
        ("change_sched_cron", "nightly", "runs at TZ=Europe/Paris 0 3 * * * → TZ=Europe/Paris 30 4 * * *"),
        ("change_sched_pause", "nightly", "it is PAUSED"),
        ("change_sched_pause_back", "nightly", "it is resumed"),
        ("change_sched_spec", "nightly", "later runs have another pipeline"),
        ("change_table_add_column", "requests", "column latency_ms (FLOAT) is added"),
        ("change_iam_member_removed", "pm-pipeline-aiplatform.user", "loses roles/aiplatform.user"),
        ("change_replacing", "sa-submitter", "Service account is REPLACED: ct-submitter → ct-submitter2"),
        ("change_replacing", "drift", "location europe-west1 → EU"),
        ("change_replacing", "feedback", "is REPLACED: partitioning"),
        ("change_replacing", "staging", "location EU → US"),
        ("change_bulk", "feedback", "rows are kept 730 days → 365 days, OLDER PARTITIONS ARE DELETED at once"),
        ("change_bulk", "drift-events", "Topic drift-events is changed in place: messageRetentionDuration"),
        ("change_bulk", "repo-reader", "roles/artifactregistry.reader → "),
    ],
)
def test_a_recorded_change_is_told(plan: str, name: str, words: str) -> None:
    assert words in tell(recorded(plan, name)).headline


def test_every_recorded_change_is_told_in_some_words() -> None:
    for plan, body in RECORDED.items():
        for resource in body["resources"]:
            if resource["op"] in ("update", "replace", "delete"):
                assert tell(recorded(plan, resource["name"])).headline.strip(), (plan, resource["name"])


def test_labels_that_no_resource_asked_for_come_from_the_provider() -> None:
    """As the recorded label's change, but the program's own labels stay as they are."""
    pool = recorded("change_pool_label", "pool")
    same = Change(op=pool.op, type=pool.type, name=pool.name, paths=("effectiveLabels.team", "pulumiLabels.team"))
    (note,) = notes([same])
    assert "is REPLACED" in note.headline
    assert any("gcp:defaultLabels, the provider's default labels, changed" in reason for reason in note.reasons)
    assert not any("defaultLabels" in reason for reason in tell(pool).reasons)
