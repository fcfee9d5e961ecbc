"""Who depends on whom among the resources of a state, which are listed in an order in which each comes after what it
needs.
"""

from __future__ import annotations

from collections.abc import Container, Iterable

from engine.state import ResourceState


def dependents(resources: list[ResourceState], root: ResourceState, ignored: Container[str]) -> list[ResourceState]:
    """All resources that need `root`, directly or not, in the state's order; parents do not count."""
    reached = {root.urn}
    found: list[ResourceState] = []
    start = next((index for index, resource in enumerate(resources) if resource is root), -1)
    for resource in resources[start + 1 :]:
        if resource.urn not in ignored and any(edge in reached for edge in resource.needs()):
            found.append(resource)
            reached.add(resource.urn)
    return found


def ordered(resources: list[ResourceState]) -> list[ResourceState]:
    """The same resources, each moved behind what it needs where it is not there already."""
    by_urn = {resource.urn: resource for resource in resources if not resource.delete}
    placed: dict[int, ResourceState] = {}

    def place(resource: ResourceState) -> None:
        for edge in resource.edges():
            needed = by_urn.get(edge)
            if needed is not None and needed is not resource and id(needed) not in placed:
                place(needed)
        placed.setdefault(id(resource), resource)

    for resource in resources:
        place(resource)
    return list(placed.values())


def deletion_waits(doomed: Iterable[ResourceState], resources: list[ResourceState]) -> dict[int, set[int]]:
    """For each doomed resource, by id(), the doomed ones that must be gone before it: its dependents and its children.

    A dependency on a component is one on all that lies below it and before the dependent.
    """
    doomed_ids = {id(resource) for resource in doomed}
    waits: dict[int, set[int]] = {identity: set() for identity in doomed_ids}
    below: dict[str, list[tuple[int, ResourceState]]] = {}
    seen: dict[str, list[ResourceState]] = {}
    for index, resource in enumerate(resources):
        if id(resource) in doomed_ids:
            for needed in _needed(resource, index, seen, below):
                if id(needed) in doomed_ids and needed is not resource:
                    waits[id(needed)].add(id(resource))
        seen.setdefault(resource.urn, []).append(resource)
        if resource.parent:
            below.setdefault(resource.parent, []).append((index, resource))
    return waits


def _needed(
    resource: ResourceState,
    index: int,
    seen: dict[str, list[ResourceState]],
    below: dict[str, list[tuple[int, ResourceState]]],
) -> Iterable[ResourceState]:
    yield from seen.get(resource.parent, [])
    for urn in set(resource.needs()):
        for needed in seen.get(urn, []):
            yield needed
            if not needed.custom:
                yield from _descendants(needed.urn, index, below)


def _descendants(urn: str, before: int, below: dict[str, list[tuple[int, ResourceState]]]) -> Iterable[ResourceState]:
    for index, child in below.get(urn, []):
        if index < before:
            yield child
            yield from _descendants(child.urn, before, below)
