"""The engine's plans of the recorded program are those of the real engine and provider, change by change."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from engine.gcp.table import TYPES
from engine.outcome import Result
from engine.run import Options, preview
from tests.unit.engine.recordings import FOLDER, PROGRAM, load, recorded_types

CHANGES = [name for name in load("plans.json") if name.startswith("change_") and not name.endswith("_back")]


# The provider also tells differences between its own nulls and zeros in the conditions of a changed lifecycle rule.
NOISY = {"change_bucket_lifecycle": "artifacts"}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(PROGRAM, tmp_path_factory.mktemp("recorded") / "stack"))


@pytest.fixture
def plan(program: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Plans the recorded program with one of the recorded changes on the recorded state, offline."""
    monkeypatch.setattr("socket.socket.connect", _no_network)

    def run(change: str = "") -> Result:
        (program / "variant.json").write_text(json.dumps({change: True} if change else {}))
        options = Options(
            program, "dev", state_file=FOLDER / "state.json", environment={"PULUMI_CONFIG_PASSPHRASE": "x"}
        )
        return preview(options)

    return run


def _no_network(*_: object) -> None:
    raise AssertionError("an offline plan opened a connection")


def _tabled(result: Result) -> dict[tuple[str, str], tuple[str, list[str]]]:
    return {
        (outcome.type, outcome.name): (outcome.op, outcome.diff)
        for outcome in result.outcomes
        if outcome.op != "same" and outcome.type in TYPES
    }


def _recorded(change: str) -> dict[tuple[str, str], dict[str, Any]]:
    resources = load("plans.json")[change]["resources"]
    return {(item["type"], item["name"]): item for item in resources if item["type"] in TYPES}


def test_the_recorded_program_on_the_recorded_state_plans_no_change(plan: Any) -> None:
    result = plan()
    assert result.errors == []
    assert result.changes == {"create": 0, "update": 0, "replace": 0, "delete": 0, "same": 65}


@pytest.mark.parametrize("change", CHANGES)
def test_a_recorded_change_plans_the_recorded_operations_and_reasons(plan: Any, change: str) -> None:
    result, recorded = plan(change.removeprefix("change_")), _recorded(change)
    assert result.errors == []
    assert _tabled(result) == {key: (item["op"], item.get("diffReasons") or []) for key, item in recorded.items()}
    for outcome in result.outcomes:
        item = recorded.get((outcome.type, outcome.name), {})
        if outcome.op != "same" and outcome.name != NOISY.get(change):
            details = {path: entry["kind"] for path, entry in (item.get("detailedDiff") or {}).items()}
            assert outcome.details == details, outcome.name
        if outcome.op == "replace" and item.get("replaceReasons"):
            assert outcome.replace_reasons == item["replaceReasons"], outcome.name
            assert outcome.delete_first == bool(item["provider_Diff_response"].get("deleteBeforeReplace")), outcome.name


def test_a_new_stack_creates_everything_and_every_type_is_known(program: Path) -> None:
    (program / "variant.json").write_text("{}")
    result = preview(Options(program, "dev", environment={}))
    assert result.changes == {"create": 65, "update": 0, "replace": 0, "delete": 0, "same": 0}
    assert [outcome.type for outcome in result.outcomes if outcome.note] == []
    assert {outcome.type for outcome in result.outcomes} == {*recorded_types(), "pulumi:pulumi:Stack"}


def test_without_its_passphrase_a_state_is_planned_on_with_a_warning(program: Path) -> None:
    (program / "variant.json").write_text(json.dumps({"pool_label": True}))
    result = preview(Options(program, "dev", state_file=FOLDER / "state.json", environment={}))
    changed = {outcome.name: outcome.op for outcome in result.outcomes if outcome.op != "same"}
    assert changed["pool"] in ("replace", "update")
    assert any("secrets in the state cannot be read" in item.message for item in result.diagnostics)
