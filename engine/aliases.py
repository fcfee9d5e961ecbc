"""Finds a resource of the state under its former names: its aliases, and those that follow from its parent's."""

from __future__ import annotations

from engine import urns
from engine.errors import EngineError
from engine.goal import Alias, Goal
from engine.registry import Registry
from engine.state import ResourceState


class FormerNames:
    """Looks resources up and notes in the registry who had which name."""

    def __init__(self, project: str, stack: str, seen: Registry) -> None:
        self._project = project
        self._stack = stack
        self._seen = seen

    def find_old(self, goal: Goal, urn: str, olds: dict[str, ResourceState]) -> ResourceState | None:
        """The resource as it was, under its URN or one of its former ones."""
        if urn in olds:
            return olds[urn]
        for former in self._former_urns(goal, urn):
            old = olds.get(former)
            if old is None or former == urn:
                continue
            taken = former if former in self._seen.urns else self._seen.aliased.get(former)
            if taken:
                raise EngineError(
                    f"{urn!r} has the alias {former!r}, which is taken by {taken!r}: remove one of the two"
                )
            self._seen.aliased[former] = urn
            self._seen.aliases[urn] = former
            return old
        return None

    def _former_urns(self, goal: Goal, urn: str) -> list[str]:
        former = [self._alias_urn(goal, alias) for alias in goal.aliases]
        parent_alias = self._seen.aliases.get(goal.parent)
        if parent_alias:
            parent_name = urns.name_of(goal.parent)
            for candidate in [urn, *former]:
                former.append(
                    self._inherited(urns.type_of(candidate), urns.name_of(candidate), parent_name, parent_alias)
                )
        return former

    def _alias_urn(self, goal: Goal, alias: Alias) -> str:
        if alias.urn:
            return alias.urn
        parent = alias.parent or goal.parent
        if alias.parent:
            parent = self._seen.aliases.get(parent, parent)
        if alias.no_parent or (parent and urns.qualified_type(parent) == urns.STACK_TYPE):
            parent = ""
        return urns.make(
            alias.stack or self._stack,
            alias.project or self._project,
            parent,
            alias.type or goal.type,
            alias.name or goal.name,
        )

    def _inherited(self, type_: str, name: str, parent_name: str, parent_alias: str) -> str:
        """A child named after its parent had the parent's former name in its own."""
        if name.startswith(parent_name):
            name = urns.name_of(parent_alias) + name[len(parent_name) :]
        return urns.make(self._stack, self._project, parent_alias, type_, name)
