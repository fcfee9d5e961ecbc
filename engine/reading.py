"""Reads every resource of a state as it is now, and tells what is no longer as the state says."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from engine.deployment import Planner
from engine.errors import OperationError
from engine.gcp.api import Api
from engine.journal import Journal
from engine.outcome import Diagnostic, Outcome
from engine.plugins import GcpPlugin, Operation
from engine.state import ResourceState, hidden, timestamp
from engine.values import Asset, Secret, Value, reveal


@dataclass
class Drift:
    """What reading found: the resources as they are now, in the state's order, and what became of each."""

    resources: list[ResourceState] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    replaced: list[tuple[ResourceState, ResourceState | None]] = field(default_factory=list)

    @property
    def found(self) -> list[Outcome]:
        """The outcomes of what is no longer as the state says."""
        return [outcome for outcome in self.outcomes if outcome.op != "same"]


def write_drift(journal: Journal, drift: Drift) -> None:
    """Have the next write of the state contain what was found."""
    for old, new in drift.replaced:
        journal.later(lambda old=old, new=new: journal.removed(old) if new is None else journal.swapped(old, new))


class Reader:
    """Reads resources in parallel."""

    def __init__(self, planner: Planner, api: Api, report: Callable[[Diagnostic], None], *, parallel: int) -> None:
        self._planner = planner
        self._api = api
        self._report = report
        self._parallel = parallel

    def run(self) -> Drift:
        """What reading found. Any answer but a thing or 404 is reported as an error, and nothing is taken over."""
        resources = self._planner.base.resources
        outcomes = [self._outcome(resource) for resource in resources]
        if missing := self.missing(resources):
            for reason in missing:
                self._report(Diagnostic("error", reason))
            return Drift(list(resources), outcomes)
        with ThreadPoolExecutor(self._parallel) as pool:
            found = list(pool.map(self._read, resources, outcomes))
        if any(outcome.error for outcome in outcomes):
            return Drift(list(resources), outcomes)
        gone = {resource.urn: resource.parent for resource, new in zip(resources, found, strict=True) if new is None}
        kept = [None if new is None else without(new, gone) for new in found]
        replaced = [(old, new) for old, new in zip(resources, kept, strict=True) if new is not old]
        return Drift([new for new in kept if new is not None], outcomes, replaced)

    def again(self, urns: set[str]) -> list[ResourceState]:
        """All resources, those of the URNs as they are now. One that is gone is marked to be made again; until then it
        stays in the state, since others need it there. Problems are reported, and what has one is left as it is.
        """
        kept: list[ResourceState] = []
        for resource in self._planner.base.resources:
            found = self._read(resource, self._outcome(resource)) if resource.urn in urns else resource
            kept.append(resource.copy(pending_replacement=True) if found is None else found)
        return kept

    def _outcome(self, resource: ResourceState) -> Outcome:
        shown = not hidden(resource)
        return Outcome(resource.urn, "same", parent=resource.parent, shown=shown, old=resource, new=resource)

    def _readable(self, resource: ResourceState) -> bool:
        plugin = self._planner.plugin(resource.type)
        there = resource.custom and not resource.delete and not resource.pending_replacement
        return there and isinstance(plugin, GcpPlugin) and self._planner.targets.contains(resource.urn)

    def missing(self, resources: list[ResourceState]) -> list[str]:
        """Why resources cannot be read: the variables that are not set."""
        needed: dict[str, set[str]] = {}
        for resource in filter(self._readable, resources):
            for variable in self._api.missing(self._planner.plugin(resource.type).services()):
                needed.setdefault(variable, set()).add(resource.type)
        return [
            f"{variable} is not set, and {', '.join(sorted(types))} needs it: set it to the endpoint's base URL"
            for variable, types in sorted(needed.items())
        ]

    def _read(self, old: ResourceState, outcome: Outcome) -> ResourceState | None:
        """The resource as it is now; None if it is gone."""
        plugin = self._planner.plugin(old.type)
        if not isinstance(plugin, GcpPlugin) or not self._readable(old):
            return old
        started = time.monotonic()
        try:
            found = plugin.refresh(old, Operation(self._api, self._planner.settings(old), old.custom_timeouts))
        except OperationError as error:
            outcome.error, outcome.status = str(error), "failed"
            self._report(Diagnostic("error", str(error), old.urn))
            return old
        outcome.seconds, outcome.status = time.monotonic() - started, "done"
        if found is None:
            outcome.op, outcome.new = "delete", None
            return None
        outputs, difference = found
        if difference.details:
            outcome.op = "update"
            outcome.explain(difference)
        if outputs == old.outputs:
            return old
        inputs = {
            key: _taken_over(value, outputs.get(key)) if key in difference.keys else value
            for key, value in old.inputs.items()
        }
        new = old.copy(inputs=inputs, outputs=outputs, modified=timestamp())
        outcome.new = new
        return new


def _taken_over(given: Value, found: Value) -> Value:
    """What the program would have to give for what was found, in the shape in which it gave it."""
    if isinstance(given, Secret):
        return Secret(_taken_over(given.value, reveal(found)))
    if isinstance(given, Asset) or found is None:
        return given
    if isinstance(given, dict) and isinstance(found, dict):
        return {key: _taken_over(value, found[key]) if key in found else value for key, value in given.items()}
    if isinstance(given, list) and isinstance(found, list) and len(given) == len(found):
        return [_taken_over(mine, theirs) for mine, theirs in zip(given, found, strict=True)]
    return reveal(found)


def without(resource: ResourceState, gone: dict[str, str]) -> ResourceState:
    """The resource with no edge to what is gone (URN to its parent): its children hang from its own parent now."""
    if not gone or not any(edge in gone for edge in resource.edges()):
        return resource
    parent = resource.parent
    while parent in gone:
        parent = gone[parent]
    properties = {
        key: [urn for urn in needed if urn not in gone] for key, needed in resource.property_dependencies.items()
    }
    return resource.copy(
        parent=parent,
        dependencies=[urn for urn in resource.dependencies if urn not in gone],
        property_dependencies=properties,
        deleted_with="" if resource.deleted_with in gone else resource.deleted_with,
    )
