"""Decides what happens to each resource that a program registers: create, update, replace, delete or nothing, as
Pulumi's own engine does.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Mapping
from itertools import chain

from engine import urns
from engine.aliases import FormerNames
from engine.deletions import Deletions
from engine.errors import EngineError, OperationError
from engine.gcp.comparing import Change
from engine.gcp.resource import Settings
from engine.goal import Goal
from engine.graph import dependents
from engine.outcome import Diagnostic, Outcome
from engine.paths import contains, parse, reset
from engine.plugins import Difference, Plugin, plugin_for, settings_of
from engine.registry import Registry, Step
from engine.state import ResourceState, Snapshot, hidden
from engine.targets import Targets
from engine.values import UNKNOWN, Properties


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
        targets: Targets | None = None,
        replaces: Targets | None = None,
    ) -> None:
        """`targets`: what the command is confined to; `replaces`: what it is asked to replace."""
        self.project = project
        self.stack = stack
        self.base = base
        self.olds = base.live()
        self.environment = environment
        self.dry_run = dry_run
        self.report = report
        self.seen = Registry()
        self.targets = targets or Targets()
        self.replaces = replaces or Targets()
        self.deletions = Deletions(base, self.seen, self.targets, report, lambda token: self.plugin(token).kept)
        self._names = FormerNames(project, stack, self.seen)
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

    def is_target(self, goal: Goal, urn: str) -> bool:
        """Whether the command is to touch the resource. Providers and the stack itself always take part."""
        if urns.is_provider(goal.type) or goal.type == urns.STACK_TYPE or self.targets.contains(urn):
            return True
        if self.targets.dependents and any(map(self.targets.contains, _needs(goal))):
            self.targets.include(urn)
            return True
        return False

    def leave(self, goal: Goal, urn: str) -> list[Step]:
        """The step for a resource that is no target: it stays as the state has it; a new one is passed over."""
        old = self._names.find_old(goal, urn, self.olds)
        if old is None or old.external:
            self.seen.skipped.add(urn)
            return []
        self.seen.operated.add(old.urn)
        outcome = Outcome(old.urn, "same", parent=old.parent, shown=not hidden(old))
        return [Step("same", outcome, old.copy(), old)]

    def _stands_alone(self, goal: Goal, urn: str) -> bool:
        """Whether the target needs nothing that is passed over; what it does is reported."""
        missing = sorted(self.seen.skipped.intersection(_needs(goal)))
        for needed in missing:
            message = f"Resource '{urn}' depends on '{needed}' which was not specified in --target list."
            self.report(Diagnostic("error", message, urn))
        return not missing

    def steps(self, goal: Goal, urn: str) -> list[Step]:
        """What is to be done for a goal, in order; empty if it is refused, which is then reported.

        Raises OperationError in an update for what may not be done, before any of it is.
        """
        if not self._stands_alone(goal, urn):
            return []
        old = self._names.find_old(goal, urn, self.olds)
        new = self._new_state(goal, urn, old)
        if urns.is_provider(goal.type):
            self.seen.providers[urn] = new
        recreating = urn in self.seen.deleted_early
        inputs = copy.deepcopy(goal.inputs)
        if old is not None and not recreating:
            self._ignore_changes(urn, goal, old, inputs)
        importing = self._is_imported(goal, old)
        fresh = old is None or recreating or old.external or importing
        if not self._check(new, inputs, {} if fresh or old is None else old.inputs):
            return []
        self.seen.operated.add(urn)
        outcome = Outcome(urn, "same", parent=new.parent, shown=not hidden(new))
        if importing:
            return self._import(goal, outcome, old, new)
        if recreating and old is not None:
            return self._recreate(outcome, old, new)
        return self._decide(goal, outcome, old, new)

    def _decide(self, goal: Goal, outcome: Outcome, old: ResourceState | None, new: ResourceState) -> list[Step]:
        if old is None:
            outcome.op = "create"
            outcome.note = self._note(new)
            return [Step("create", outcome, new)]
        if old.external:
            outcome.op = "replace"
            return [Step("replace", outcome, new, old, deferred=True)]
        return self._change(goal, outcome, old, new)

    def _is_imported(self, goal: Goal, old: ResourceState | None) -> bool:
        """Whether the goal is to take over a thing that exists, and has not done so before."""
        if not goal.import_id or not goal.custom:
            return False
        return old is None or old.external or goal.import_id not in (old.id, old.import_id)

    def _import(self, goal: Goal, outcome: Outcome, old: ResourceState | None, new: ResourceState) -> list[Step]:
        """One that has taken the resource's place so far is deleted at the end of the run."""
        new.id = new.import_id = goal.import_id
        outcome.op = "import"
        outcome.note = self._note(new)
        return [Step("import", outcome, new, old, deferred=old is not None and not old.external)]

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
            import_id=old.import_id if old else "",
            ignore_changes=goal.ignore_changes,
            replace_on_changes=goal.replace_on_changes,
            extra=dict(old.extra) if old else {},
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
        if self.replaces.constrained and self.replaces.contains(new.urn):
            difference = self.plugin(new.type).forced(new)
            outcome.explain(difference)
        if not difference.details and not old.pending_replacement and not old.init_errors:
            return [Step("same", outcome, new, old)]
        outcome.note = self._note(new)
        if old.pending_replacement and not difference.replace_keys:
            difference = self.plugin(new.type).forced(new)
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
        self._refuse_among(condemned)
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

    def _refuse_among(self, condemned: list[tuple[ResourceState, list[str]]]) -> None:
        for resource, _ in condemned:
            if not self.deletions.include(resource) and not self.dry_run:
                raise OperationError(f"{resource.urn} is no target")
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


def _needs(goal: Goal) -> set[str]:
    """What a goal depends on, its parent and its provider among them."""
    provider = urns.provider_reference(goal.provider)[0] if goal.provider else ""
    return {goal.parent, provider, *goal.dependencies, *chain.from_iterable(goal.property_dependencies.values())}


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
