"""Decides what happens to each resource that a program registers: create, update, replace, delete or nothing, as
Pulumi's own engine does.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from engine import urns
from engine.errors import EngineError, OperationError
from engine.gcp.comparing import Change
from engine.gcp.resource import Settings
from engine.goal import Alias, Goal
from engine.graph import dependents
from engine.outcome import Diagnostic, Outcome
from engine.paths import contains, parse, reset
from engine.plugins import Difference, Plugin, plugin_for, settings_of
from engine.state import ResourceState, Snapshot
from engine.values import UNKNOWN, Properties


@dataclass
class Step:
    """One operation on one resource.

    `op` is create, update, same, delete, or replace (the creation that takes another's place). `deferred`: the old
    thing of a replacement is deleted at the end of the run. `pending`: what is deleted stays in the state until then.
    """

    op: str
    outcome: Outcome
    new: ResourceState | None = None
    old: ResourceState | None = None
    deferred: bool = False
    pending: bool = False


@dataclass
class Registry:
    """What has been seen in this run."""

    urns: set[str] = field(default_factory=set)
    operated: set[str] = field(default_factory=set)
    deleted_early: set[str] = field(default_factory=set)
    deletions: list[Step] = field(default_factory=list)
    dependent_keys: dict[str, list[str]] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    aliased: dict[str, str] = field(default_factory=dict)
    providers: dict[str, ResourceState] = field(default_factory=dict)


class Planner:
    """Turns goals into steps. Not safe for use by two threads at once: callers hold `lock`, and never take it while
    they hold the journal.
    """

    def __init__(
        self,
        project: str,
        stack: str,
        base: Snapshot,
        environment: Mapping[str, str],
        *,
        dry_run: bool,
        report: Callable[[Diagnostic], None],
    ) -> None:
        self.project = project
        self.stack = stack
        self.base = base
        self.olds = base.live()
        self.environment = environment
        self.dry_run = dry_run
        self.report = report
        self.seen = Registry()
        self.lock = threading.RLock()
        self._plugins: dict[str, Plugin] = {}

    def plugin(self, token: str) -> Plugin:
        if token not in self._plugins:
            self._plugins[token] = plugin_for(token)
        return self._plugins[token]

    def urn(self, goal: Goal) -> str:
        return urns.make(self.stack, self.project, goal.parent, goal.type, goal.name)

    def claim(self, urn: str) -> None:
        """Take the URN for this run; raises EngineError if it is taken."""
        if urn in self.seen.urns:
            raise EngineError(f"Duplicate resource URN '{urn}'; try giving it a unique name")
        if urn in self.seen.aliased:
            raise EngineError(f"{urn!r} is an alias of {self.seen.aliased[urn]!r} already: remove one of the two")
        self.seen.urns.add(urn)

    def settings(self, state: ResourceState) -> Settings:
        """The configuration of the provider that manages a resource."""
        if not state.provider:
            return Settings()
        urn, _ = urns.provider_reference(state.provider)
        provider = self.seen.providers.get(urn) or self.olds.get(urn)
        return settings_of(provider.inputs if provider else {}, self.environment)

    def swap(self, old: ResourceState, new: ResourceState) -> None:
        """`new` is now what the state holds in the place of `old`."""
        with self.lock:
            self.base.resources = [new if resource is old else resource for resource in self.base.resources]
            if self.olds.get(old.urn) is old:
                self.olds[old.urn] = new

    def current(self, old: ResourceState) -> ResourceState:
        """What the state holds now in the place of `old`, which an earlier step may have swapped."""
        return self.olds.get(old.urn, old)

    # -- steps -------------------------------------------------------------------------------------------------------

    def steps(self, goal: Goal, urn: str) -> list[Step]:
        """What is to be done for a goal, in order; empty if the provider refuses its inputs, which is then reported.

        Raises OperationError in an update for what may not be done, before any of it is.
        """
        old = self._find_old(goal, urn)
        new = self._new_state(goal, urn, old)
        if urns.is_provider(goal.type):
            self.seen.providers[urn] = new
        recreating = urn in self.seen.deleted_early
        inputs = copy.deepcopy(goal.inputs)
        if old is not None and not recreating:
            self._ignore_changes(urn, goal, old, inputs)
        fresh = old is None or recreating or old.external
        if not self._check(new, inputs, {} if fresh or old is None else old.inputs):
            return []
        self.seen.operated.add(urn)
        outcome = Outcome(urn, "same", parent=new.parent, shown=not self._hidden(new))
        if recreating and old is not None:
            return self._recreate(outcome, old, new)
        if old is None:
            outcome.op = "create"
            outcome.note = self._note(new)
            return [Step("create", outcome, new)]
        if old.external:
            outcome.op = "replace"
            return [Step("replace", outcome, new, old, deferred=True)]
        return self._change(goal, outcome, old, new)

    def _hidden(self, state: ResourceState) -> bool:
        return state.is_provider and state.name.startswith("default")

    def _note(self, state: ResourceState) -> str:
        return self.plugin(state.type).note if state.custom else ""

    def _new_state(self, goal: Goal, urn: str, old: ResourceState | None) -> ResourceState:
        alias = self.seen.aliases.get(urn)
        return ResourceState(
            urn=urn,
            type=goal.type,
            custom=goal.custom,
            parent=goal.parent,
            protect=goal.protect,
            dependencies=goal.dependencies,
            provider=goal.provider,
            property_dependencies=goal.property_dependencies,
            additional_secret_outputs=goal.additional_secret_outputs,
            aliases=[alias] if alias else [],
            custom_timeouts=goal.custom_timeouts,
            retain_on_delete=goal.retain_on_delete,
            deleted_with=goal.deleted_with,
            created=old.created if old else "",
            modified=old.modified if old else "",
            ignore_changes=goal.ignore_changes,
            replace_on_changes=goal.replace_on_changes,
        )

    def _ignore_changes(self, urn: str, goal: Goal, old: ResourceState, inputs: Properties) -> None:
        lost = [path for path in goal.ignore_changes if not reset(parse(path), copy.deepcopy(old.inputs), inputs)]
        if lost:
            message = f"cannot ignore changes in added or removed elements of the path: {', '.join(lost)!r}"
            self.report(Diagnostic("info", message, urn))

    def _check(self, new: ResourceState, inputs: Properties, old_inputs: Properties) -> bool:
        new.inputs = inputs
        if not new.custom:
            return True
        checked, failures = self.plugin(new.type).check(new.name, old_inputs, inputs)
        for failure in failures:
            self.report(Diagnostic("error", f"{new.type} resource '{new.name}' has a problem: {failure}", new.urn))
        new.inputs = checked
        return not failures

    def _recreate(self, outcome: Outcome, old: ResourceState, new: ResourceState) -> list[Step]:
        """It was deleted before because what it depends on is replaced; now it is known that it stays."""
        self.seen.deleted_early.discard(old.urn)
        self.seen.deletions = [step for step in self.seen.deletions if step.outcome.urn != old.urn]
        outcome.op = "replace"
        outcome.replace_reasons = self.seen.dependent_keys.get(old.urn, [])
        outcome.delete_first = True
        return [Step("replace", outcome, new, old)]

    def _change(self, goal: Goal, outcome: Outcome, old: ResourceState, new: ResourceState) -> list[Step]:
        difference = with_replacements(self._difference(old, new), goal.replace_on_changes)
        outcome.explain(difference)
        if not difference.details and not old.pending_replacement:
            return [Step("same", outcome, new, old)]
        outcome.note = self._note(new)
        if difference.replace_keys or old.pending_replacement:
            return self._replace(goal, outcome, old, new, difference)
        outcome.op = "update"
        return [Step("update", outcome, new, old)]

    def _difference(self, old: ResourceState, new: ResourceState) -> Difference:
        if bool(old.provider) != bool(new.provider):
            return Difference([Change(("provider",), "update", True)])
        if not new.custom:
            same = old.inputs == new.inputs
            return Difference(
                [] if same else [Change((key,), "update", False) for key in sorted({*old.inputs, *new.inputs})]
            )
        return self.plugin(new.type).diff(old, new.inputs, self.settings(new))

    # -- replacement -------------------------------------------------------------------------------------------------

    def _replace(
        self, goal: Goal, outcome: Outcome, old: ResourceState, new: ResourceState, difference: Difference
    ) -> list[Step]:
        outcome.op = "replace"
        if new.protect and old.protect:
            self._refuse_protected(
                old, f"unable to replace resource {old.urn!r}\nas it is currently marked for protection"
            )
        self._check(new, copy.deepcopy(goal.inputs), {})
        delete_first = difference.delete_first if goal.delete_before_replace is None else goal.delete_before_replace
        outcome.delete_first = delete_first
        if not delete_first:
            return [Step("replace", outcome, new, old, deferred=not old.pending_replacement)]
        condemned = self._condemned(old)
        self._refuse_protected_among(condemned)
        steps = [self._early_deletion(resource, keys) for resource, keys in reversed(condemned)]
        if not old.pending_replacement:
            steps.append(Step("delete", Outcome(old.urn, "delete-replaced", shown=False), old=old, pending=True))
        return [*steps, Step("replace", outcome, new, old)]

    def _refuse_protected(self, old: ResourceState, what: str) -> None:
        """A preview shows the problem and goes on, an update stops."""
        message = (
            f"{what}. To unprotect the resource, remove the `protect` flag from the resource in your Pulumi program "
            "and run `pulumi up`"
        )
        if not self.dry_run:
            raise OperationError(message)
        self.report(Diagnostic("error", message, old.urn))

    def _refuse_protected_among(self, condemned: list[tuple[ResourceState, list[str]]]) -> None:
        for resource, _ in condemned:
            if resource.protect:
                self._refuse_protected(
                    resource,
                    f"unable to replace resource {resource.urn!r} as part of replacing what it depends on: it is "
                    "currently marked for protection",
                )

    def _early_deletion(self, resource: ResourceState, keys: list[str]) -> Step:
        self.seen.deleted_early.add(resource.urn)
        self.seen.dependent_keys[resource.urn] = keys
        outcome = Outcome(resource.urn, "delete-replaced", parent=resource.parent, shown=False)
        step = Step("delete", outcome, old=resource, pending=True)
        self.seen.deletions.append(step)
        return step

    def _condemned(self, root: ResourceState) -> list[tuple[ResourceState, list[str]]]:
        """The resources that must go before `root`: those whose inputs come from it, or from another of them, in a
        property that replaces.
        """
        gone = {root.urn}
        found: list[tuple[ResourceState, list[str]]] = []
        ignored = self.seen.operated | self.seen.deleted_early
        for resource in dependents(self.base.resources, root, ignored):
            keys = self._replaced_by(resource, gone)
            if keys is not None:
                gone.add(resource.urn)
                found.append((resource, keys))
        return found

    def _replaced_by(self, resource: ResourceState, gone: set[str]) -> list[str] | None:
        """The properties for which a resource is replaced if what they depend on is; None if it is not replaced."""
        if not resource.custom or resource.external or resource.delete:
            return None
        if resource.provider and urns.provider_reference(resource.provider)[0] in gone:
            return []
        touched = {
            key
            for key, needed in resource.property_dependencies.items()
            if key in resource.inputs and gone & set(needed)
        }
        if not touched:
            return None
        inputs = {key: UNKNOWN if key in touched else value for key, value in resource.inputs.items()}
        difference = self.plugin(resource.type).diff(resource, inputs, self.settings(resource))
        return with_replacements(difference, resource.replace_on_changes).replace_keys or None

    # -- deletions ---------------------------------------------------------------------------------------------------

    def final_deletions(self) -> list[Step]:
        """What is left to delete once the program is through: what it no longer has, and what was replaced."""
        for step in self.seen.deletions:
            step.outcome.op, step.outcome.shown = "delete", True
        steps: list[Step] = []
        for resource in self.base.resources:
            if resource.delete:
                steps.append(Step("delete", Outcome(resource.urn, "delete-replaced", shown=False), old=resource))
            elif (
                resource.urn not in self.seen.operated
                and resource.urn not in self.seen.deleted_early
                and not self._is_aliased(resource)
            ):
                steps.append(self._deletion(resource))
        return steps

    def _is_aliased(self, resource: ResourceState) -> bool:
        return resource.urn in self.seen.aliased

    def _deletion(self, resource: ResourceState) -> Step:
        if resource.protect:
            message = (
                f"resource {resource.urn!r} cannot be deleted\nbecause it is protected. To unprotect the resource, "
                "remove the `protect` flag from the resource in your Pulumi program and run `pulumi up`"
            )
            self.report(Diagnostic("error", message, resource.urn))
        shown = not self._hidden(resource) and not resource.external
        return Step("delete", Outcome(resource.urn, "delete", parent=resource.parent, shown=shown), old=resource)

    # -- former names ------------------------------------------------------------------------------------------------

    def _find_old(self, goal: Goal, urn: str) -> ResourceState | None:
        """The resource as it was, under its URN or one of its former ones."""
        if urn in self.olds:
            return self.olds[urn]
        for former in self._former_urns(goal, urn):
            old = self.olds.get(former)
            if old is None or former == urn:
                continue
            taken = former if former in self.seen.urns else self.seen.aliased.get(former)
            if taken:
                raise EngineError(
                    f"{urn!r} has the alias {former!r}, which is taken by {taken!r}: remove one of the two"
                )
            self.seen.aliased[former] = urn
            self.seen.aliases[urn] = former
            return old
        return None

    def _former_urns(self, goal: Goal, urn: str) -> list[str]:
        former = [self._alias_urn(goal, alias) for alias in goal.aliases]
        parent_alias = self.seen.aliases.get(goal.parent)
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
            parent = self.seen.aliases.get(parent, parent)
        if alias.no_parent or (parent and urns.qualified_type(parent) == urns.STACK_TYPE):
            parent = ""
        return urns.make(
            alias.stack or self.stack,
            alias.project or self.project,
            parent,
            alias.type or goal.type,
            alias.name or goal.name,
        )

    def _inherited(self, type_: str, name: str, parent_name: str, parent_alias: str) -> str:
        """A child named after its parent had the parent's former name in its own."""
        if name.startswith(parent_name):
            name = urns.name_of(parent_alias) + name[len(parent_name) :]
        return urns.make(self.stack, self.project, parent_alias, type_, name)


def with_replacements(difference: Difference, replace_on_changes: list[str]) -> Difference:
    """The difference, changed properties that the program wants to replace on marked as such."""
    patterns = [parse(path) for path in replace_on_changes]
    if not patterns:
        return difference
    details = [
        Change(change.path, change.kind, True)
        if any(contains(pattern, change.path) for pattern in patterns)
        else change
        for change in difference.details
    ]
    return Difference(details, difference.delete_first)
