"""What a run has seen so far, and the steps that it is made of."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.outcome import Outcome
from engine.state import ResourceState


@dataclass
class Step:
    """One operation on one resource.

    `op` is create, import, update, same, delete, or replace (the creation that takes another's place). `deferred`: the
    old thing of a replacement is deleted at the end of the run. `pending`: what is deleted stays in the state until
    then.
    """

    op: str
    outcome: Outcome
    new: ResourceState | None = None
    old: ResourceState | None = None
    deferred: bool = False
    pending: bool = False

    def __post_init__(self) -> None:
        self.outcome.old, self.outcome.new = self.old, self.new


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
    skipped: set[str] = field(default_factory=set)  # new ones that are no targets, so that they are not created
