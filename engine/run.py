"""The engine's commands on programs as functions: preview, up and destroy. Each returns a Result; refusals are raised
as EngineError.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from engine.deployment import Planner
from engine.display import Display, Silent
from engine.errors import OperationError
from engine.execution import Apply, Preview
from engine.graph import deletion_waits
from engine.journal import Journal
from engine.monitor import Monitor
from engine.outcome import Diagnostic, Outcome, Result
from engine.reading import Drift, Reader
from engine.registry import Step
from engine.session import DEFAULT_PARALLEL, Options, Session, stopping_on_signals
from engine.state import Snapshot
from engine.targets import Targets

__all__ = ["DEFAULT_PARALLEL", "Options", "destroy", "preview", "up"]


def preview(options: Options, display: Display | None = None) -> Result:
    """What `up` would do. Needs no network, no endpoint and no account; `state_file` plans on an exported state."""
    session = _Run(options, display or Silent(), planning=True)
    return session.plan()


def up(options: Options, display: Display | None = None, confirm: Callable[[Result], bool] = lambda _: True) -> Result:
    """Plan, then apply, in one process. Nothing is applied if the plan has an error, holds what the engine cannot
    apply, or is not confirmed.
    """
    session = _Run(options, display or Silent(), sealing=True)
    session.refuse_without_endpoints("up")
    with session.backend().lock():
        session.load()
        plan = session.plan()
        if not plan.ok or not session.may_apply(plan) or not confirm(plan):
            return plan
        return session.apply(plan)


def destroy(
    options: Options, display: Display | None = None, confirm: Callable[[Result], bool] = lambda _: True
) -> Result:
    """Delete everything that the stack's state holds, dependents first. The program is not run."""
    session = _Run(options, display or Silent())
    session.refuse_without_endpoints("destroy")
    with session.backend().lock():
        session.load()
        plan = session.plan_destroy()
        if not plan.ok or not session.may_apply(plan) or not confirm(plan):
            return plan
        return session.apply_destroy(plan)


class _Run(Session):
    """A command that plans, and applies what it planned."""

    def _refreshed(self) -> list[Outcome]:
        """With `refresh`, read what is there first and go on from that; what is no longer as the state says."""
        if not self.options.refresh:
            return []
        drift = self.drift()
        self.take_over(drift)
        return drift.found

    def _read_interrupted(self) -> list[str]:
        """Go on from what is there of what an interrupted run was updating or deleting; why it cannot be read."""
        base = self.base()
        urns = {operation.resource.urn for operation in base.pending if operation.type in ("updating", "deleting")}
        planner = self.planner(base, dry_run=True)
        planner.targets = Targets()
        reader = Reader(planner, self.api, self.report, parallel=self.options.parallel)
        if missing := reader.missing([resource for resource in base.resources if resource.urn in urns]):
            return missing
        self.take_over(Drift(reader.again(urns)))
        return []

    # -- planning ----------------------------------------------------------------------------------------------------

    def plan(self) -> Result:
        started = time.monotonic()
        drift = self._refreshed()
        refusals = self._read_interrupted()
        base = self.base()
        result = self.result("preview", base)
        result.drift = drift
        planner = self.planner(base, dry_run=True)
        performer = Preview(planner, refusals.append, self.api)
        self.display.begin("preview", self.options.stack)
        monitor = self.monitor(planner, performer, dry_run=True)
        if self.run(monitor, dry_run=True):
            self.perform_all(planner.deletions.final(), performer, monitor)
            result.outputs = monitor.outputs or {}
            self.check_targets(planner)
        refusals += self.missing_endpoints(planner, monitor.outcomes)
        return self.finish(result, monitor.outcomes, refusals, {"plan": time.monotonic() - started})

    def plan_destroy(self) -> Result:
        started = time.monotonic()
        drift = self._refreshed()
        refusals = self._read_interrupted()
        base = self.base()
        result = self.result("destroy-preview", base)
        result.drift = drift
        planner = self.planner(base, dry_run=True)
        performer = Preview(planner, refusals.append, self.api)
        self.display.begin("destroy-preview", self.options.stack)
        monitor = self.monitor(planner, performer, dry_run=True)
        self.perform_all(planner.deletions.final(), performer, monitor)
        self.check_targets(planner)
        refusals += self.missing_endpoints(planner, monitor.outcomes)
        return self.finish(result, monitor.outcomes, refusals, {"plan": time.monotonic() - started})

    # -- applying ----------------------------------------------------------------------------------------------------

    def apply(self, plan: Result) -> Result:
        started = time.monotonic()
        self.diagnostics = [item for item in self.diagnostics if item.severity == "warning"]
        base = self.base()
        result = self.result("up", base)
        self.display.begin("up", self.options.stack)
        planner, journal, performer = self._applier(base)
        monitor = self.monitor(planner, performer, dry_run=False)
        try:
            with stopping_on_signals(monitor, self.report):
                if self.run(monitor, dry_run=False):
                    steps = planner.deletions.final()
                    if self._may_delete(steps, performer):
                        self._delete_all(steps, planner, performer, monitor)
        finally:
            journal.flush()
        result.outputs = monitor.outputs if monitor.outputs is not None else base.outputs()
        return self.finish(result, monitor.outcomes, [], {**plan.seconds, "apply": time.monotonic() - started})

    def _may_delete(self, steps: list[Step], performer: Apply) -> bool:
        """Whether all of it may go; what may not is reported, and nothing is deleted."""
        try:
            performer.check(steps)
        except OperationError as error:
            self.report(Diagnostic("error", str(error)))
        return not any(item.severity == "error" for item in self.diagnostics)

    def apply_destroy(self, plan: Result) -> Result:
        started = time.monotonic()
        self.diagnostics = [item for item in self.diagnostics if item.severity == "warning"]
        base = self.base()
        result = self.result("destroy", base)
        self.display.begin("destroy", self.options.stack)
        planner, journal, performer = self._applier(base)
        monitor = self.monitor(planner, performer, dry_run=False)
        try:
            with stopping_on_signals(monitor, self.report):
                self._delete_all(planner.deletions.final(), planner, performer, monitor)
        finally:
            journal.flush()
        return self.finish(result, monitor.outcomes, [], {**plan.seconds, "apply": time.monotonic() - started})

    def _applier(self, base: Snapshot) -> tuple[Planner, Journal, Apply]:
        backend = self.backend()
        backend.prepare()
        backend.keep_backup()
        planner = self.planner(base, dry_run=False)
        journal = Journal(backend, base, self.secrets, partial=planner.targets.constrained)
        pending = {
            operation.resource.urn: operation.resource for operation in base.pending if operation.type == "creating"
        }
        return planner, journal, Apply(planner, journal, self.api, self.display.step, pending)

    def _delete_all(self, steps: list[Step], planner: Planner, performer: Apply, monitor: Monitor) -> None:
        """Delete in parallel, each resource once everything that needs it is gone."""
        doomed = {id(step.old): step for step in steps if step.old is not None}
        waits = deletion_waits([step.old for step in steps if step.old is not None], planner.base.resources)
        monitor.outcomes += [step.outcome for step in steps]
        running: dict[Future[None], int] = {}
        with ThreadPoolExecutor(self.options.parallel) as pool:
            while doomed or running:
                if not monitor.stopping:
                    ready = [key for key in doomed if not waits[key]]
                    for identity in ready[: self.options.parallel - len(running)]:
                        running[pool.submit(performer.perform, doomed.pop(identity))] = identity
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    identity = running.pop(future)
                    if self._deleted(future, monitor):
                        for others in waits.values():
                            others.discard(identity)

    def _deleted(self, future: Future[None], monitor: Monitor) -> bool:
        try:
            future.result()
        except OperationError as error:
            self.report(Diagnostic("error", str(error)))
            if not self.options.continue_on_error:
                monitor.stop()
            return False
        return True
