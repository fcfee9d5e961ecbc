"""What has been done so far, on disk: written after every step, so that a crash at any moment leaves a true state.

Steps run in parallel; whoever finishes waits until a write that contains its change is on disk, and several share one.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

from engine.backend import FileBackend
from engine.crypto import SecretsManager
from engine.errors import EngineError
from engine.graph import ordered
from engine.state import PendingOperation, ResourceState, Snapshot, manifest


class Journal:
    """The state of a stack while an update changes it."""

    def __init__(self, backend: FileBackend, base: Snapshot, secrets: SecretsManager, *, partial: bool = False) -> None:
        """`partial`: the run leaves resources alone that others need, so that the order has to be looked after."""
        self._partial = partial
        self._backend = backend
        self._secrets = secrets
        self._extra = base.extra
        self._base = list(base.resources)
        self._done: dict[int, ResourceState] = {}
        self._new: list[ResourceState] = []
        self._pending: list[PendingOperation] = [
            operation for operation in base.pending if operation.type == "creating"
        ]
        self._renames: dict[str, str] = {}
        self._renamed: dict[int, tuple[int, ResourceState, ResourceState]] = {}
        self._texts: dict[int, tuple[ResourceState, str]] = {}
        self._condition = threading.Condition()
        self._version = 0
        self._written = 0
        self._failure: BaseException | None = None
        self._writer: threading.Thread | None = None

    def begin(self, kind: str, resource: ResourceState) -> PendingOperation:
        """Note on disk that an operation on a resource is about to start."""
        operation = PendingOperation(kind, resource)
        self._change(lambda: self._pending.append(operation))
        return operation

    def end(self, operation: PendingOperation, change: Callable[[], None] | None = None) -> None:
        """Note on disk that an operation is over, together with the change that it made."""

        def finish() -> None:
            self._pending.remove(operation)
            if change is not None:
                change()

        self._change(finish)

    def forget_pending(self, urn: str) -> None:
        """The creation of this resource that an earlier run left open is settled. To be called within a change."""
        self._pending = [operation for operation in self._pending if operation.resource.urn != urn]

    def settled(self, new: ResourceState, old: ResourceState | None) -> None:
        """`new` takes the place of `old`. To be called within a change, or before `flush`."""
        if old is not None:
            self._done[id(old)] = old
            if old.urn != new.urn:
                self._renames[old.urn] = new.urn
        self._new.append(new)

    def removed(self, old: ResourceState) -> None:
        """`old` is no more. To be called within a change."""
        self._done[id(old)] = old
        self._new = [resource for resource in self._new if resource is not old]

    def swapped(self, old: ResourceState, new: ResourceState) -> None:
        """`new` stands where `old` stood, for example marked for deletion. To be called within a change."""
        self._base = [new if resource is old else resource for resource in self._base]
        self._new = [new if resource is old else resource for resource in self._new]

    def now(self, change: Callable[[], None]) -> None:
        """Make a change and wait until it is on disk."""
        self._change(change)

    def later(self, change: Callable[[], None]) -> None:
        """Make a change that the next write will contain."""
        with self._condition:
            change()

    def flush(self) -> None:
        """Write what is not yet on disk and stop writing."""
        self._change(lambda: None)
        with self._condition:
            writer, self._writer = self._writer, None
            self._condition.notify_all()
        if writer is not None:
            writer.join()

    def resources(self) -> list[ResourceState]:
        """What the state holds now. What has not been reached yet refers to what was renamed by its new name."""
        untouched = [self._referring(resource) for resource in self._base if id(resource) not in self._done]
        found = self._new + untouched
        return ordered(found) if self._partial else found

    def _referring(self, resource: ResourceState) -> ResourceState:
        if self._renames.keys().isdisjoint(resource.edges()):
            return resource
        known = self._renamed.get(id(resource))
        if known is None or known[0] != len(self._renames):
            known = (len(self._renames), resource, resource.referring(self._renames))
            self._renamed[id(resource)] = known
        return known[2]

    def _change(self, change: Callable[[], None]) -> None:
        with self._condition:
            change()
            self._version += 1
            ticket = self._version
            if self._writer is None and self._failure is None:
                self._writer = threading.Thread(target=self._write_loop, name="state-writer", daemon=True)
                self._writer.start()
            self._condition.notify_all()
            self._condition.wait_for(lambda: self._written >= ticket or self._failure is not None)
            if self._failure is not None:
                raise EngineError(
                    f"the state cannot be written to {self._backend.path}: {self._failure}"
                ) from self._failure

    def _write_loop(self) -> None:
        me = threading.current_thread()
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._version > self._written or self._writer is not me)
                if self._version <= self._written:
                    return
                version = self._version
                resources, pending = self.resources(), list(self._pending)
            try:
                self._backend.save(self._render(resources, pending))
            except BaseException as error:  # whoever waits for the write gets it
                with self._condition:
                    self._failure, self._writer = error, None
                    self._condition.notify_all()
                return
            with self._condition:
                self._written = version
                self._condition.notify_all()

    def _render(self, resources: list[ResourceState], pending: list[PendingOperation]) -> str:
        parts = [f'"resources":[{",".join(self._text(resource) for resource in resources)}]']
        if pending:
            operations = ",".join(
                f'{{"resource":{self._text(operation.resource)},"type":{json.dumps(operation.type)}}}'
                for operation in pending
            )
            parts.append(f'"pending_operations":[{operations}]')
        if provider := self._secrets.provider():
            parts.insert(0, f'"secrets_providers":{_compact(provider)}')
        parts += [f"{json.dumps(key)}:{_compact(value)}" for key, value in self._extra.items()]
        return f'{{"manifest":{_compact(manifest())},{",".join(parts)}}}'

    def _text(self, resource: ResourceState) -> str:
        """A resource's JSON; a resource's state is never changed once it is given to the journal."""
        known = self._texts.get(id(resource))
        if known is None:
            known = self._texts[id(resource)] = (resource, _compact(resource.to_checkpoint(self._secrets.encrypt)))
        return known[1]


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
