"""After a run that was killed or half failed: what it made and did not record is taken over by the next `up`.

A thing that exists while the state does not know it makes `up` fail for ever: the service answers 409. Here every
creation that is planned is marked as begun, so that `up` takes over what is there, if it is exactly as the program
wants it, and creates the rest. Nothing but the state and its locks is touched, and no request is sent.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.display import Silent
from engine.errors import EngineError
from engine.journal import Journal
from engine.repair import Repair
from engine.run import preview
from engine.session import Options, Session
from engine.state import ResourceState
from engine.values import has_unknown


@dataclass(frozen=True)
class Recovery:
    """How many locks were removed, and the URNs whose things may be taken over."""

    locks: int
    marked: list[str] = field(default_factory=list)


def recover(options: Options) -> Recovery:
    """Raises EngineError where another run is at work here, or the program cannot be planned."""
    repair = Repair(options)
    if at_work := repair.at_work():
        raise EngineError("another run is at work on this stack: let it end, or stop it\n" + "\n".join(at_work))
    locks = repair.cancel()
    plan = preview(options)
    if plan.errors:
        raise EngineError("\n".join(plan.errors))
    wanted = [
        outcome.new
        for outcome in plan.outcomes
        if outcome.op == "create" and outcome.new is not None and outcome.new.custom and outcome.type.startswith("gcp:")
    ]
    return Recovery(locks, _mark(options, wanted))


def _mark(options: Options, wanted: list[ResourceState]) -> list[str]:
    """Note each as being created, as a run does before it asks for it."""
    session = Session(options, Silent(), sealing=True)
    backend = session.backend()
    with backend.lock():
        session.load()
        base = session.base()
        known = {operation.resource.urn for operation in base.pending}
        backend.prepare()
        backend.keep_backup()
        journal = Journal(backend, base, session.secrets)
        for resource in wanted:
            if resource.urn not in known:
                journal.begin("creating", _known_of(resource))
        journal.flush()
    return [resource.urn for resource in wanted]


def _known_of(resource: ResourceState) -> ResourceState:
    """The planned state without what only applying can tell; its provider may have no id yet."""
    inputs = {key: value for key, value in resource.inputs.items() if not has_unknown(value)}
    return ResourceState(resource.urn, resource.type, inputs=inputs, parent=resource.parent)
