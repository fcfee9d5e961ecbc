"""The edges of the metadata store: which context holds what, and which execution used or made which artifact."""

from collections.abc import Iterable
from typing import Any

from local.cloud.store import Store

_MEMBER = "aiplatform.metadata.member"  # named context|member, under the context
_PARENT = "aiplatform.metadata.parent"  # named parent|child, under the child
_EVENT = "aiplatform.metadata.event"  # named execution|artifact|type, under the execution
_USE = "aiplatform.metadata.use"  # the same the other way round: under the artifact


class Edges:
    def __init__(self, store: Store) -> None:
        self._store = store

    def add_members(self, context: str, members: Iterable[str]) -> None:
        with self._store.transaction():
            for member in members:
                self._store.put(_MEMBER, f"{context}|{member}", {"member": member}, parent=context)

    def has_member(self, context: str, member: str) -> bool:
        return self._store.get(_MEMBER, f"{context}|{member}") is not None

    def members(self, context: str) -> tuple[list[str], list[str]]:
        """A context's artifacts and executions."""
        names = [body["member"] for _, body in self._store.list(_MEMBER, context)]
        return [name for name in names if "/artifacts/" in name], [name for name in names if "/executions/" in name]

    def add_parent(self, parent: str, child: str) -> None:
        self._store.put(_PARENT, f"{parent}|{child}", {"parent": parent, "child": child}, parent=child)

    def remove_parent(self, parent: str, child: str) -> None:
        self._store.delete(_PARENT, f"{parent}|{child}")

    def parents(self, child: str) -> list[str]:
        return [body["parent"] for _, body in self._store.list(_PARENT, child)]

    def has_children(self, parent: str) -> bool:
        first = self._store.list(_PARENT, after=f"{parent}|", limit=1)
        return any(body["parent"] == parent for _, body in first)

    def add_event(self, execution: str, artifact: str, event: dict[str, Any]) -> None:
        """Once for each execution, artifact and type."""
        body = {**event, "execution": execution, "artifact": artifact}
        name = f"{execution}|{artifact}|{event['type']}"
        with self._store.transaction():
            self._store.put(_EVENT, name, body, parent=execution)
            self._store.put(_USE, name, {"execution": execution}, parent=artifact)

    def events_of(self, execution: str) -> list[dict[str, Any]]:
        return [body for _, body in self._store.list(_EVENT, execution)]

    def reachable(
        self, artifacts: Iterable[str], executions: Iterable[str]
    ) -> tuple[list[str], list[str], list[dict[str, Any]]]:
        """The artifacts, executions and events that are joined to the given ones by events."""
        seen_artifacts, seen_executions = dict.fromkeys(artifacts), dict.fromkeys(executions)
        events: dict[tuple[str, str, str], dict[str, Any]] = {}
        pending = [*seen_artifacts, *seen_executions]
        while pending:
            name = pending.pop()
            users = (
                [name] if name in seen_executions else [body["execution"] for _, body in self._store.list(_USE, name)]
            )
            for execution in users:
                for event in self.events_of(execution):
                    events[event["execution"], event["artifact"], event["type"]] = event
                    pending += [event["artifact"]] if event["artifact"] not in seen_artifacts else []
                    seen_artifacts[event["artifact"]] = None
                pending += [execution] if execution not in seen_executions else []
                seen_executions[execution] = None
        return list(seen_artifacts), list(seen_executions), list(events.values())

    def forget(self, name: str) -> None:
        """Remove every edge of a resource, or of all resources below a store."""
        for kind in (_MEMBER, _PARENT, _EVENT, _USE):
            for edge, _ in self._store.list(kind):
                if any(end == name or end.startswith(f"{name}/") for end in edge.split("|")):
                    self._store.delete(kind, edge)
