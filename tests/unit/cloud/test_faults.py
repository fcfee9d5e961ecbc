"""The rules of faults, without a server."""

import errno
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from local.cloud.app import Cloud
from local.cloud.clock import ManualClock
from local.cloud.errors import ApiError
from local.cloud.faults.faults import NOTHING, Faults
from local.cloud.faults.kinds import KINDS, read
from local.cloud.policies import Policies
from local.cloud.store import Store

JOBS = "/v1/projects/p/locations/l/customJobs"


@pytest.fixture
def faults(tmp_path: Path) -> Iterator[Faults]:
    store = Store(tmp_path / "state.sqlite")
    yield Faults(store, ManualClock())
    store.close()


def struck(faults: Faults, count: int, path: str = JOBS) -> list[bool]:
    return [faults.on_request("GET", path) is not NOTHING for _ in range(count)]


def test_the_same_seed_and_requests_give_the_same_faults(faults: Faults) -> None:
    faults.add(read({"kind": "error", "rate": 0.3}))
    faults.sow(7)
    first = struck(faults, 200)
    faults.sow(7)
    assert struck(faults, 200) == first
    faults.sow(8)
    assert struck(faults, 200) != first
    assert 30 <= sum(first) <= 90


def test_a_rule_s_draws_do_not_depend_on_other_rules_requests(faults: Faults) -> None:
    faults.add(read({"kind": "error", "rate": 0.3, "path": "*/customJobs"}))
    alone = struck(faults, 100)
    faults.sow(0)
    faults.add(read({"kind": "latency", "seconds": 1, "rate": 0.5, "path": "*/models"}))
    mixed = []
    for _ in range(100):
        struck(faults, 1, "/v1/projects/p/locations/l/models")
        mixed += struck(faults, 1)
    assert mixed == alone


def test_a_restart_keeps_the_rules_and_the_seed(faults: Faults) -> None:
    faults.sow(5)
    faults.add(read({"kind": "error", "rate": 0.4}))
    first = struck(faults, 50)
    assert struck(Faults(faults.store, faults.clock), 50) == first


def test_a_fault_meets_only_its_method_and_path(faults: Faults) -> None:
    faults.add(read({"kind": "error", "method": "POST", "path": "*/customJobs"}))
    assert faults.on_request("POST", JOBS) is not NOTHING
    assert faults.on_request("GET", JOBS) is NOTHING
    assert faults.on_request("POST", f"{JOBS}/1:cancel") is NOTHING


def test_the_cloud_s_own_commands_never_fail(faults: Faults) -> None:
    faults.add(read({"kind": "error"}))
    assert faults.on_request("DELETE", "/_local/faults") is NOTHING


def test_a_fault_is_used_up_after_its_times(faults: Faults) -> None:
    faults.add(read({"kind": "drop", "times": 2}))
    assert struck(faults, 4) == [True, True, False, False]


def test_latencies_add_up_and_the_first_error_counts(faults: Faults) -> None:
    for body in ({"kind": "latency", "seconds": 1}, {"kind": "error", "status": 429, "when": "after"}):
        faults.add(read(body))
    faults.add(read({"kind": "latency", "seconds": 2, "spread": 1}))
    faults.add(read({"kind": "drop"}))
    found = faults.on_request("GET", JOBS)
    assert 3 <= found.delay_seconds < 4
    assert (found.error.code if found.error else 0, found.drop, found.after) == (429, False, True)


def test_what_was_struck_is_remembered_and_clearing_forgets_it(faults: Faults) -> None:
    faults.add(read({"kind": "error", "times": 1}))
    faults.on_request("GET", JOBS)
    told = faults.shown()
    assert told["history"] == [{"fault": "1", "met": 1, "method": "GET", "path": JOBS}]
    assert [(each["met"], each["struck"]) for each in told["faults"]] == [(1, 1)]
    faults.clear()
    assert faults.shown() == {"seed": 0, "faults": [], "history": []}
    assert faults.add(read({"kind": "drop"}))["id"] == "1"


def test_a_fault_that_is_not_there_cannot_be_cleared(faults: Faults) -> None:
    with pytest.raises(ApiError, match="'9'"):
        faults.clear("9")


def test_a_disk_takes_what_fits_and_no_more(faults: Faults) -> None:
    faults.add(read({"kind": "disk-full", "freeBytes": 100}))
    faults.claim_disk(60)
    faults.claim_disk(40)
    with pytest.raises(OSError, match="No space left") as refused:
        faults.claim_disk(1)
    assert refused.value.errno == errno.ENOSPC


@pytest.mark.parametrize(
    ("where", "machines", "out"),
    [("l1", {"n1-standard-8"}, True), ("l2", {"n1-standard-8"}, False), ("l1", {"e2-standard-4"}, False)],
)
def test_a_stock_out_is_of_a_region_and_machine_types(
    faults: Faults, where: str, machines: set[str], *, out: bool
) -> None:
    faults.add(read({"kind": "stock-out", "location": "l1", "machine": "n1-*", "times": 1}))
    assert faults.is_stocked_out(where, machines) is out
    assert not faults.is_stocked_out(where, machines)


def test_policies_are_in_force_only_after_the_delay(tmp_path: Path) -> None:
    store, clock = Store(tmp_path / "state.sqlite"), ManualClock()
    faults = Faults(store, clock)
    policies = Policies(store, clock, faults.iam_delay_seconds)
    faults.add(read({"kind": "iam-delay", "seconds": 60}))

    def grant(*members: str) -> None:
        policies.set("projects/p", {"bindings": [{"role": "roles/viewer", "members": list(members)}]})

    def in_force() -> list[str]:
        return [member for binding in policies.in_force("projects/p") or [] for member in binding["members"]]

    grant("user:a@x.test")
    clock.advance(timedelta(seconds=30))
    grant("user:b@x.test")
    assert policies.get("projects/p")["bindings"][0]["members"] == ["user:b@x.test"]
    assert in_force() == []
    clock.advance(timedelta(seconds=31))
    assert in_force() == ["user:a@x.test"]
    clock.advance(timedelta(seconds=30))
    assert in_force() == ["user:b@x.test"]
    faults.clear()
    grant("user:c@x.test")
    assert in_force() == ["user:c@x.test"]
    store.close()


def test_pre_emptions_on_the_clock_come_when_they_are_due(faults: Faults) -> None:
    clock = faults.clock
    assert isinstance(clock, ManualClock)
    faults.add(read({"kind": "preempt", "everySeconds": 60}))
    assert faults.due_preemptions() == []
    clock.advance(timedelta(seconds=61))
    assert [fault.job for fault in faults.due_preemptions()] == ["*"]
    assert faults.due_preemptions() == []


@pytest.mark.parametrize(
    ("body", "field", "value"),
    [
        ({"kind": "flood"}, "kind", "flood"),
        ({"kind": "error", "status": 200}, "status", "200"),
        ({"kind": "error", "rate": 2}, "rate", "2"),
        ({"kind": "error", "when": "never"}, "when", "never"),
        ({"kind": "latency", "seconds": 1, "colour": "red"}, "colour", "red"),
        ({"kind": "corrupt-object", "uri": "/tmp/x"}, "uri", "/tmp/x"),
        ({"kind": "clock-jump"}, "body", "exactly one"),
        ({"kind": "clock-jump", "to": "noon"}, "to", "noon"),
    ],
)
def test_a_fault_that_is_none_is_refused_with_its_field_and_value(body: dict[str, Any], field: str, value: str) -> None:
    with pytest.raises(ApiError) as refused:
        read(body)
    violations = {each["field"]: each["description"] for each in refused.value.details[0]["fieldViolations"]}
    assert value in violations[field]


def test_every_kind_says_what_it_does_and_what_it_takes() -> None:
    for name, model in KINDS.items():
        assert model.__doc__, name
        assert all(field.description for field in model.model_fields.values()), name


def test_a_moved_clock_stays_moved_over_a_restart(tmp_path: Path) -> None:
    cloud = Cloud(tmp_path / "cloud")
    cloud.move_clock(timedelta(days=40))
    cloud.stop()
    again = Cloud(tmp_path / "cloud")
    assert again.clock.ahead == timedelta(days=40)
    again.stop()
