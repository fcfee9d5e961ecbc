"""What a user needs after an interruption: the state is put right by hand, and nothing else is touched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.__main__ import main
from engine.errors import EngineError
from engine.refresh import refresh
from engine.repair import Repair
from tests.unit.engine.conftest import Workplace, ops

PROGRAM = """
provider = gcp.Provider("west", project="acme-recsys", region="europe-west4")
labels = {"a": pulumi.Output.secret("quiet")}
topic = gcp.pubsub.Topic("topic", name="events", labels=labels, opts=Opts(protect=True, provider=provider))
gcp.pubsub.Subscription("sub", name="events-sub", topic=topic.id)
"""
URN = "urn:pulumi:local::shop::"
TOPIC = f"{URN}gcp:pubsub/topic:Topic::topic"
SUB = f"{URN}gcp:pubsub/subscription:Subscription::sub"
PROVIDER = f"{URN}pulumi:providers:gcp::west"


@pytest.fixture
def repair(workplace: Workplace) -> Repair:
    assert workplace.program(PROGRAM).up().errors == []
    return Repair(workplace.options())


def test_a_resource_is_forgotten_only_if_nothing_needs_it_and_the_thing_stays(
    workplace: Workplace, repair: Repair
) -> None:
    with pytest.raises(EngineError, match=r"the following resources depend on it:\n \* .*Subscription::sub\n"):
        repair.delete(TOPIC)
    assert repair.delete(SUB) == [SUB]
    assert workplace.names() == {"topic"}
    assert "projects/acme-recsys/subscriptions/events-sub" in workplace.google.things


def test_what_is_protected_is_forgotten_only_by_force(workplace: Workplace, repair: Repair) -> None:
    with pytest.raises(EngineError, match="Topic::topic' can't be safely deleted because it is protected"):
        repair.delete(TOPIC, dependents=True)
    assert repair.delete(TOPIC, dependents=True, force=True) == [TOPIC, SUB]
    assert workplace.names() == set()


def test_a_resource_that_is_not_there_is_named(repair: Repair) -> None:
    with pytest.raises(EngineError, match="No such resource 'urn:nobody'"):
        repair.delete("urn:nobody")


def test_what_is_unprotected_can_be_destroyed(workplace: Workplace, repair: Repair) -> None:
    assert not workplace.destroy().ok
    assert repair.unprotect() == [TOPIC]
    assert repair.unprotect(TOPIC) == []
    assert workplace.destroy().errors == []
    assert workplace.names() == set()


def test_a_renamed_resource_is_the_programs_of_that_name_with_all_that_refers_to_it(
    workplace: Workplace, repair: Repair
) -> None:
    assert repair.rename(PROVIDER, "east") == [f"{URN}pulumi:providers:gcp::east"]
    assert repair.rename(TOPIC, "stream") == [f"{URN}gcp:pubsub/topic:Topic::stream"]
    workplace.program(PROGRAM.replace('"west"', '"east"').replace('Topic("topic"', 'Topic("stream"'))
    assert not workplace.preview().changed
    with pytest.raises(EngineError, match="'a::b' is no name"):
        repair.rename(SUB, "a::b")
    with pytest.raises(EngineError, match=r"Subscription::sub' is in the state already"):
        repair.rename(SUB, "sub")


def test_an_exported_state_comes_back_with_its_secrets_sealed(workplace: Workplace, repair: Repair) -> None:
    document = repair.export()
    assert "quiet" not in json.dumps(document)
    repair.delete(SUB)
    repair.take(document, source="a file")
    assert not workplace.preview().changed
    document["deployment"]["resources"][0]["urn"] = "urn:pulumi:other::shop::pulumi:pulumi:Stack::shop-other"
    with pytest.raises(EngineError, match=r"'urn:pulumi:other::shop::.* is not of this stack"):
        repair.take(document, source="a file")


def test_a_lock_that_another_process_left_is_cancelled(workplace: Workplace, repair: Repair) -> None:
    locks = workplace.folder / "state/.pulumi/locks/organization/shop/local"
    (locks / "left.json").write_text(json.dumps({"pid": 1, "username": "nobody", "hostname": "elsewhere"}))
    with pytest.raises(EngineError, match=r"currently locked by 1 lock\(s\)"):
        workplace.up()
    assert repair.cancel() == 1
    assert ops(workplace.up()) == {"west": "same", "topic": "same", "sub": "same"}


def test_the_commands_work_with_pulumis_flags(
    workplace: Workplace,
    repair: Repair,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", workplace.environment["PULUMI_BACKEND_URL"])
    here = ["--cwd", str(workplace.folder), "--stack", "local"]
    file = tmp_path / "exported.json"
    assert main(["stack", "export", *here, "--file", str(file)]) == 0
    assert main(["state", "unprotect", *here, "--all", "--yes"]) == 0
    assert main(["state", "delete", *here, TOPIC, "--target-dependents", "--yes"]) == 0
    assert main(["state", "rename", *here, PROVIDER, "east", "--yes"]) == 0
    assert workplace.names() == set()
    assert main(["stack", "import", *here, "--file", str(file)]) == 0
    assert workplace.names() == {"topic", "sub"}
    assert main(["cancel", *here, "--yes"]) == 0
    assert "0 lock(s) removed" in capsys.readouterr().out
    assert main(["state", "delete", *here, "urn:nobody", "--yes"]) == 1
    assert "No such resource 'urn:nobody'" in capsys.readouterr().err
    assert main(["state", "unprotect", *here, "--yes"]) == 1
    assert "name the URN of a resource, or give --all" in capsys.readouterr().err


def test_interrupted_creations_are_forgotten_where_that_is_wanted(workplace: Workplace, repair: Repair) -> None:
    document = repair.export()
    sub = next(each for each in document["deployment"]["resources"] if each["urn"] == SUB)
    document["deployment"]["pending_operations"] = [{"type": "creating", "resource": sub}]
    document["deployment"]["resources"].remove(sub)
    repair.take(document, source="a file")
    assert workplace.refresh().errors == []
    assert "pending_operations" in workplace.deployment
    assert refresh(workplace.options(), clear_pending_creates=True).errors == []
    assert "pending_operations" not in workplace.deployment
