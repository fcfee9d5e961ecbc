"""Faults that the real pair was recorded meeting, met by the embedded engine on the local cloud: what the state holds
afterwards is what theirs held.

`tests/data/provider/faults.json` has, for each case, the exit status, what was printed and what the state held.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.refresh import refresh
from engine.run import Options, destroy, preview, up
from tests.contract.cloud_process import CloudProcess
from tests.contract.provider_replay import DATA
from tests.e2e.independent.engines import Stack

FAULTS: dict[str, Any] = json.loads((DATA / "faults.json").read_text())

POOL = """gcp.vertex.AiPersistentResource(
    "pool", name="p1", location="europe-west1",
    resource_pools=[{"machine_spec": {"machine_type": "n1-standard-4"}, "replica_count": "1",
                     "disk_spec": {"boot_disk_type": "pd-ssd", "boot_disk_size_gb": 100}}])
"""
BUCKET = 'bucket = gcp.storage.Bucket("bucket", name="b1-acme", location="EU", uniform_bucket_level_access=True)\n'
TOPIC = 'gcp.pubsub.Topic("topic", name="t1")\n'
MEMBER = """gcp.storage.BucketIAMMember(
    "bm", bucket=bucket.name, role="roles/storage.objectViewer", member="user:a@example.com")
"""
POOLS, BUCKETS, TOPICS = "*/persistentResources*", "*/b", "*/topics/*"


@pytest.fixture
def stack(cloud: CloudProcess, tmp_path: Path) -> Stack:
    folder = tmp_path / "mini"
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text("name: mini\nruntime: python\n")
    (folder / "Pulumi.dev.yaml").write_text("config:\n  gcp:project: acme-recsys\n  gcp:region: europe-west1\n")
    return Stack(folder, cloud)


@pytest.fixture(autouse=True)
def _give_up_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.gcp.api._RETRY_SECONDS", 0.5)
    monkeypatch.setattr("engine.gcp.api._CONFLICT_SECONDS", 0.5)
    monkeypatch.setattr("engine.crypto._ROUNDS", 1)


def _program(stack: Stack, *parts: str) -> None:
    (stack.folder / "__main__.py").write_text("import pulumi_gcp as gcp\n" + "".join(parts))


def _strike(cloud: CloudProcess, path: str, status: int, **more: Any) -> str:
    return cloud.json("POST", "/_local/faults", {"kind": "error", "path": path, "status": status, **more})["id"]


def _struck(cloud: CloudProcess, fault: str) -> int:
    return next(each["struck"] for each in cloud.json("GET", "/_local/faults")["faults"] if each["id"] == fault)


def _held(stack: Stack) -> list[str]:
    """What the state holds, each as the recording names it, without ids."""
    return sorted("::".join(each["urn"].split("::")[2:]) for each in stack.deployment["resources"])


def _recorded(case: str, label: str = "state") -> list[str]:
    (found,) = [step for step in FAULTS[case] if step["label"] == label]
    return sorted(each.split(" ")[0] for each in found["resources"])


@pytest.mark.parametrize(
    ("case", "program", "path", "status", "tries_again"),
    [
        ("create400_pool", POOL, POOLS, 400, False),
        ("create501_pool", POOL, POOLS, 501, False),
        ("create504_pool", POOL, POOLS, 504, False),
        ("create429_pool", POOL, POOLS, 429, True),
        ("create500_pool", POOL, POOLS, 500, True),
        ("create502_pool", POOL, POOLS, 502, True),
        ("create503_pool", POOL, POOLS, 503, True),
        ("create429_bucket", BUCKET, BUCKETS, 429, True),
        ("create503_bucket", BUCKET, BUCKETS, 503, True),
    ],
)
def test_a_refused_creation_is_tried_again_where_the_provider_does_and_leaves_the_recorded_state(
    cloud: CloudProcess, stack: Stack, case: str, program: str, path: str, status: int, *, tries_again: bool
) -> None:
    _program(stack, program)
    fault = _strike(cloud, path, status, method="POST")
    (error,) = up(stack.options).errors
    assert f"Error {status}" in FAULTS[case][0]["output"]
    assert f"HTTP {status}" in error
    posts = [line for line in FAULTS[case][0]["requests"] if " POST " in line]
    assert (len(posts) > 1, _struck(cloud, fault) > 1) == (tries_again, tries_again)
    assert _held(stack) == _recorded(case)
    assert "pending_operations" not in stack.deployment
    cloud.json("DELETE", "/_local/faults")
    assert up(stack.options).errors == []


def test_what_was_made_although_the_answer_was_503_meets_409_and_stays_out_of_the_state(
    cloud: CloudProcess, stack: Stack
) -> None:
    _program(stack, BUCKET, TOPIC, POOL)
    for path, method in ((POOLS, "POST"), (BUCKETS, "POST"), (TOPICS, "PUT")):
        _strike(cloud, path, 503, method=method, when="after", times=1)
    result = up(_going_on(stack))
    assert len(result.errors) == FAULTS["applied503"][0]["output"].count("Error 409") // 2
    assert all("HTTP 409" in error and "pulumi import" in error for error in result.errors)
    assert _held(stack) == _recorded("applied503")


def _going_on(stack: Stack) -> Options:
    return replace(stack.options, continue_on_error=True)


def test_an_operation_that_ends_in_an_error_leaves_nothing_in_the_state_and_what_it_left_is_met_again(
    cloud: CloudProcess, stack: Stack
) -> None:
    _program(stack, POOL)
    cloud.json("POST", "/_local/faults", {"kind": "stock-out"})
    (error,) = up(stack.options).errors
    recorded = next(step for step in FAULTS["lro"] if step["label"] == "error")["output"]
    assert "Error code 8, message: Resources are insufficient in region: europe-west1" in recorded
    assert "Error code 8, message: Resources are insufficient in region: europe-west1" in error
    assert _held(stack) == _recorded("lro", "state_after_error")
    (again,) = up(stack.options).errors
    assert "HTTP 409" in again


def test_a_transient_answer_is_asked_for_again(cloud: CloudProcess, stack: Stack) -> None:
    _program(stack, BUCKET, TOPIC, POOL)
    for path in (POOLS, "*/b*", TOPICS):
        _strike(cloud, path, 503, times=2)
    assert up(stack.options).errors == []
    _strike(cloud, "*/b/b1-acme", 503, method="GET", times=1)
    assert refresh(stack.options).errors == []


def test_a_read_that_is_denied_fails_the_whole_refresh_and_changes_nothing(cloud: CloudProcess, stack: Stack) -> None:
    _program(stack, BUCKET, POOL)
    up(stack.options)
    before = _held(stack)
    _strike(cloud, "*/b/b1-acme", 403, method="GET")
    assert next(step for step in FAULTS["code403"] if step["label"] == "refresh")["rc"] == 1
    (error,) = refresh(stack.options).errors
    assert "HTTP 403" in error
    assert _held(stack) == before


def test_what_answers_404_leaves_the_state_by_a_refresh_and_is_seen_by_nothing_else(
    cloud: CloudProcess, stack: Stack
) -> None:
    _program(stack, BUCKET, MEMBER, TOPIC)
    assert up(stack.options).errors == []
    cloud.call("DELETE", "/storage/v1/b/b1-acme")
    cloud.call("DELETE", "/pubsub/v1/projects/acme-recsys/topics/t1")
    assert not preview(stack.options).changed
    gone = refresh(stack.options)
    assert {outcome.name for outcome in gone.outcomes if outcome.op == "delete"} == {"bucket", "bm", "topic"}
    assert _held(stack) == _recorded("create400_pool")
    again = up(stack.options)
    assert (again.errors, again.changes["create"]) == ([], 3)


@pytest.mark.parametrize("status", [409, 412])
def test_a_policy_that_was_written_meanwhile_is_written_again_and_not_for_ever(
    cloud: CloudProcess, stack: Stack, status: int
) -> None:
    _program(stack, BUCKET)
    up(stack.options)
    _program(stack, BUCKET, MEMBER)
    _strike(cloud, "*/b/*/iam", status, method="PUT", times=2)
    assert up(stack.options).errors == []
    _program(stack, BUCKET)
    _strike(cloud, "*/b/*/iam", status, method="PUT")
    recorded = next(step for step in FAULTS["iam404"] if step["label"] == "add_409_forever")["output"]
    (error,) = up(stack.options).errors
    assert "Too many conflicts" in recorded
    assert "Too many conflicts" in error


def test_a_denied_deletion_stays_in_the_state(cloud: CloudProcess, stack: Stack) -> None:
    _program(stack, BUCKET, TOPIC)
    up(stack.options)
    _strike(cloud, TOPICS, 403, method="DELETE")
    assert "HTTP 403" in destroy(_going_on(stack)).errors[0]
    assert "gcp:pubsub/topic:Topic::topic" in _held(stack)
    assert "gcp:storage/bucket:Bucket::bucket" not in _held(stack)
