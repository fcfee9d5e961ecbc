"""Repairs of a stack's state by hand, as Pulumi's own commands of these names do them: `cancel`, `stack export`, `stack
import`, `state delete`, `state rename`, `state unprotect`.

Nothing but the state and its locks is touched. What is worked on is the checkpoint's JSON, so that secrets stay sealed
and no passphrase is needed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeAlias

from engine import urns
from engine.backend import FileBackend, locate, stack_name
from engine.config import read_project
from engine.errors import EngineError
from engine.session import Options
from engine.state import FORMAT, ResourceState, deployment_of, read_snapshot, verify

Deployment: TypeAlias = "dict[str, Any]"


class Repair:
    """The state of one stack, to be put right."""

    def __init__(self, options: Options) -> None:
        project = read_project(options.cwd.resolve())
        self._stack = stack_name(options.stack, project.name)
        self._project = project.name
        self._backend = FileBackend(locate(options.environment, project.folder), project.name, self._stack)

    def cancel(self) -> int:
        """Remove the locks of runs that ended without doing so; how many there were."""
        return self._backend.unlock()

    def at_work(self) -> list[str]:
        """The locks whose processes are alive on this machine, in words."""
        return self._backend.at_work()

    def export(self) -> Deployment:
        return {"version": FORMAT, "deployment": self._load()}

    def take(self, document: Any, *, source: str, force: bool = False) -> None:
        """Put another state in the place of this one. `force`: even if it is another stack's, or damaged."""
        deployment = deployment_of(document, source=source)
        with self._backend.lock():
            if not force:
                self._check(deployment, source)
            self._save(deployment)

    def delete(self, urn: str, *, force: bool = False, dependents: bool = False) -> list[str]:
        """Forget a resource; the thing itself stays. `dependents`: and what depends on it; `force`: even if protected.
        The URNs that went.
        """
        return self._edit(lambda deployment: _delete(deployment, urn, force=force, dependents=dependents))

    def unprotect(self, urn: str = "") -> list[str]:
        """Take the protection from a resource, or from all; the URNs that had it."""
        return self._edit(lambda deployment: _unprotect(deployment, urn))

    def rename(self, urn: str, name: str) -> list[str]:
        """Give a resource another name, wherever it is referred to; its new URN."""
        return self._edit(lambda deployment: _rename(deployment, urn, name))

    def _edit(self, change: Callable[[Deployment], list[str]]) -> list[str]:
        with self._backend.lock():
            deployment = self._load()
            changed = change(deployment)
            verify(read_snapshot(deployment, None).resources)
            self._save(deployment)
        return changed

    def _load(self) -> Deployment:
        deployment = self._backend.load()
        if deployment is None:
            raise EngineError(f"{self._backend.path} does not exist: bring the stack up first, or import a state")
        return deployment

    def _save(self, deployment: Deployment) -> None:
        self._backend.prepare()
        self._backend.keep_backup()
        self._backend.save(json.dumps(deployment, separators=(",", ":"), ensure_ascii=False))

    def _check(self, deployment: Deployment, source: str) -> None:
        """Refuse a state that is not one of this stack."""
        ours = f"urn:pulumi:{self._stack}::{self._project}::"
        for resource in deployment.get("resources") or []:
            if not resource["urn"].startswith(ours):
                raise EngineError(
                    f"{source}: {resource['urn']!r} is not of this stack ({ours}...). Name the right stack, or give "
                    "--force"
                )
        verify(read_snapshot(deployment, None).resources)


def _named(deployment: Deployment, urn: str) -> list[Deployment]:
    """The states of that URN: the live one, and any that waits for its deletion."""
    found = [each for each in deployment.get("resources") or [] if each["urn"] == urn]
    if not found:
        raise EngineError(f"No such resource {urn!r} exists in the current state: `stack export` lists those that do")
    return found


def _delete(deployment: Deployment, urn: str, *, force: bool, dependents: bool) -> list[str]:
    doomed = {urn: _named(deployment, urn)}
    for resource in deployment["resources"]:
        if resource["urn"] not in doomed and not doomed.keys().isdisjoint(_edges(resource)):
            doomed[resource["urn"]] = [resource]
    if len(doomed) > 1 and not dependents:
        raise EngineError(
            f"{urn!r} can't be safely deleted because the following resources depend on it:\n"
            + "\n".join(f" * {each}" for each in doomed if each != urn)
            + "\nDelete those resources first or pass --target-dependents."
        )
    protected = [name for name, states in doomed.items() if any(each.get("protect") for each in states)]
    if protected and not force:
        raise EngineError(
            f"{protected[0]!r} can't be safely deleted because it is protected: run `state unprotect` on it first, or "
            "give --force"
        )
    deployment["resources"] = [each for each in deployment["resources"] if each["urn"] not in doomed]
    return list(doomed)


def _edges(resource: Deployment) -> list[str]:
    return list(ResourceState.from_checkpoint(resource, None).edges())


def _unprotect(deployment: Deployment, urn: str) -> list[str]:
    states = _named(deployment, urn) if urn else deployment.get("resources") or []
    return [each["urn"] for each in states if each.pop("protect", False)]


def _rename(deployment: Deployment, urn: str, name: str) -> list[str]:
    _named(deployment, urn)
    if not name or "::" in name:
        raise EngineError(f"{name!r} is no name of a resource: give one without ::")
    new = f"{urn.removesuffix(urns.name_of(urn))}{name}"
    if any(each["urn"] == new for each in deployment["resources"]):
        raise EngineError(f"{new!r} is in the state already: give another name")
    deployment["resources"] = [_referring(each, urn, new) for each in deployment["resources"]]
    for operation in deployment.get("pending_operations") or []:
        operation["resource"] = _referring(operation["resource"], urn, new)
    return [new]


def _referring(value: Any, old: str, new: str) -> Any:
    """The value with one URN in the place of another, also within references to providers."""
    if isinstance(value, dict):
        return {
            key: item if key in ("inputs", "outputs") else _referring(item, old, new) for key, item in value.items()
        }
    if isinstance(value, list):
        return [_referring(item, old, new) for item in value]
    if isinstance(value, str) and value.startswith(f"{old}::"):
        return new + value.removeprefix(old)
    return new if value == old else value
