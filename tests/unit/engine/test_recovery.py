"""From a killed or half-failed `up` back to a clean state: every interruption that the real pair was seen to end in."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from engine.__main__ import main
from engine.backend import FileBackend
from engine.errors import EngineError
from engine.recovery import recover
from tests.unit.engine.conftest import Workplace, ops
from tests.unit.engine.programs import pair

POOL = """
gcp.vertex.AiPersistentResource(
    "pool", name="warm-pool", location="europe-west1", display_name="{name}",
    resource_pools=[{{"machine_spec": {{"machine_type": "n1-standard-4"}}, "replica_count": "1"}}],
)
"""


def lock_of_a_killed_pulumi(workplace: Workplace) -> Any:
    """A lock as the real command leaves it: this engine never removes one by itself."""
    path = workplace.folder / "state" / ".pulumi" / "locks" / "organization" / "shop" / "local" / "dead.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        json.dumps({"pid": 4_000_000, "username": "x", "hostname": "y", "timestamp": "2026-11-24T00:00:00Z"})
    )
    return path


def forget_all(workplace: Workplace) -> None:
    """The state as if the run that made everything had never written it."""
    document = json.loads(workplace.state_path.read_text())
    document["checkpoint"]["latest"]["resources"] = []
    workplace.state_path.write_text(json.dumps(document))


def test_what_was_made_and_not_recorded_is_taken_over(workplace: Workplace) -> None:
    workplace.program(pair()).up()
    forget_all(workplace)
    assert "exists already and is not in this stack's state" in workplace.up().errors[0]
    things = set(workplace.google.things)

    assert {urn.rpartition("::")[2] for urn in recover(workplace.options()).marked} == {"bucket", "object"}
    healed = workplace.up()

    assert healed.errors == []
    assert set(workplace.google.things) == things
    assert "pending_operations" not in workplace.deployment
    assert not workplace.preview().changed


def test_an_orphaned_pool_is_taken_over_and_not_made_a_second_time(workplace: Workplace) -> None:
    workplace.program(POOL.format(name="warm")).up()
    forget_all(workplace)
    recover(workplace.options())
    before = len(workplace.google.writes())
    assert ops(workplace.up()) == {"pool": "create"}
    assert not any("DELETE" in str(write) for write in workplace.google.writes()[before:])
    assert not workplace.preview().changed


def test_what_differs_from_the_program_is_not_taken_over_but_told(workplace: Workplace) -> None:
    workplace.program(POOL.format(name="warm")).up()
    forget_all(workplace)
    workplace.program(POOL.format(name="another"))
    recover(workplace.options())
    (error, *_) = workplace.up().errors
    assert "what exists now differs from the program" in error


def test_a_lock_of_a_killed_run_is_removed_with_its_pending_creation_kept(workplace: Workplace) -> None:
    workplace.program(pair()).up()
    lock = lock_of_a_killed_pulumi(workplace)
    with pytest.raises(EngineError, match="currently locked by 1 lock"):
        workplace.up()
    assert recover(workplace.options()).locks == 1
    assert not lock.exists()
    assert workplace.up().errors == []


def test_the_lock_of_a_run_that_is_at_work_is_respected(workplace: Workplace) -> None:
    workplace.program(pair()).up()
    backend = FileBackend(workplace.folder / "state", "shop", "local")
    with backend.lock(), pytest.raises(EngineError, match=rf"(?s)another run is at work.*pid {os.getpid()}"):
        recover(workplace.options())


def test_a_run_that_failed_half_way_is_finished_by_the_next(workplace: Workplace) -> None:
    workplace.google.faults.append(lambda verb, path: 403 if "/upload/" in path else None)
    assert not workplace.program(pair()).up().ok
    workplace.google.faults.clear()
    assert recover(workplace.options()).marked[0].endswith("::object")
    assert ops(workplace.up()) == {"bucket": "same", "object": "create"}


def test_on_a_clean_stack_there_is_nothing_to_do(workplace: Workplace) -> None:
    workplace.program(pair()).up()
    before = workplace.state_path.read_text()
    assert recover(workplace.options()) == recover(workplace.options())
    assert recover(workplace.options()).marked == []
    assert (
        json.loads(workplace.state_path.read_text())["checkpoint"]["latest"]["resources"]
        == (json.loads(before)["checkpoint"]["latest"]["resources"])
    )


def test_a_program_that_fails_changes_nothing(workplace: Workplace) -> None:
    workplace.program(pair()).up()
    before = workplace.state_path.read_text()
    workplace.program("raise ValueError('half written')")
    with pytest.raises(EngineError, match="half written"):
        recover(workplace.options())
    assert workplace.state_path.read_text() == before


def test_the_command_tells_what_it_did(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for key, value in workplace.environment.items():
        monkeypatch.setenv(key, value)
    workplace.program(pair()).up()
    forget_all(workplace)
    lock_of_a_killed_pulumi(workplace)
    assert main(["recover", "--cwd", str(workplace.folder), "--stack", "local", "--yes"]) == 0
    told = capsys.readouterr().out
    assert "1 lock(s) removed" in told
    assert "::bucket is taken over by the next up" in told
