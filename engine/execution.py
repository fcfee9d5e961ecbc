"""Performs steps: in a preview by computing what would come out, in an update by calling the APIs and writing down
each result.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from engine.deployment import Planner
from engine.errors import AlreadyExistsError, EndedInErrorError, OperationError, UnsureError
from engine.gcp.api import Api
from engine.journal import Journal
from engine.outcome import Diagnostic, Outcome
from engine.plugins import GcpPlugin, Operation, Plugin, seal
from engine.registry import Step
from engine.state import PendingOperation, ResourceState, timestamp
from engine.values import Properties, reveal

_KINDS = {"create": "creating", "replace": "creating", "update": "updating", "delete": "deleting"}


class Performer(Protocol):
    """What the monitor hands steps to."""

    def check(self, steps: list[Step]) -> None:
        """Refuse, before the first of them is done, steps that this engine or the resource's own policy rules out."""
        ...

    def perform(self, step: Step) -> None:
        """Do the step; `step.new` then holds the result."""
        ...

    def set_outputs(self, state: ResourceState, outputs: Properties) -> ResourceState:
        """A component's or the stack's outputs are known."""
        ...

    def record_read(self, new: ResourceState, old: ResourceState | None) -> None:
        """A thing outside the stack was read."""
        ...


def refusal(planner: Planner, step: Step) -> str:
    """Why a step cannot be applied; empty if it can."""
    state = step.new or step.old
    if state is None or not state.custom or step.op == "same" or state.external:
        return ""
    if step.new is None and (state.retain_on_delete or state.pending_replacement):
        return ""
    op = "delete" if step.new is None else "create" if step.op in ("create", "replace") else "update"
    plugin = planner.plugin(state.type)
    reason = plugin.refusal(op, state)
    if not reason and step.deferred and step.old is not None and not (step.old.external or step.old.retain_on_delete):
        reason = plugin.refusal("delete", step.old)
    return f"{state.urn}: {reason}" if reason else ""


class Preview:
    """Computes, touches nothing."""

    def __init__(self, planner: Planner, refuse: Callable[[str], None], api: Api) -> None:
        self._planner = planner
        self._refuse = refuse
        self._api = api

    def check(self, steps: list[Step]) -> None:
        """What `up` would have to refuse is known now, before anything is applied."""
        for step in steps:
            if reason := refusal(self._planner, step):
                self._refuse(reason)

    def perform(self, step: Step) -> None:
        if step.new is None:
            if step.old is not None and step.pending:
                self._planner.swap(step.old, step.old.copy(pending_replacement=True))
            return
        new, old = step.new, step.old
        if step.op == "same" and old is not None:
            new.id, new.outputs = old.id, old.outputs
        elif step.op == "import":
            self._import(step, new)
        elif not new.custom:
            new.outputs = dict(old.outputs) if old else {}
        else:
            plugin = self._planner.plugin(new.type)
            settings = self._planner.settings(new)
            known = old if step.op == "update" else None
            new.id = known.id if known else ""
            new.outputs = seal(plugin.preview(known, new.inputs, settings), new.additional_secret_outputs)

    def _import(self, step: Step, new: ResourceState) -> None:
        """Where it can be read, what is there is held against the program; an import that would fail is an error."""
        plugin, settings = self._planner.plugin(new.type), self._planner.settings(new)
        new.outputs = seal(plugin.preview(None, new.inputs, settings), new.additional_secret_outputs)
        if self._api.missing(plugin.services()) or not plugin.services():
            step.outcome.note = step.outcome.note or "not read: no endpoint is set"
            return
        try:
            new.outputs = take_over(plugin, new, Operation(self._api, settings))
        except OperationError as error:
            self._planner.report(Diagnostic("error", f"Preview failed: {error}", new.urn))

    def set_outputs(self, state: ResourceState, outputs: Properties) -> ResourceState:
        state.outputs = outputs
        return state

    def record_read(self, new: ResourceState, old: ResourceState | None) -> None:
        """Nothing is kept of it."""


class Apply:
    """Calls the APIs. The journal has each operation before it starts and each result before the next step sees it."""

    def __init__(
        self,
        planner: Planner,
        journal: Journal,
        api: Api,
        show: Callable[[Outcome], None],
        pending: dict[str, ResourceState],
    ) -> None:
        """`pending`: creations that an earlier, interrupted run left open, by URN."""
        self._planner = planner
        self._journal = journal
        self._api = api
        self._show = show
        self._pending = pending

    def check(self, steps: list[Step]) -> None:
        """A program may want while it is applied what it did not in the plan."""
        for step in steps:
            if reason := refusal(self._planner, step):
                raise OperationError(reason)

    def perform(self, step: Step) -> None:
        if step.op == "same":
            self._same(step)
            return
        started = time.monotonic()
        step.outcome.status = "running"
        self._show(step.outcome)
        try:
            self._operate(step)
        except OperationError as error:
            step.outcome.status, step.outcome.error = "failed", str(error)
            raise
        else:
            step.outcome.status = "done"
        finally:
            step.outcome.seconds = time.monotonic() - started
            self._show(step.outcome)

    def _same(self, step: Step) -> None:
        new, old = step.new, step.old
        if new is None or old is None:
            raise AssertionError("a step that changes nothing needs the old and the new state")
        new.id, new.outputs, new.extra = old.id, old.outputs, old.extra
        step.outcome.status = "done"
        self._journal.later(lambda: self._journal.settled(new, old))

    def _operate(self, step: Step) -> None:
        if step.new is None:
            self._delete(step)
        elif not step.new.custom:
            self._component(step.new, step.old)
        elif step.op == "update":
            self._update(step)
        elif step.op == "import":
            self._import(step, step.new)
        else:
            self._create(step)

    def _component(self, new: ResourceState, old: ResourceState | None) -> None:
        new.outputs = dict(old.outputs) if old else {}
        new.created = new.created or timestamp()
        new.modified = timestamp()
        self._journal.later(lambda: self._journal.settled(new, old))

    def _environment(self, state: ResourceState) -> Operation:
        return Operation(self._api.watched(), self._planner.settings(state), state.custom_timeouts)

    def _create(self, step: Step) -> None:
        new = step.new
        if new is None:
            raise AssertionError("a creation needs the new state")
        if step.old is not None:
            step.old = self._planner.current(step.old)
        operation = self._begin(step.op, new)
        environment = self._environment(new)
        try:
            new.id, outputs = self._created(new, environment)
        except UnsureError:
            raise
        except OperationError as error:
            if environment.api.wrote and not isinstance(error, EndedInErrorError):
                raise UnsureError(
                    f"{error}\nThe creation had begun. The next run looks for what it made and takes it over"
                ) from error
            self._finish(operation)
            raise
        new.outputs = seal(outputs, new.additional_secret_outputs)
        new.created = new.modified = timestamp()
        doomed = step.old.copy(delete=True) if step.old is not None and step.deferred else None
        self._finish(operation, lambda: self._took_place(step, new, doomed))
        if step.old is not None and doomed is not None:
            self._planner.swap(step.old, doomed)

    def _import(self, step: Step, new: ResourceState) -> None:
        new.outputs = take_over(self._planner.plugin(new.type), new, self._environment(new))
        new.id = str(reveal(new.outputs.get("id")) or new.id)
        new.created = new.modified = timestamp()
        doomed = step.old.copy(delete=True) if step.old is not None and step.deferred else None
        self._journal.now(lambda: self._took_place(step, new, doomed))
        if step.old is not None and doomed is not None:
            self._planner.swap(step.old, doomed)

    def _created(self, new: ResourceState, environment: Operation) -> tuple[str, Properties]:
        """A new thing, or the very one that an interrupted creation left behind."""
        plugin = self._planner.plugin(new.type)
        if found := self._left_behind(new, "", environment):
            return found
        try:
            return plugin.create(new.name, new.inputs, environment)
        except AlreadyExistsError as error:
            if found := self._left_behind(new, error.identity, environment):
                return found
            raise OperationError(_already_there(new, error, ours=new.urn in self._pending)) from error

    def _left_behind(self, new: ResourceState, identity: str, environment: Operation) -> tuple[str, Properties] | None:
        """What our own interrupted creation of this resource made, if it is as the program wants it."""
        plugin = self._planner.plugin(new.type)
        if new.urn not in self._pending or not isinstance(plugin, GcpPlugin):
            return None
        found = plugin.adopt(new.inputs, identity, environment)
        return None if found is None or found[2] else found[:2]

    def _took_place(self, step: Step, new: ResourceState, doomed: ResourceState | None) -> None:
        self._journal.forget_pending(new.urn)
        if step.old is not None and doomed is not None:
            self._journal.swapped(step.old, doomed)
            self._journal.settled(new, None)
        else:
            self._journal.settled(new, step.old)

    def _update(self, step: Step) -> None:
        new, old = step.new, step.old
        if new is None or old is None:
            raise AssertionError("an update needs the old and the new state")
        operation = self._begin("update", new)
        try:
            outputs = self._planner.plugin(new.type).update(old, new.inputs, self._environment(new))
        except OperationError:
            self._finish(operation)
            raise
        new.id = old.id
        new.outputs = seal(outputs, new.additional_secret_outputs)
        new.modified = timestamp()
        self._finish(operation, lambda: self._journal.settled(new, old))

    def _delete(self, step: Step) -> None:
        old = step.old
        if old is None:
            raise AssertionError("a deletion needs the old state")
        operation = self._begin("delete", old) if old.custom and not old.is_provider else None
        try:
            if old.custom and not old.external and not self._spared(old):
                self._planner.plugin(old.type).delete(old, self._environment(old))
        except OperationError:
            if operation is not None:
                self._finish(operation)
            raise
        self._gone(step, old, operation)

    def _spared(self, old: ResourceState) -> bool:
        """Whether the thing itself is left alone: by request, or because it goes with another."""
        goes_with = old.deleted_with and old.deleted_with not in self._planner.seen.operated
        return bool(old.retain_on_delete or old.pending_replacement or goes_with)

    def _gone(self, step: Step, old: ResourceState, operation: PendingOperation | None) -> None:
        if not step.pending:
            self._finish(operation, lambda: self._journal.removed(old))
            return
        waiting = old.copy(pending_replacement=True)
        self._finish(operation, lambda: self._journal.swapped(old, waiting))
        self._planner.swap(old, waiting)

    def _begin(self, op: str, state: ResourceState) -> PendingOperation | None:
        return None if state.is_provider else self._journal.begin(_KINDS[op], state.copy())

    def _finish(self, operation: PendingOperation | None, change: Callable[[], None] | None = None) -> None:
        if operation is not None:
            self._journal.end(operation, change)
        elif change is not None:
            self._journal.later(change)

    def set_outputs(self, state: ResourceState, outputs: Properties) -> ResourceState:
        if state.outputs == outputs:
            return state
        new = state.copy(outputs=outputs, modified=timestamp())
        self._journal.later(lambda: self._journal.swapped(state, new))
        return new

    def record_read(self, new: ResourceState, old: ResourceState | None) -> None:
        self._journal.later(lambda: self._journal.settled(new, old))


def take_over(plugin: Plugin, new: ResourceState, environment: Operation) -> Properties:
    """The outputs of a thing that is imported; raises OperationError if it is not as the program wants it."""
    found = plugin.adopt(new.inputs, new.id, environment, completing=False) if isinstance(plugin, GcpPlugin) else None
    if found is None:
        raise OperationError(f"{new.type} {new.id!r} does not exist: correct the id that import_ gives")
    if found[2]:
        differing = ", ".join(sorted({change.key for change in found[2]}))
        raise OperationError(
            f"inputs to import do not match the existing resource: {new.id!r} differs in {differing}. Give these as "
            "they are now, import, and change them afterwards"
        )
    return seal(found[1], new.additional_secret_outputs)


def _already_there(new: ResourceState, error: AlreadyExistsError, *, ours: bool) -> str:
    if ours:
        return (
            f"{error}\nAn earlier run was interrupted while it created this, and what exists now differs from the "
            f"program. Compare {error.identity!r} with the program; then delete it and run up again, or take it "
            f"over with `pulumi import {new.type} {new.name} {error.identity}`"
        )
    return (
        f"{error}\n{error.identity!r} exists already and is not in this stack's state. Delete it, give the resource "
        f"another name, or take it over with `pulumi import {new.type} {new.name} {error.identity}`"
    )
