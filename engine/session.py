"""A command on a stack: its options, what it reads (project, configuration, state), what it refuses before anything is
done, and the parts that a run is made of.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType

from engine.backend import FileBackend, locate, stack_name
from engine.config import Project, StackConfig, read_config, read_project
from engine.crypto import PassphraseCrypter, SecretsManager, passphrase_of
from engine.deployment import Planner
from engine.display import Display
from engine.errors import EngineError, ProgramError
from engine.execution import Performer
from engine.gcp.api import Api
from engine.invokes import Outside
from engine.monitor import Monitor
from engine.outcome import Diagnostic, Outcome, Result
from engine.program import run_program
from engine.reading import Drift, Reader
from engine.registry import Step
from engine.state import Snapshot, deployment_of, read_snapshot, verify
from engine.targets import Targets
from engine.values import Properties, has_ciphertext, unsealed

DEFAULT_PARALLEL = 16
_NEXT = {
    "creating": "What was being created is looked for before it is created again, and taken over if it is as the "
    "program wants it.",
    "updating": "What was being updated is read before it is planned.",
    "deleting": "What was being deleted is read before it is planned, and created again if it is gone and wanted.",
}


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
    refresh: bool = False
    targets: tuple[str, ...] = ()
    target_dependents: bool = False
    replaces: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))


class Session:
    """One command on one stack: what it reads, what it is allowed to do, and its parts."""

    def __init__(self, options: Options, display: Display, *, sealing: bool = False, planning: bool = False) -> None:
        """`sealing`: the state may get its first secret; `planning`: nothing will be applied."""
        if options.parallel < 1:
            raise EngineError(f"--parallel {options.parallel} is refused: give the operations at a time, 1 or more")
        self.display = display
        self.environment = options.environment
        self.project: Project = read_project(options.cwd.resolve())
        self.options = replace(options, stack=stack_name(options.stack, self.project.name))
        self.diagnostics: list[Diagnostic] = []
        self._backend = self._find_backend(planning=planning)
        self._deployment = self._read_deployment()
        self._sealing = sealing
        self.secrets = self._find_secrets()
        self._base: Snapshot | None = None
        self.api = Api(self.environment)
        self._config: StackConfig | None = None

    # -- reading -----------------------------------------------------------------------------------------------------

    def _find_backend(self, *, planning: bool) -> FileBackend | None:
        url = self.environment.get("PULUMI_BACKEND_URL")
        if not url:
            return None
        if planning and not url.startswith("file://"):
            if self.options.state_file is None:
                self.warn(
                    f"PULUMI_BACKEND_URL={url!r} is no file:// backend, so this plans as if nothing were there: give "
                    "the output of `pulumi stack export` with --state"
                )
            return None
        root = locate(self.environment, self.project.folder)
        return FileBackend(root, self.project.name, self.options.stack)

    def _find_secrets(self) -> SecretsManager:
        folder = self._backend.bookkeeping if self._backend else self.project.folder
        found = SecretsManager(self.environment, folder, self._deployment.get("secrets_providers"), self.warn)
        found.prepare(sealing=self._sealing)
        return found

    def backend(self) -> FileBackend:
        if self._backend is None:
            locate(self.environment, self.project.folder)
            raise AssertionError("locate refuses an empty backend")
        return self._backend

    def _read_deployment(self) -> dict:
        if self.options.state_file is not None:
            path = self.options.state_file
            try:
                return deployment_of(json.loads(path.read_bytes()), source=str(path))
            except (OSError, ValueError) as error:
                raise EngineError(f"the state file {str(path)!r} cannot be read: {error}") from error
        return (self._backend.load() if self._backend else None) or {}

    def load(self) -> None:
        """Read the state again, now that the lock is held; another run may have given it its first secrets."""
        before = self._deployment.get("secrets_providers")
        self._deployment = self._read_deployment()
        self._base = None
        if self._deployment.get("secrets_providers") != before:
            self.secrets = self._find_secrets()

    def base(self) -> Snapshot:
        """A copy of the state as it was read, for a run to change."""
        if self._base is None:
            self._base = read_snapshot(self._deployment, self.secrets.decrypt)
            verify(self._base.resources)
            self._warn_of_pending(self._base)
        kept = self._base
        return Snapshot(list(kept.resources), list(kept.pending), kept.secrets_provider, kept.extra)

    def _warn_of_pending(self, base: Snapshot) -> None:
        if base.pending:
            lines = [f"  * {operation.resource.urn}, interrupted while {operation.type}" for operation in base.pending]
            self.warn(
                f"Attempting to deploy or update resources with {len(base.pending)} pending operations from "
                "previous deployment.\n"
                + "\n".join(lines)
                + "".join(
                    f"\n{_NEXT[kind]}" for kind in _NEXT if kind in {operation.type for operation in base.pending}
                )
            )

    def _stack_config(self) -> StackConfig:
        if self._config is None:
            options = self.options
            self._config = read_config(
                self.project, options.stack, options.config_file, dict(options.config), self._unlock
            )
            for key in self._config.empty:
                self.warn(f"configuration {key} has no value: the program sees an empty text")
            if self._config.locked:
                self.warn(
                    f"secret configuration {', '.join(sorted(set(self._config.locked)))} cannot be read (no "
                    "PULUMI_CONFIG_PASSPHRASE): the program sees a placeholder"
                )
        return self._config

    def _unlock(self, salt: str, ciphertext: str) -> str | None:
        phrase = passphrase_of(self.environment)
        return None if phrase is None else PassphraseCrypter(phrase, salt).decrypt_text(ciphertext)

    def warn(self, message: str) -> None:
        self.report(Diagnostic("warning", message))

    def report(self, diagnostic: Diagnostic) -> None:
        if diagnostic not in self.diagnostics:
            self.diagnostics.append(diagnostic)

    # -- refusals before anything is done ----------------------------------------------------------------------------

    def refuse_without_endpoints(self, command: str) -> None:
        if not any(
            key.startswith("GOOGLE_") and key.endswith("_CUSTOM_ENDPOINT") and value
            for key, value in self.environment.items()
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
            self.secrets.check_writable()
        else:
            self.display.problems(plan)
        return plan.ok

    # -- the parts of a run ---------------------------------------------------------------------------------------

    def missing_endpoints(self, planner: Planner, outcomes: list[Outcome]) -> list[str]:
        """The variables that the planned operations need and that are not set, where any is set at all."""
        needed: dict[str, set[str]] = {}
        for outcome in outcomes:
            if outcome.op not in ("same", "read"):
                for variable in self.api.missing(planner.plugin(outcome.type).services()):
                    needed.setdefault(variable, set()).add(outcome.type)
        return [
            f"{variable} is not set, and {', '.join(sorted(types))} needs it: set it to the endpoint's base URL"
            for variable, types in sorted(needed.items())
        ]

    def result(self, kind: str, base: Snapshot) -> Result:
        return Result(kind, self.options.stack, old_outputs=base.outputs())

    def finish(self, result: Result, outcomes: list[Outcome], refusals: list[str], seconds: dict[str, float]) -> Result:
        result.outcomes = _one_per_resource(outcomes)
        result.diagnostics = list(self.diagnostics)
        result.refusals = refusals
        result.seconds = seconds
        self.display.finish(result)
        return result

    def drift(self) -> Drift:
        """What reading the resources of the state finds, and problems among the diagnostics."""
        planner = self.planner(self.base(), dry_run=True)
        found = Reader(planner, self.api, self.report, parallel=self.options.parallel).run()
        self.check_targets(planner)
        return found

    def take_over(self, drift: Drift) -> None:
        """Go on with the state as it was found to be."""
        base = self.base()
        self._base = Snapshot(drift.resources, base.pending, base.secrets_provider, base.extra)

    def check_targets(self, planner: Planner) -> None:
        """Report the targets that are neither in the program nor in the state."""
        known = planner.seen.urns | planner.olds.keys()
        for named in (planner.targets, planner.replaces):
            for urn in named.unknown(known):
                message = f"Target '{urn}' could not be found in the stack. Did you forget to escape $ in your shell?"
                self.report(Diagnostic("error", message))

    def planner(self, base: Snapshot, *, dry_run: bool) -> Planner:
        options = self.options
        return Planner(
            self.project.name,
            options.stack,
            base,
            self.environment,
            dry_run=dry_run,
            report=self.report,
            targets=Targets(options.targets, dependents=options.target_dependents, excludes=options.excludes),
            replaces=Targets(options.replaces),
        )

    def monitor(self, planner: Planner, performer: Performer, *, dry_run: bool) -> Monitor:
        outputs_of = functools.partial(self._outputs_of, dry_run=dry_run)
        outside = Outside(self.api, outputs_of, self.report, dry_run=dry_run)
        return Monitor(
            planner,
            performer,
            config=self._stack_config().values,
            invoke=outside.invoke,
            read=outside.read,
            show=self.display.step,
            parallel=self.options.parallel,
            continue_on_error=self.options.continue_on_error,
        )

    def _outputs_of(self, name: str, *, dry_run: bool) -> Properties:
        """The outputs of another stack in the same backend."""
        *above, stack = name.split("/")
        other = FileBackend(self.backend().root, above[-1] if above else self.project.name, stack)
        deployment = other.load()
        if deployment is None:
            raise EngineError(f"StackReference({name!r}): {other.path} does not exist: bring that stack up first")
        provider = deployment.get("secrets_providers")
        secrets = SecretsManager(self.environment, other.bookkeeping, provider, self.warn)
        outputs = read_snapshot(deployment, secrets.decrypt).outputs()
        closed = sorted(key for key, value in outputs.items() if has_ciphertext(value))
        if closed and not dry_run:
            raise EngineError(
                f"StackReference({name!r}): the secret outputs {', '.join(closed)} cannot be read: set "
                "PULUMI_CONFIG_PASSPHRASE to that stack's passphrase"
            )
        return unsealed(outputs)

    def run(self, monitor: Monitor, *, dry_run: bool) -> bool:
        """Whether the program ran to its end and everything that it wants was done."""
        try:
            with stopping_on_signals(monitor, self.report):
                run_program(
                    self.project,
                    self.options.stack,
                    self._stack_config(),
                    monitor,
                    dry_run=dry_run,
                    printed=self._printed,
                )
        except (ProgramError, EngineError) as error:
            if not monitor.stopping:
                self.report(Diagnostic("error", str(error)))
            return False
        return not monitor.failed and not monitor.stopping

    def _printed(self, line: str) -> None:
        self.diagnostics.append(Diagnostic("info", line))

    def perform_all(self, steps: list[Step], performer: Performer, monitor: Monitor) -> None:
        performer.check(steps)
        for step in reversed(steps):
            monitor.outcomes.append(step.outcome)
            performer.perform(step)
            self.display.step(step.outcome)


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
def stopping_on_signals(monitor: Monitor, report: Callable[[Diagnostic], None]) -> Iterator[None]:
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
