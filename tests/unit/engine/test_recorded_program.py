"""The recorded program, brought up, changed, refreshed and destroyed against the fake Google."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from engine.refresh import refresh
from engine.run import Options, destroy, preview, up
from tests.unit.engine.fake_google import FakeGoogle
from tests.unit.engine.recordings import PROGRAM

# What Google keeps when it is deleted, and the metric that an update put under a new name.
KEPT = {"keyRings", "cryptoKeys", "cryptoKeyVersions", "versions", "roles"}


@pytest.fixture
def stack(tmp_path: Path, google: FakeGoogle, quick_keys: None) -> Options:
    folder = Path(shutil.copytree(PROGRAM, tmp_path / "stack"))
    environment = {**google.environment(), "PULUMI_BACKEND_URL": "file://state", "PULUMI_CONFIG_PASSPHRASE": "x"}
    return Options(folder, "dev", environment=environment)


def _changed(stack: Options, change: str) -> None:
    (stack.cwd / "variant.json").write_text(json.dumps({change: True}))


def test_the_recorded_program_comes_up_changes_and_goes(stack: Options, google: FakeGoogle) -> None:
    google.slow_operations = 1
    assert up(stack).changes == {"create": 65, "update": 0, "replace": 0, "delete": 0, "same": 0}
    assert not preview(stack).changed
    assert not refresh(stack).changed
    _changed(stack, "bulk")
    changed = up(stack)
    assert changed.errors == []
    assert changed.changes == {"create": 1, "update": 23, "replace": 3, "delete": 0, "same": 39}
    assert not preview(stack).changed
    gone = destroy(stack)
    assert gone.errors == []
    assert gone.changes["delete"] == 66
    assert {name.split("/")[-2] for name in google.things} <= KEPT
