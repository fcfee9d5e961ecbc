"""The object that a Python program's SDK talks to in place of Pulumi's engine: the names and messages of its resource
monitor and its log.
"""

# ruff: noqa: ARG002, N802 (the names and signatures are those of the SDK's stubs)
from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from google.protobuf import empty_pb2
from pulumi.runtime.proto import engine_pb2, resource_pb2

from engine import urns
from engine.deployment import Planner
from engine.errors import EngineError, OperationError
from engine.execution import Performer
from engine.gcp.resource import Settings
from engine.goal import Goal, hashed, read_goal, refuse
from engine.outcome import Diagnostic, Outcome
from engine.plugins import seal, settings_of
from engine.providers import DefaultProviders, completed
from engine.registry import Step
from engine.state import ResourceState
from engine.values import UNKNOWN, UNKNOWN_TEXT, Properties, Value, from_struct, has_unknown, to_struct

# The engine says that it has a feature where the SDK would otherwise refuse it in words of its own: the refusal is
# then ours, and true.
_FEATURES = [
    resource_pb2.RESOURCE_MONITOR_FEATURE_SECRETS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_REFERENCES,
    resource_pb2.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_DELETED_WITH,
    resource_pb2.RESOURCE_MONITOR_FEATURE_REPLACE_WITH,
    resource_pb2.RESOURCE_MONITOR_FEATURE_REPLACEMENT_TRIGGER,
    resource_pb2.RESOURCE_MONITOR_FEATURE_PARAMETERIZATION,
    resource_pb2.RESOURCE_MONITOR_FEATURE_TRANSFORMS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_INVOKE_TRANSFORMS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_HOOKS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_ERROR_HOOKS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_STATE_MIGRATIONS,
]
_SEVERITIES = {
    engine_pb2.DEBUG: "debug",
    engine_pb2.INFO: "info",
    engine_pb2.WARNING: "warning",
    engine_pb2.ERROR: "error",
}


class Monitor:
    """Serves one run of a program. Its methods are called from many threads at once."""

    def __init__(
        self,
        planner: Planner,
        performer: Performer,
        *,
        config: dict[str, Value],
        invoke: Callable[[str, Properties, Settings], Properties],
        read: Callable[[Goal, str, str, Settings], Properties],
        show: Callable[[Outcome], None],
        parallel: int,
        continue_on_error: bool,
    ) -> None:
        """`config` is the stack's, with secrets wrapped; `invoke` and `read` ask the outside."""
        self.outcomes: list[Outcome] = []
        self.outputs: Properties | None = None
        self._planner = planner
        self._performer = performer
        self._defaults = DefaultProviders(planner, config, self._register)
        self._invoke = invoke
        self._read = read
        self._show = show
        self._slots = threading.Semaphore(parallel)
        self._continue_on_error = continue_on_error
        self._states: dict[str, ResourceState] = {}
        self._failed: set[str] = set()
        self._stopping = False

    # -- what the engine's other parts need --------------------------------------------------------------------------

    @property
    def stopping(self) -> bool:
        """Whether an operation failed, so that nothing new is to be started."""
        return self._stopping

    @property
    def failed(self) -> bool:
        return bool(self._failed)

    def stop(self) -> None:
        self._stopping = True

    def stack(self, project: str, stack: str) -> str:
        """The URN of the stack's own resource, registered."""
        goal = Goal(type=urns.STACK_TYPE, name=f"{project}-{stack}", custom=False)
        urn = self._planner.urn(goal)
        self._register(goal, urn)
        return urn

    def default_provider(self, goal: Goal) -> str:
        """The reference to the default provider of a goal, which is registered if need be."""
        return self._defaults.reference(goal)

    # -- ResourceMonitor ---------------------------------------------------------------------------------------------

    def GetDeploymentInfo(self, request: Any) -> Any:
        return resource_pb2.DeploymentInfo(supportedFeatures=_FEATURES)

    def SupportsFeature(self, request: Any) -> Any:
        names = {
            "secrets",
            "resourceReferences",
            "aliasSpecs",
            "deletedWith",
            "replaceWith",
            "replacementTrigger",
            "parameterization",
        }
        return resource_pb2.SupportsFeatureResponse(hasSupport=request.id in names)

    def RegisterResource(self, request: Any) -> Any:
        goal = read_goal(request)
        if urns.is_provider(goal.type):
            goal = completed(goal)
        state = self._register(goal, self._planner.urn(goal))
        if state is None:
            return resource_pb2.RegisterResourceResponse(urn=self._planner.urn(goal), result=resource_pb2.Result.FAIL)
        return resource_pb2.RegisterResourceResponse(urn=state.urn, id=state.id, object=to_struct(_visible(state)))

    def RegisterResourceOutputs(self, request: Any) -> Any:
        outputs = {key: hashed(value) for key, value in from_struct(request.outputs).items()}
        with self._planner.lock:
            state = self._states.get(request.urn)
            if state is None or (not self._planner.dry_run and has_unknown(outputs)):
                return empty_pb2.Empty()
            self._states[request.urn] = self._performer.set_outputs(state, outputs)
            if state.is_stack:
                self.outputs = outputs
        return empty_pb2.Empty()

    def ReadResource(self, request: Any) -> Any:
        goal = Goal(
            type=request.type,
            name=request.name,
            inputs=from_struct(request.properties),
            parent=request.parent,
            dependencies=list(request.dependencies),
            provider=request.provider,
            version=request.version,
            additional_secret_outputs=list(request.additionalSecretOutputs),
        )
        state = self._read_state(goal, UNKNOWN if request.id in ("", UNKNOWN_TEXT) else request.id)
        if state is None:
            return resource_pb2.ReadResourceResponse(urn=self._planner.urn(goal), result=resource_pb2.Result.FAIL)
        return resource_pb2.ReadResourceResponse(
            urn=state.urn, properties=to_struct(_visible(state)), id=state.id if isinstance(state.id, str) else ""
        )

    def Invoke(self, request: Any) -> Any:
        settings = self._settings(request.provider, request.tok, request.version)
        outputs = self._invoke(request.tok, from_struct(request.args), settings)
        response = resource_pb2.ResourceInvokeResponse()
        getattr(response, "return").CopyFrom(to_struct(outputs))
        return response

    def Call(self, request: Any) -> Any:
        raise refuse("a method call", request.tok)

    def ExistsResource(self, request: Any) -> Any:
        raise refuse("exists()", request.type)

    def RegisterPackage(self, request: Any) -> Any:
        raise refuse("parameterized packages", request.name)

    def RegisterStackTransform(self, request: Any) -> Any:
        raise refuse("transforms", "the stack")

    def RegisterStackInvokeTransform(self, request: Any) -> Any:
        raise refuse("invoke transforms", "the stack")

    def RegisterResourceHook(self, request: Any) -> Any:
        raise refuse("resource hooks", request.name)

    def RegisterErrorHook(self, request: Any) -> Any:
        raise refuse("error hooks", request.name)

    def SignalAndWaitForShutdown(self, request: Any) -> Any:
        return empty_pb2.Empty()

    # -- Engine ------------------------------------------------------------------------------------------------------

    def Log(self, request: Any) -> Any:
        severity = _SEVERITIES.get(request.severity, "info")
        if severity != "debug" and not request.ephemeral:
            self._planner.report(Diagnostic(severity, request.message, request.urn))
        return empty_pb2.Empty()

    def RequirePulumiVersion(self, request: Any) -> Any:
        return engine_pb2.RequirePulumiVersionResponse()

    # -- registration ------------------------------------------------------------------------------------------------

    def _register(self, goal: Goal, urn: str) -> ResourceState | None:
        """The resource's new state; None if it failed, or was skipped because something before it did."""
        with self._planner.lock:
            self._planner.claim(urn)
            target = self._planner.is_target(goal, urn)
            if target and self._skipped(goal, urn):
                return None
            if target and goal.custom and not urns.is_provider(goal.type) and not goal.provider:
                goal.provider = self._defaults.reference(goal)
            steps = self._steps(goal, urn) if target else self._planner.leave(goal, urn)
            if not steps:
                if target:
                    self._failed.add(urn)
                return None
            self.outcomes += [step.outcome for step in steps]
        for step in steps:
            if not self._perform(step):
                self._failed.add(urn)
                return None
        state = steps[-1].new
        with self._planner.lock:
            if state is not None:
                self._states[urn] = state
        return state

    def _steps(self, goal: Goal, urn: str) -> list[Step]:
        """The steps of a goal, none of them done yet; empty if they are refused, which is then reported."""
        try:
            steps = self._planner.steps(goal, urn)
            self._performer.check(steps)
        except OperationError as error:
            self._refused(error, urn)
            return []
        return steps

    def _refused(self, error: OperationError, urn: str) -> None:
        self._planner.report(Diagnostic("error", str(error), urn))
        self._stopping = self._stopping or not self._continue_on_error

    def _skipped(self, goal: Goal, urn: str) -> bool:
        """Whether the goal comes after a failure that ends the run, or depends on what failed."""
        if self._planner.dry_run:
            return False
        needed = {goal.parent, goal.deleted_with, *goal.dependencies}
        unknown = sorted(key for key, value in goal.inputs.items() if has_unknown(value))
        if not (self._stopping or needed & self._failed or unknown):
            return False
        if not self._stopping and not self._failed:
            self._planner.report(Diagnostic("error", _still_unknown(goal, unknown), urn))
        self._failed.add(urn)
        return True

    def _perform(self, step: Step) -> bool:
        """Whether the step was done. Only steps that call an API wait for one of the slots: others run while the
        planner is held.
        """
        state = step.new or step.old
        calls = (
            not self._planner.dry_run
            and step.op != "same"
            and state is not None
            and state.custom
            and not state.is_provider
        )
        with self._slots if calls else nullcontext():
            if calls and self._stopping:
                return False
            try:
                self._performer.perform(step)
            except OperationError as error:
                self._refused(error, step.outcome.urn)
                return False
            if self._planner.dry_run:
                self._show(step.outcome)
        return True

    def _settings(self, reference: str, token: str, version: str) -> Settings:
        """The configuration of a provider that a function call or a read goes through."""
        if reference:
            urn, _ = urns.provider_reference(reference)
            state = self._states.get(urn) or self._planner.olds.get(urn)
            return settings_of(state.inputs if state else {}, self._planner.environment)
        return settings_of(self._defaults.inputs(urns.package_of(token), version), self._planner.environment)

    def _read_state(self, goal: Goal, identity: Any) -> ResourceState | None:
        with self._planner.lock:
            urn = self._planner.urn(goal)
            self._planner.claim(urn)
            old = self._planner.olds.get(urn)
            if old is not None and not old.external:
                raise EngineError(
                    f"{urn} is managed by this stack, so it cannot be read with .get(): give the one or the other "
                    "another name"
                )
            if self._skipped(goal, urn):
                return None
            if not goal.provider and not goal.type.startswith("pulumi:"):
                goal.provider = self._defaults.reference(goal)
            self._planner.seen.operated.add(urn)
        new = ResourceState(
            urn=urn,
            type=goal.type,
            id=identity,
            inputs=goal.inputs,
            parent=goal.parent,
            external=True,
            dependencies=goal.dependencies,
            provider=goal.provider,
            additional_secret_outputs=goal.additional_secret_outputs,
        )
        settings = self._settings(goal.provider, goal.type, goal.version)
        found = {} if identity is UNKNOWN else self._read(goal, urn, identity, settings)
        new.outputs = seal(found, new.additional_secret_outputs)
        with self._planner.lock:
            self.outcomes.append(Outcome(urn, "read", parent=goal.parent, status="done"))
            self._performer.record_read(new, old)
            self._states[urn] = new
        return new


def _visible(state: ResourceState) -> Properties:
    """What a program sees of a resource: its outputs, without the provider's bookkeeping."""
    return {key: value for key, value in state.outputs.items() if not key.startswith("__") and key != "id"}


def _still_unknown(goal: Goal, keys: list[str]) -> str:
    return (
        f"{goal.type} {goal.name!r} was skipped: {', '.join(keys)} stayed unknown while applying. Give a value that is "
        "known once what it comes from is there"
    )
