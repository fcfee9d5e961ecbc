"""Fixtures of the engine's tests: a fake Google, and a project in a temporary folder that is brought up on it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.outcome import Result
from engine.refresh import refresh
from engine.run import Options, destroy, preview, up
from tests.unit.engine.fake_google import FakeGoogle

HEADER = """import json
import pulumi
import pulumi_gcp as gcp
from pulumi import ResourceOptions as Opts
"""
CONFIG = """config:
  gcp:project: acme-recsys
  gcp:region: europe-west1
"""


class Workplace:
    """A project named `shop` with a stack `local`, its program given as text."""

    def __init__(self, folder: Path, google: FakeGoogle) -> None:
        self.folder = folder
        self.google = google
        self.environment = {
            **google.environment(),
            "PULUMI_BACKEND_URL": "file://state",
            "PULUMI_CONFIG_PASSPHRASE": "test",
        }
        (folder / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
        (folder / "Pulumi.local.yaml").write_text(CONFIG)

    def program(self, text: str) -> Workplace:
        (self.folder / "__main__.py").write_text(HEADER + text)
        return self

    def options(self, **changes: Any) -> Options:
        return Options(**{"cwd": self.folder, "stack": "local", "environment": self.environment, **changes})

    def preview(self, **changes: Any) -> Result:
        return preview(self.options(**changes))

    def up(self, **changes: Any) -> Result:
        return up(self.options(**changes))

    def destroy(self, **changes: Any) -> Result:
        return destroy(self.options(**changes))

    def refresh(self, *, preview_only: bool = False, **changes: Any) -> Result:
        return refresh(self.options(**changes), preview_only=preview_only)

    @property
    def state_path(self) -> Path:
        return self.folder / "state" / ".pulumi" / "stacks" / "shop" / "local.json"

    @property
    def deployment(self) -> dict[str, Any]:
        return json.loads(self.state_path.read_text())["checkpoint"]["latest"]

    def states(self) -> list[dict[str, Any]]:
        return self.deployment.get("resources") or []

    def state(self, name: str) -> dict[str, Any]:
        """The one state of the resource of that name."""
        (found,) = [state for state in self.states() if state["urn"].endswith(f"::{name}")]
        return found

    def names(self) -> set[str]:
        """The names of what is in the state, without the stack and its default providers."""
        hidden = ("pulumi:pulumi:Stack", "pulumi:providers:")
        return {state["urn"].rsplit("::", 1)[1] for state in self.states() if not state["type"].startswith(hidden)}


def ops(result: Result) -> dict[str, str]:
    """The operation of each shown resource by its name, but for the stack's own."""
    return {outcome.name: outcome.op for outcome in result.outcomes if outcome.type != "pulumi:pulumi:Stack"}


@pytest.fixture
def google() -> Iterator[FakeGoogle]:
    with FakeGoogle() as fake:
        yield fake


@pytest.fixture
def workplace(tmp_path: Path, google: FakeGoogle, quick_keys: None) -> Workplace:
    return Workplace(tmp_path, google)


@pytest.fixture
def quick_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Derive keys with one round: a million take half a second, and nothing that is tested depends on them."""
    monkeypatch.setattr("engine.crypto._ROUNDS", 1)


@pytest.fixture(autouse=True)
def _no_disk_flushes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test's kill ends the process and not the machine: what was written is there without waiting for the disk."""
    monkeypatch.setattr("os.fsync", lambda _: None)


@pytest.fixture(autouse=True)
def _forget_programs() -> Iterator[None]:
    before = set(sys.modules)
    yield
    assert "__main__" in before


Shape = Callable[[Any], Any]
