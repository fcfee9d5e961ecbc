"""What a run does to each resource and what came of it: the plan's rows, the report's steps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from engine import urns
from engine.paths import render
from engine.state import ResourceState
from engine.values import UNKNOWN_TEXT, Properties, Secret, Unknown, Value

COUNTED = ("create", "import", "update", "replace", "delete", "same")


@dataclass
class Outcome:
    """One resource in a plan or a run."""

    urn: str
    op: str
    parent: str = ""
    diff: list[str] = field(default_factory=list)
    replace_reasons: list[str] = field(default_factory=list)
    details: dict[str, str] = field(default_factory=dict)
    delete_first: bool = False
    shown: bool = True
    note: str = ""
    error: str = ""
    status: str = "planned"
    seconds: float = 0.0
    old: ResourceState | None = field(default=None, repr=False, compare=False)
    new: ResourceState | None = field(default=None, repr=False, compare=False)

    @property
    def type(self) -> str:
        return urns.type_of(self.urn)

    @property
    def name(self) -> str:
        return urns.name_of(self.urn)

    def explain(self, difference: Any) -> None:
        """Take over the keys and reasons of a difference."""
        self.diff = difference.keys
        self.replace_reasons = difference.replace_keys
        self.delete_first = difference.delete_first
        self.details = {
            render(change.path): f"{change.kind}-replace" if change.replace else change.kind
            for change in difference.details
        }

    def as_json(self) -> dict[str, Any]:
        body: dict[str, Any] = {"op": self.op, "urn": self.urn, "type": self.type, "name": self.name}
        if self.diff:
            body["diff"] = body["diffReasons"] = self.diff
        if self.details:
            body["detailedDiff"] = {path: {"kind": kind, "inputDiff": False} for path, kind in self.details.items()}
        if self.new is not None and self.new.provider:
            body["provider"] = self.new.provider
        for key, state in (("oldState", self.old), ("newState", self.new)):
            if state is not None:
                body[key] = _state_as_json(state)
        if self.op == "replace":
            body |= {"replaceReasons": self.replace_reasons, "deleteBeforeReplace": self.delete_first}
        if self.note:
            body["note"] = self.note
        if self.error:
            body["error"] = self.error
        if self.status != "planned":
            body |= {"status": self.status, "seconds": round(self.seconds, 3)}
        return body


@dataclass(frozen=True)
class Diagnostic:
    """A message to the user; `urn` empty for the stack as a whole."""

    severity: str
    message: str
    urn: str = ""


@dataclass
class Result:
    """What a command did or would do."""

    kind: str
    stack: str
    outcomes: list[Outcome] = field(default_factory=list)
    outputs: Properties = field(default_factory=dict)
    old_outputs: Properties = field(default_factory=dict)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    refusals: list[str] = field(default_factory=list)
    drift: list[Outcome] = field(default_factory=list)

    @property
    def errors(self) -> list[str]:
        return [diagnostic.message for diagnostic in self.diagnostics if diagnostic.severity == "error"]

    @property
    def ok(self) -> bool:
        return not self.errors

    @property
    def changes(self) -> dict[str, int]:
        """How many resources are created, updated, replaced, deleted and left as they are; of a run, those that it came
        to. Providers that Pulumi makes itself do not count.
        """
        counts: dict[str, int] = dict.fromkeys(COUNTED, 0)
        for outcome in self.outcomes:
            done = outcome.status == "done" or self.kind not in ("up", "destroy")
            if outcome.shown and outcome.op in counts and done and not outcome.error:
                counts[outcome.op] += 1
        return counts if counts["import"] else {op: count for op, count in counts.items() if op != "import"}

    @property
    def changed(self) -> bool:
        return any(count for op, count in self.changes.items() if op != "same")

    def as_json(self) -> dict[str, Any]:
        return {
            "command": self.kind,
            "stack": self.stack,
            "ok": self.ok,
            "changes": self.changes,
            "changeSummary": {op: count for op, count in self.changes.items() if count},
            "drift": [outcome.as_json() for outcome in self.drift],
            "steps": [outcome.as_json() for outcome in self.outcomes if outcome.shown],
            "outputs": {key: presentable(value) for key, value in sorted(self.outputs.items())},
            "errors": self.errors,
            "warnings": [item.message for item in self.diagnostics if item.severity == "warning"],
            "seconds": {key: round(value, 3) for key, value in self.seconds.items()},
        }


def _state_as_json(state: ResourceState) -> dict[str, Any]:
    """What a reader may see of a resource's state; its secrets hidden."""
    body = {"urn": state.urn, "custom": state.custom, "type": state.type, "id": state.id, "parent": state.parent}
    body |= {"provider": state.provider, "dependencies": state.dependencies, "protect": state.protect}
    shown = {key: value for key, value in body.items() if value}
    return shown | {"inputs": presentable(state.inputs), "outputs": presentable(state.outputs)}


def presentable(value: Value) -> Any:
    """The value for a reader: secrets hidden, unknowns as Pulumi's own placeholder."""
    if isinstance(value, Secret):
        return "[secret]"
    if isinstance(value, Unknown):
        return UNKNOWN_TEXT
    if isinstance(value, dict):
        return {key: presentable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [presentable(item) for item in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return repr(value)
