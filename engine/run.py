"""The engine's three commands as functions: preview, up and destroy. Each returns a Result; refusals are raised as
EngineError.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from engine.backend import FileBackend, locate
from engine.config import Project, StackConfig, read_config, read_project
from engine.crypto import PassphraseCrypter, SecretsManager, passphrase_of
from engine.deployment import Planner, Step
from engine.display import Display, Silent
from engine.errors import EngineError, OperationError, ProgramError
from engine.execution import Apply, Performer, Preview
from engine.gcp.api import Api
from engine.graph import deletion_waits
from engine.invokes import Outside
from engine.journal import Journal
from engine.monitor import Monitor
from engine.outcome import Diagnostic, Outcome, Result
from engine.program import run_program
from engine.state import Snapshot, deployment_of, read_snapshot, verify
from engine.values import Properties, has_ciphertext, unsealed

DEFAULT_PARALLEL = 16


@dataclass(frozen=True)
class Options:
    """What a command is to work on, and how."""

    cwd: Path
    stack: str
    config_file: Path | None = None
    config: Mapping[str, str] = field(default_factory=dict)
    state_file: Path | None = None
    parallel: int = DEFAULT_PARALLEL
    continue_on_error: bool = False
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))


def preview(options: Options, display: Display | None = None) -> Result:
    """What `up` would do. Needs no network, no endpoint and no account; `state_file` plans on an exported state."""
    session = _Session(options, display or Silent())
    return session.plan()


def up(options: Options, display: Display | None = None, confirm: Callable[[Result], bool] = lambda _: True) -> Result:
    """Plan, then apply, in one process. Nothing is applied if the plan has an error, holds what the engine cannot
    apply, or is not confirmed.
    """
    session = _Session(options, display or Silent(), sealing=True)
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
    session = _Session(options, display or Silent())
    session.refuse_without_endpoints("destroy")
    with session.backend().lock():
        session.load()
        plan = session.plan_destroy()
        if not plan.ok or not session.may_apply(plan) or not confirm(plan):
            return plan
        return session.apply_destroy(plan)


class _Session:
    """One command on one stack."""

    def __init__(self, options: Options, display: Display, *, sealing: bool = False) -> None:
        self._options = options
        self._display = display
        self._environment = options.environment
        self._project: Project = read_project(options.cwd.resolve())
        self._diagnostics: list[Diagnostic] = []
        self._backend = self._find_backend()
        self._deployment = self._read_deployment()
        folder = self._backend.bookkeeping if self._backend else self._project.folder
        self._secrets = SecretsManager(self._environment, folder, self._deployment.get("secrets_providers"), self._warn)
        self._secrets.prepare(sealing=sealing)
        self._base: Snapshot | None = None
        self._api = Api(self._environment)
        self._config: StackConfig | None = None

    # -- reading -----------------------------------------------------------------------------------------------------

    def _find_backend(self) -> FileBackend | None:
        if not self._environment.get("PULUMI_BACKEND_URL"):
            return None
        root = locate(self._environment, self._project.folder)
        return FileBackend(root, self._project.name, self._options.stack)

    def backend(self) -> FileBackend:
        if self._backend is None:
            locate(self._environment, self._project.folder)
            raise AssertionError("locate refuses an empty backend")
        return self._backend

    def _read_deployment(self) -> dict:
        if self._options.state_file is not None:
            path = self._options.state_file
            try:
                return deployment_of(json.loads(path.read_bytes()), source=str(path))
            except (OSError, ValueError) as error:
                raise EngineError(f"the state file {str(path)!r} cannot be read: {error}") from error
        return (self._backend.load() if self._backend else None) or {}

    def load(self) -> None:
        """Read the state again, now that the lock is held."""
        self._deployment = self._read_deployment()
        self._base = None

    def base(self) -> Snapshot:
        """A copy of the state as it was read, for a run to change."""
        if self._base is None:
            self._base = read_snapshot(self._deployment, self._secrets.decrypt)
            verify(self._base.resources)
            self._warn_of_pending(self._base)
        kept = self._base
        return Snapshot(list(kept.resources), list(kept.pending), kept.secrets_provider, kept.extra)

    def _warn_of_pending(self, base: Snapshot) -> None:
        if base.pending:
            lines = [f"  * {operation.resource.urn}, interrupted while {operation.type}" for operation in base.pending]
            self._warn(
                f"Attempting to deploy or update resources with {len(base.pending)} pending operations from "
                "previous deployment.\n"
                + "\n".join(lines)
                + "\nWhat was being created is looked for before it is created again,"
                + " and taken over if it is as the program wants it."
            )

    def _stack_config(self) -> StackConfig:
        if self._config is None:
            options = self._options
            self._config = read_config(
                self._project, options.stack, options.config_file, dict(options.config), self._unlock
            )
            if self._config.locked:
                self._warn(
                    f"secret configuration {', '.join(sorted(set(self._config.locked)))} cannot be read (no "
                    "PULUMI_CONFIG_PASSPHRASE): the program sees a placeholder"
                )
        return self._config

    def _unlock(self, salt: str, ciphertext: str) -> str | None:
        phrase = passphrase_of(self._environment)
        return None if phrase is None else PassphraseCrypter(phrase, salt).decrypt_text(ciphertext)

    def _warn(self, message: str) -> None:
        self._report(Diagnostic("warning", message))

    def _report(self, diagnostic: Diagnostic) -> None:
        if diagnostic not in self._diagnostics:
            self._diagnostics.append(diagnostic)

    # -- refusals before anything is done ----------------------------------------------------------------------------

    def refuse_without_endpoints(self, command: str) -> None:
        if not any(
            key.startswith("GOOGLE_") and key.endswith("_CUSTOM_ENDPOINT") and value
            for key, value in self._environment.items()
        ):
            raise EngineError(
                f"no GOOGLE_<SERVICE>_CUSTOM_ENDPOINT variable is set, and {command} of the embedded engine works "
                "only at such endpoints (python -m local.cloud env prints those of the local cloud). Real Google "
                "Cloud is for the `pulumi` command"
            )

    def may_apply(self, plan: Result) -> bool:
        """Whether all of the plan can be applied here; what cannot is reported as errors of the plan."""
        for reason in plan.refusals:
            plan.diagnostics.append(Diagnostic("error", reason))
        if not plan.refusals and self._stack_config().locked:
            plan.diagnostics.append(
                Diagnostic(
                    "error",
                    f"secret configuration {', '.join(sorted(set(self._stack_config().locked)))} cannot be read: "
                    "set PULUMI_CONFIG_PASSPHRASE",
                )
            )
        if plan.ok:
            self._secrets.check_writable()
        else:
            self._display.problems(plan)
        return plan.ok

    # -- planning ----------------------------------------------------------------------------------------------------

    def plan(self) -> Result:
        started = time.monotonic()
        base = self.base()
        result = self._result("preview", base)
        planner = self._planner(base, dry_run=True)
        refusals: list[str] = []
        performer = Preview(planner, refusals.append)
        self._display.begin("preview", self._options.stack)
        monitor = self._monitor(planner, performer, dry_run=True)
        if self._run(monitor, dry_run=True):
            self._perform_all(planner.final_deletions(), performer, monitor)
            result.outputs = monitor.outputs or {}
        refusals += self._missing_endpoints(planner, monitor.outcomes)
        return self._finish(result, monitor.outcomes, refusals, {"plan": time.monotonic() - started})

    def plan_destroy(self) -> Result:
        started = time.monotonic()
        base = self.base()
        result = self._result("destroy-preview", base)
        planner = self._planner(base, dry_run=True)
        refusals: list[str] = []
        performer = Preview(planner, refusals.append)
        self._display.begin("destroy-preview", self._options.stack)
        monitor = self._monitor(planner, performer, dry_run=True)
        self._perform_all(planner.final_deletions(), performer, monitor)
        refusals += self._missing_endpoints(planner, monitor.outcomes)
        return self._finish(result, monitor.outcomes, refusals, {"plan": time.monotonic() - started})

    def _missing_endpoints(self, planner: Planner, outcomes: list[Outcome]) -> list[str]:
        """The variables that the planned operations need and that are not set, where any is set at all."""
        needed: dict[str, set[str]] = {}
        for outcome in outcomes:
            if outcome.op not in ("same", "read"):
                for variable in self._api.missing(planner.plugin(outcome.type).services()):
                    needed.setdefault(variable, set()).add(outcome.type)
        return [
            f"{variable} is not set, and {', '.join(sorted(types))} needs it: set it to the endpoint's base URL"
            for variable, types in sorted(needed.items())
        ]

    def _result(self, kind: str, base: Snapshot) -> Result:
        return Result(kind, self._options.stack, old_outputs=base.outputs())

    def _finish(
        self, result: Result, outcomes: list[Outcome], refusals: list[str], seconds: dict[str, float]
    ) -> Result:
        result.outcomes = _one_per_resource(outcomes)
        result.diagnostics = list(self._diagnostics)
        result.refusals = refusals
        result.seconds = seconds
        self._display.finish(result)
        return result

    def _planner(self, base: Snapshot, *, dry_run: bool) -> Planner:
        return Planner(
            self._project.name, self._options.stack, base, self._environment, dry_run=dry_run, report=self._report
        )

    def _monitor(self, planner: Planner, performer: Performer, *, dry_run: bool) -> Monitor:
        outputs_of = functools.partial(self._outputs_of, dry_run=dry_run)
        outside = Outside(self._api, outputs_of, self._report, dry_run=dry_run)
        return Monitor(
            planner,
            performer,
            config=self._stack_config().values,
            invoke=outside.invoke,
            read=outside.read,
            show=self._display.step,
            parallel=self._options.parallel,
            continue_on_error=self._options.continue_on_error,
        )

    def _outputs_of(self, name: str, *, dry_run: bool) -> Properties:
        """The outputs of another stack in the same backend."""
        *above, stack = name.split("/")
        other = FileBackend(self.backend().root, above[-1] if above else self._project.name, stack)
        deployment = other.load()
        if deployment is None:
            raise EngineError(f"StackReference({name!r}): {other.path} does not exist: bring that stack up first")
        provider = deployment.get("secrets_providers")
        secrets = SecretsManager(self._environment, other.bookkeeping, provider, self._warn)
        outputs = read_snapshot(deployment, secrets.decrypt).outputs()
        closed = sorted(key for key, value in outputs.items() if has_ciphertext(value))
        if closed and not dry_run:
            raise EngineError(
                f"StackReference({name!r}): the secret outputs {', '.join(closed)} cannot be read: set "
                "PULUMI_CONFIG_PASSPHRASE to that stack's passphrase"
            )
        return unsealed(outputs)

    def _run(self, monitor: Monitor, *, dry_run: bool) -> bool:
        """Whether the program ran to its end and everything that it wants was done."""
        try:
            with _stopping_on_signals(monitor, self._report):
                run_program(
                    self._project,
                    self._options.stack,
                    self._stack_config(),
                    monitor,
                    dry_run=dry_run,
                    printed=self._printed,
                )
        except (ProgramError, EngineError) as error:
            if not monitor.stopping:
                self._report(Diagnostic("error", str(error)))
            return False
        return not monitor.failed and not monitor.stopping

    def _printed(self, line: str) -> None:
        self._diagnostics.append(Diagnostic("info", line))

    def _perform_all(self, steps: list[Step], performer: Performer, monitor: Monitor) -> None:
        performer.check(steps)
        for step in reversed(steps):
            monitor.outcomes.append(step.outcome)
            performer.perform(step)
            self._display.step(step.outcome)

    # -- applying ----------------------------------------------------------------------------------------------------

    def apply(self, plan: Result) -> Result:
        started = time.monotonic()
        self._diagnostics = [item for item in self._diagnostics if item.severity == "warning"]
        base = self.base()
        result = self._result("up", base)
        self._display.begin("up", self._options.stack)
        planner, journal, performer = self._applier(base)
        monitor = self._monitor(planner, performer, dry_run=False)
        try:
            if self._run(monitor, dry_run=False):
                steps = planner.final_deletions()
                if self._may_delete(steps, performer):
                    self._delete_all(steps, planner, performer, monitor)
        finally:
            journal.flush()
        result.outputs = monitor.outputs if monitor.outputs is not None else base.outputs()
        return self._finish(result, monitor.outcomes, [], {**plan.seconds, "apply": time.monotonic() - started})

    def _may_delete(self, steps: list[Step], performer: Performer) -> bool:
        """Whether all of it may go; what may not is reported, and nothing is deleted."""
        try:
            performer.check(steps)
        except OperationError as error:
            self._report(Diagnostic("error", str(error)))
        return not any(item.severity == "error" for item in self._diagnostics)

    def apply_destroy(self, plan: Result) -> Result:
        started = time.monotonic()
        self._diagnostics = [item for item in self._diagnostics if item.severity == "warning"]
        base = self.base()
        result = self._result("destroy", base)
        self._display.begin("destroy", self._options.stack)
        planner, journal, performer = self._applier(base)
        monitor = self._monitor(planner, performer, dry_run=False)
        try:
            with _stopping_on_signals(monitor, self._report):
                self._delete_all(planner.final_deletions(), planner, performer, monitor)
        finally:
            journal.flush()
        return self._finish(result, monitor.outcomes, [], {**plan.seconds, "apply": time.monotonic() - started})

    def _applier(self, base: Snapshot) -> tuple[Planner, Journal, Apply]:
        backend = self.backend()
        backend.prepare()
        backend.keep_backup()
        planner = self._planner(base, dry_run=False)
        journal = Journal(backend, base, self._secrets)
        pending = {
            operation.resource.urn: operation.resource for operation in base.pending if operation.type == "creating"
        }
        return planner, journal, Apply(planner, journal, self._api, self._display.step, pending)

    def _delete_all(self, steps: list[Step], planner: Planner, performer: Apply, monitor: Monitor) -> None:
        """Delete in parallel, each resource once everything that needs it is gone."""
        doomed = {id(step.old): step for step in steps if step.old is not None}
        waits = deletion_waits([step.old for step in steps if step.old is not None], planner.base.resources)
        monitor.outcomes += [step.outcome for step in steps]
        running: dict[Future[None], int] = {}
        with ThreadPoolExecutor(self._options.parallel) as pool:
            while doomed or running:
                if not monitor.stopping:
                    for identity in [key for key in doomed if not waits[key]]:
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
            self._report(Diagnostic("error", str(error)))
            if not self._options.continue_on_error:
                monitor.stop()
            return False
        return True


def _one_per_resource(outcomes: list[Outcome]) -> list[Outcome]:
    """A resource that is deleted first and created again later is one replacement."""
    kept: dict[str, Outcome] = {}
    for outcome in outcomes:
        if outcome.shown or outcome.error:
            known = kept.get(outcome.urn)
            if known is None or known.op != "replace":
                kept[outcome.urn] = outcome
    return list(kept.values())


@contextlib.contextmanager
def _stopping_on_signals(monitor: Monitor, report: Callable[[Diagnostic], None]) -> Iterator[None]:
    """On SIGINT or SIGTERM finish what is under way and start nothing more."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        report(
            Diagnostic(
                "error",
                f"stopped by {signal.Signals(number).name}: what was under way was finished, the rest not begun. "
                "Run up again to go on",
            )
        )
        monitor.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
