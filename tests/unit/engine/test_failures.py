"""Whatever fails or is killed, the state says what is true, and the next run puts it right."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from engine.backend import FileBackend
from engine.gcp.api import Api
from engine.http import Answer
from engine.state import read_snapshot, verify
from tests.unit.engine.conftest import Workplace, ops
from tests.unit.engine.fake_google import FakeGoogle
from tests.unit.engine.programs import EVERYTHING, pair


def fail_on(part: str, status: int, method: str = "POST") -> Any:
    return lambda verb, path: status if part in path and verb == method else None


def consistent(workplace: Workplace) -> None:
    """The state on disk is one that Pulumi accepts: whole, in order, each live URN once."""
    snapshot = read_snapshot(workplace.deployment, None)
    verify(snapshot.resources)
    live = [resource.urn for resource in snapshot.resources if not resource.delete]
    assert len(live) == len(set(live))


def test_a_refused_creation_is_reported_in_the_apis_words_and_the_rest_is_recorded(workplace: Workplace) -> None:
    workplace.google.faults.append(fail_on("/upload/", 403))
    result = workplace.program(pair()).up()
    assert not result.ok
    assert "struck by a fault" in result.errors[0]
    assert "HTTP 403" in result.errors[0]
    assert workplace.names() == {"bucket"}
    assert "pending_operations" not in workplace.deployment
    consistent(workplace)
    workplace.google.faults.clear()
    healed = workplace.up()
    assert ops(healed) == {"bucket": "same", "object": "create"}


def test_a_failed_update_keeps_the_old_state_so_that_the_next_run_sends_it_again(workplace: Workplace) -> None:
    workplace.program(pair(content="first")).up()
    workplace.google.faults.append(fail_on("/upload/", 400))
    assert not workplace.program(pair(content="second")).up().ok
    consistent(workplace)
    workplace.google.faults.clear()
    assert ops(workplace.up()) == {"bucket": "same", "object": "update"}


def test_a_failed_deletion_keeps_the_resource_in_the_state(workplace: Workplace) -> None:
    workplace.program(pair()).up()
    workplace.google.faults.append(fail_on("/o/", 403, "DELETE"))
    result = workplace.destroy()
    assert "HTTP 403" in result.errors[0]
    assert workplace.names() == {"bucket", "object"}
    workplace.google.faults.clear()
    assert workplace.destroy().ok
    assert workplace.states() == []


def test_a_replacement_that_fails_after_its_deletion_is_finished_by_the_next_run(workplace: Workplace) -> None:
    workplace.program(pair(name="one")).up()
    workplace.google.faults.append(fail_on("/storage/v1/b", 403))
    assert not workplace.program(pair(name="two")).up().ok
    assert all(state["pendingReplacement"] for state in workplace.states() if state["type"].startswith("gcp:"))
    consistent(workplace)
    workplace.google.faults.clear()
    result = workplace.up()
    assert result.errors == []
    assert ops(result) == {"bucket": "replace", "object": "replace"}
    assert sorted(workplace.google.things) == ["b/acme-two", "b/acme-two/o/spec.json"]
    consistent(workplace)
    assert workplace.preview().changed is False


def test_after_a_failure_nothing_new_is_started_unless_it_is_asked_for(workplace: Workplace) -> None:
    program = """
first = gcp.storage.Bucket("first", name="acme-first", location="EU")
gcp.storage.BucketObject("of-first", bucket=first.name, name="a", content="x")
second = gcp.storage.Bucket("second", name="acme-second", location="EU", opts=Opts(depends_on=[{}]))
"""
    workplace.google.faults.append(fail_on("/b/acme-first/o", 403))
    result = workplace.program(program.format("")).up(continue_on_error=True)
    assert len(result.errors) == 1
    assert workplace.names() == {"first", "second"}
    dependent = (
        program.format("")
        + 'gcp.storage.Bucket("third", name="acme-third", location="EU", opts=Opts(depends_on=[second]))'
    )
    workplace.google.faults.append(fail_on("/storage/v1/b", 403))
    workplace.program(dependent).up()
    assert workplace.names() == {"first", "second"}


def test_what_depends_on_a_failed_resource_is_skipped(workplace: Workplace) -> None:
    workplace.google.faults.append(fail_on("/storage/v1/b", 403))
    result = workplace.program(pair()).up(continue_on_error=True)
    assert len(result.errors) == 1
    assert workplace.names() == set()


def test_stack_outputs_keep_their_last_values_when_an_update_fails(workplace: Workplace) -> None:
    workplace.program(pair(name="one")).up()
    workplace.google.faults.append(fail_on("/storage/v1/b", 403))
    workplace.program(pair(name="two")).up()
    stack = next(state for state in workplace.states() if state["type"] == "pulumi:pulumi:Stack")
    assert stack["outputs"] == {"url": "gs://acme-one"}


def test_several_failures_are_all_reported(workplace: Workplace) -> None:
    workplace.google.faults.append(fail_on("/storage/v1/b", 403))
    result = workplace.program("""
for name in ("one", "two", "three"):
    gcp.storage.Bucket(name, name=f"acme-{name}", location="EU")
""").up(continue_on_error=True)
    assert len(result.errors) == 3
    assert {outcome.name for outcome in result.outcomes if outcome.error} == {"one", "two", "three"}


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_service_is_asked_again(workplace: Workplace, status: int) -> None:
    left = [status, status]
    workplace.google.faults.append(lambda verb, path: left.pop() if left and verb == "POST" else None)
    assert workplace.program(pair()).up().ok


def test_a_policy_that_another_writer_changed_meanwhile_is_read_and_written_again(workplace: Workplace) -> None:
    left = [409, 412]
    workplace.google.faults.append(
        lambda verb, path: left.pop() if left and verb == "PUT" and path.endswith("/iam") else None
    )
    program = """
bucket = gcp.storage.Bucket("bucket", name="acme", location="EU")
for name in ("a", "b", "c", "d"):
    gcp.storage.BucketIAMMember(name, bucket=bucket.name, role="roles/storage.admin", member=f"user:{name}@example.com")
"""
    assert workplace.program(program).up().ok
    (binding,) = workplace.google.policies["b/acme"]["bindings"]
    assert len(binding["members"]) == 4


def test_a_thing_that_exists_already_is_not_taken_over_but_explained(workplace: Workplace) -> None:
    workplace.google.things["b/acme-one"] = {"name": "acme-one", "labels": {}}
    result = workplace.program(pair()).up()
    assert "already exists" in result.errors[0]
    assert "pulumi import" in result.errors[0]
    assert workplace.names() == set()


# -- crashes ---------------------------------------------------------------------------------------------------------


class Killed(Exception):
    """The process is gone: nothing is sent and nothing is written from here on."""


class Guillotine:
    """Kills at the n-th write, before it is sent or after it was carried out."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int, *, after: bool) -> None:
        self.fallen = False
        writes = 0
        send, save = Api._send, FileBackend.save

        def guarded_send(api: Api, method: str, url: str, **content: Any) -> Answer:
            nonlocal writes
            if self.fallen:
                raise Killed
            is_write = method != "GET" and not url.endswith(":getIamPolicy")
            writes += is_write
            if is_write and writes == at:
                if after:
                    send(api, method, url, **content)
                self.fallen = True
                raise Killed
            return send(api, method, url, **content)

        def guarded_save(backend: FileBackend, text: str) -> None:
            if self.fallen:
                raise Killed
            save(backend, text)

        monkeypatch.setattr(Api, "_send", guarded_send)
        monkeypatch.setattr(FileBackend, "save", guarded_save)


WRITES = 16
# Every write is tried; a few of them in the quick run.
MOMENTS = [at if at in (1, 7, 13) else pytest.param(at, marks=pytest.mark.slow) for at in range(1, WRITES + 1)]


@pytest.fixture
def killed_at(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    def kill(program: str, at: int, *, after: bool) -> bool:
        with monkeypatch.context() as patch:
            guillotine = Guillotine(patch, at, after=after)
            try:
                workplace.program(program).up(parallel=1)
            except Exception:
                assert guillotine.fallen
            return guillotine.fallen

    return kill


def _everything_is_there_once(google: FakeGoogle) -> None:
    schedules = [name for name in google.things if "/schedules/" in name]
    assert len(schedules) == 1
    for policy in google.policies.values():
        members = [(binding["role"], member) for binding in policy["bindings"] for member in binding["members"]]
        assert len(members) == len(set(members))


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", MOMENTS)
def test_killed_at_any_write_of_a_creation_the_next_up_heals(
    workplace: Workplace, killed_at: Any, at: int, *, after: bool
) -> None:
    assert killed_at(EVERYTHING, at, after=after)
    if workplace.state_path.exists():
        consistent(workplace)
    healed = workplace.up()
    assert healed.errors == []
    consistent(workplace)
    assert "pending_operations" not in workplace.deployment
    assert workplace.preview().changed is False
    _everything_is_there_once(workplace.google)
    assert workplace.destroy().ok
    assert [name for name, thing in workplace.google.things.items() if not thing.get("deleted")] == []


def test_a_run_makes_as_many_writes_as_are_killed(workplace: Workplace) -> None:
    workplace.program(EVERYTHING).up()
    assert len(workplace.google.writes()) == WRITES


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", range(1, 5))
def test_killed_at_any_write_of_a_replacement_the_next_up_heals(
    workplace: Workplace, killed_at: Any, at: int, *, after: bool
) -> None:
    workplace.program(pair(name="one")).up()
    assert killed_at(pair(name="two"), at, after=after)
    consistent(workplace)
    assert workplace.up().errors == []
    consistent(workplace)
    assert sorted(workplace.google.things) == ["b/acme-two", "b/acme-two/o/spec.json"]
    assert workplace.preview().changed is False


RENAMED = """
aliases = [pulumi.Alias(name="{old}")] if "{old}" else []
class Store(pulumi.ComponentResource):
    def __init__(self):
        super().__init__("shop:index:Store", "{new}-store", None,
                         Opts(aliases=[pulumi.Alias(name="{old}-store")] if "{old}" else []))
        other = gcp.Provider("{new}-provider", project="acme-recsys", region="{region}", opts=Opts(
            parent=self, aliases=[pulumi.Alias(name="{old}-provider")] if "{old}" else []))
        bucket = gcp.storage.Bucket("{new}", name="{bucket}", location="EU", force_destroy=True,
                                    opts=Opts(parent=self, aliases=aliases))
        gcp.storage.BucketObject("first", bucket=bucket.name, name="a", content="{content}",
                                 opts=Opts(parent=self, provider=other))
        gcp.storage.BucketObject("second", bucket=bucket.name, name="b", content="{content}",
                                 opts=Opts(parent=self, depends_on=[bucket], deleted_with=bucket))
        self.register_outputs({{}})
Store()
"""


def renamed(new: str, old: str = "", bucket: str = "acme", content: str = "1", region: str = "eu") -> str:
    return RENAMED.format(new=new, old=old, bucket=bucket, content=content, region=region)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("bucket", "at"), [("acme", 1), ("acme", 2), *[("acme-two", at) for at in (1, 2, 3, 4, 5, 6)]])
def test_killed_at_any_write_of_a_run_that_renames_the_next_up_heals(
    workplace: Workplace, killed_at: Any, bucket: str, at: int, *, after: bool
) -> None:
    workplace.program(renamed("old")).up()
    assert killed_at(renamed("new", "old", bucket=bucket, content="2"), at, after=after)
    consistent(workplace)
    assert workplace.up().errors == []
    consistent(workplace)
    assert workplace.names() == {"new-store", "new", "first", "second"}
    assert sorted(workplace.google.things) == [f"b/{bucket}", f"b/{bucket}/o/a", f"b/{bucket}/o/b"]
    assert workplace.preview().changed is False


def test_a_failure_after_a_rename_leaves_a_state_that_the_next_run_reads(workplace: Workplace) -> None:
    workplace.program(renamed("old")).up()
    workplace.google.faults.append(fail_on("/upload/", 403))
    assert not workplace.program(renamed("new", "old", content="2", region="us")).up().ok
    consistent(workplace)
    state = workplace.state("second")
    bucket = workplace.state("new")["urn"]
    assert state["deletedWith"] == bucket
    assert set(state["dependencies"]) == {bucket}
    assert state["propertyDependencies"]["bucket"] == [bucket]
    assert state["parent"] == workplace.state("new-store")["urn"]
    assert workplace.state("first")["provider"].startswith(workplace.state("new-provider")["urn"] + "::")
    workplace.google.faults.clear()
    assert workplace.up().errors == []


PAUSED = """
gcp.vertex.AiPersistentResource(
    "pool", name="warm-pool", location="europe-west1",
    opts=Opts(custom_timeouts=pulumi.CustomTimeouts(create="{limit}")),
    resource_pools=[{{"machine_spec": {{"machine_type": "n1-standard-4"}}, "replica_count": "1"}}],
)
gcp.colab.Schedule(
    "schedule", display_name="nightly", location="europe-west1", cron="0 3 * * *", max_concurrent_run_count="1",
    desired_state="PAUSED", create_pipeline_job_request={{"pipeline_job": {{
        "pipeline_spec": "{{}}", "runtime_config": {{"gcs_output_directory": "gs://acme/runs"}}}}}},
)
"""


@pytest.mark.parametrize(
    ("method", "part", "struck"),
    [
        ("GET", "/operations/", 401),
        ("GET", "/operations/", ConnectionResetError),
        ("GET", "/persistentResources/", 403),
        ("GET", "/persistentResources/", 404),
        ("POST", ":pause", 403),
        ("GET", "/schedules/", 404),
    ],
)
def test_what_fails_after_the_creating_request_leaves_the_creation_pending_for_the_next_run_to_take_over(
    workplace: Workplace, method: str, part: str, struck: Any
) -> None:
    workplace.google.slow_operations = 1
    workplace.google.faults.append(fail_on(part, struck, method))
    result = workplace.program(PAUSED.format(limit="20m")).up(continue_on_error=True)
    assert len(result.errors) == 1
    assert [item["type"] for item in workplace.deployment["pending_operations"]] == ["creating"]
    workplace.google.faults.clear()
    assert workplace.up().errors == []
    assert "pending_operations" not in workplace.deployment
    assert workplace.preview().changed is False
    assert sorted(thing["state"] for thing in workplace.google.things.values()) == ["PAUSED", "RUNNING"]


def test_a_creation_that_takes_too_long_stays_pending(workplace: Workplace) -> None:
    workplace.google.slow_operations = 50
    result = workplace.program(PAUSED.format(limit="100ms")).up()
    assert "timeout after" in result.errors[0]
    assert "The next run looks for what it made" in result.errors[0]
    assert len(workplace.deployment["pending_operations"]) == 1


def test_an_operation_that_ends_in_an_error_ends_the_creation(workplace: Workplace) -> None:
    operation = workplace.google.operation
    workplace.google.operation = lambda parent, response: {  # type: ignore[method-assign]
        "name": operation(parent, response)["name"],
        "done": True,
        "error": {"code": 8, "message": "out of capacity"},
    }
    result = workplace.program(PAUSED.format(limit="20m")).up(continue_on_error=True)
    assert "out of capacity" in result.errors[0]
    assert "pending_operations" not in workplace.deployment


def test_an_interrupted_creation_is_warned_of_and_its_thing_taken_over(workplace: Workplace, killed_at: Any) -> None:
    assert killed_at(pair(), 1, after=True)
    assert [item["type"] for item in workplace.deployment["pending_operations"]] == ["creating"]
    result = workplace.up()
    assert any("interrupted while creating" in item.message for item in result.diagnostics)
    assert [method for method, path, _ in workplace.google.log if path == "/storage/v1/b"] == ["POST", "POST"]
    assert workplace.names() == {"bucket", "object"}


def test_an_interrupted_creation_that_differs_now_is_not_taken_over(workplace: Workplace, killed_at: Any) -> None:
    assert killed_at(pair(location="EU"), 1, after=True)
    result = workplace.program(pair(location="US")).up()
    assert "An earlier run was interrupted while it created this" in result.errors[0]
    assert "pulumi import" in result.errors[0]


def test_a_lost_answer_leaves_the_creation_pending(workplace: Workplace) -> None:
    struck = []

    def lose(verb: str, path: str) -> Any:
        if verb == "POST" and path == "/storage/v1/b" and not struck:
            struck.append(path)
            return ConnectionResetError
        return None

    workplace.google.faults_after.append(lose)
    result = workplace.program(pair()).up()
    assert "no answer" in result.errors[0]
    assert json.dumps(workplace.deployment["pending_operations"])
    assert workplace.up().ok
    assert workplace.preview().changed is False
