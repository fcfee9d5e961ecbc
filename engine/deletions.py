"""What a run deletes: what the program no longer has, what was replaced, and what depends on a target that goes."""

from __future__ import annotations

from collections.abc import Callable

from engine.graph import dependents
from engine.outcome import Diagnostic, Outcome
from engine.registry import Registry, Step
from engine.state import ResourceState, Snapshot, hidden
from engine.targets import Targets


class Deletions:
    """Decides by what the run has seen."""

    def __init__(
        self,
        base: Snapshot,
        seen: Registry,
        targets: Targets,
        report: Callable[[Diagnostic], None],
        kept: Callable[[str], str],
    ) -> None:
        """`kept`: what a service keeps of a deleted resource of a type, empty for nothing."""
        self._base = base
        self._seen = seen
        self._targets = targets
        self._report = report
        self._kept = kept

    def final(self) -> list[Step]:
        """What is left to delete once the program is through: what it no longer has, and what was replaced."""
        for step in self._seen.deletions:
            step.outcome.op, step.outcome.shown = "delete", True
        if self._targets.constrained:
            self._include_dependents()
        steps: list[Step] = []
        for resource in self._base.resources:
            if resource.delete and not self._targets.contains(resource.urn):
                continue
            if resource.delete:
                steps.append(Step("delete", Outcome(resource.urn, "delete-replaced", shown=False), old=resource))
            elif (
                self._targets.contains(resource.urn)
                and resource.urn not in self._seen.operated
                and resource.urn not in self._seen.deleted_early
                and resource.urn not in self._seen.aliased
            ):
                steps.append(self._deletion(resource))
        return steps

    def _include_dependents(self) -> None:
        """What depends on a target that goes, goes with it, if that is wanted; else it is in the way."""
        for resource in list(self._base.resources):
            stays = resource.urn in self._seen.operated or resource.urn in self._seen.deleted_early
            if stays or resource.delete or not self._targets.contains(resource.urn):
                continue
            for dependent in dependents(self._base.resources, resource, self._seen.operated):
                self.include(dependent)

    def include(self, resource: ResourceState) -> bool:
        """Whether a resource may go: it must be a target or become one. What may not is reported."""
        if self._targets.contains(resource.urn):
            return True
        if self._targets.dependents:
            self._targets.include(resource.urn)
            return True
        message = (
            f"Resource '{resource.urn}' will be destroyed but was not specified in --target list.\nEither include "
            "resource in --target list or pass --target-dependents to proceed."
        )
        self._report(Diagnostic("error", message, resource.urn))
        return False

    def _deletion(self, resource: ResourceState) -> Step:
        if resource.protect:
            message = (
                f"resource {resource.urn!r} cannot be deleted\nbecause it is protected. To unprotect the resource, "
                "remove the `protect` flag from the resource in your Pulumi program and run `pulumi up`"
            )
            self._report(Diagnostic("error", message, resource.urn))
        shown = not hidden(resource) and not resource.external
        note = self._kept(resource.type) if resource.custom and not resource.retain_on_delete else ""
        outcome = Outcome(resource.urn, "delete", parent=resource.parent, shown=shown, note=note)
        return Step("delete", outcome, old=resource)
