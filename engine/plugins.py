"""What manages the resources of a package: Google's types by the tables, providers themselves, and everything else by
comparing inputs.
"""

# ruff: noqa: ARG002 (methods of one signature)
from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine import urns
from engine.errors import OperationError
from engine.gcp.api import Api
from engine.gcp.checking import Checker, Failure, without_defaults
from engine.gcp.comparing import Change
from engine.gcp.fields import Field
from engine.gcp.resource import DEFAULT_SECONDS, Call, ResourceType, Settings
from engine.gcp.table import resource_type
from engine.state import ResourceState
from engine.values import UNKNOWN, Ciphertext, Properties, Secret, Value, has_secret, reveal

IMAGE = "docker-build:index:Image"
_BRIDGE_KEYS = ("__meta", "__pulumi_raw_state_delta")


@dataclass(frozen=True)
class Difference:
    """How a resource differs from its state."""

    details: list[Change] = field(default_factory=list)
    delete_first: bool = False

    @property
    def keys(self) -> list[str]:
        return sorted({change.key for change in self.details})

    @property
    def replace_keys(self) -> list[str]:
        return sorted({change.key for change in self.details if change.replace})


class Plugin:
    """By default a type that the engine knows nothing of: every changed input is an update, nothing is applied."""

    note = "type not in the engine's tables"
    kept = ""  # what the service keeps of a deleted one

    def __init__(self, type_name: str) -> None:
        self.type_name = type_name

    def check(self, name: str, old: Properties, inputs: Properties) -> tuple[Properties, list[str]]:
        return inputs, []

    def diff(self, old: ResourceState, inputs: Properties, settings: Settings) -> Difference:
        after = without_defaults(reveal(inputs))
        before = without_defaults(_without_filled(reveal(old.inputs), after))
        found = [
            Change((key,), "add" if key not in before else "update" if key in after else "delete", False)
            for key in sorted({*before, *after})
            if not isinstance(before.get(key), Ciphertext) and before.get(key) != after.get(key)
        ]
        return Difference(found)

    def forced(self, new: ResourceState) -> Difference:
        """The difference of a resource whose replacement is asked for."""
        return Difference([Change(("id",), "update", True)])

    def preview(self, old: ResourceState | None, inputs: Properties, settings: Settings) -> Properties:
        kept = {} if old is None else {key: value for key, value in old.outputs.items() if key not in _BRIDGE_KEYS}
        return kept | without_defaults(inputs)

    def refusal(self, op: str, state: ResourceState) -> str:
        """Why an operation cannot be applied by this engine; empty if it can."""
        return (
            f"the embedded engine has no table for {self.type_name}, so it can plan but not {op} it: use the "
            "`pulumi` command"
        )

    def services(self) -> set[str]:
        return set()

    def create(self, name: str, inputs: Properties, environment: Operation) -> tuple[str, Properties]:
        raise OperationError(self.refusal("create", ResourceState("", self.type_name)))

    def update(self, old: ResourceState, inputs: Properties, environment: Operation) -> Properties:
        raise OperationError(self.refusal("update", old))

    def delete(self, old: ResourceState, environment: Operation) -> None:
        raise OperationError(self.refusal("delete", old))

    def read(self, identity: str, known: Properties, environment: Operation) -> Properties | None:
        raise OperationError(self.refusal("read", ResourceState("", self.type_name)))


@dataclass(frozen=True)
class Operation:
    """What an operation runs with."""

    api: Api
    settings: Settings
    timeouts: Mapping[str, float] = field(default_factory=dict)


class ImagePlugin(Plugin):
    """`docker-build` images: planned, their digest unknown until they are built, which only the pulumi command does."""

    note = "planned without its build context"
    _built = ("contextHash", "digest", "ref")

    def diff(self, old: ResourceState, inputs: Properties, settings: Settings) -> Difference:
        found = super().diff(old, inputs, settings).details
        return Difference([change for change in found if change.kind != "delete"])

    def preview(self, old: ResourceState | None, inputs: Properties, settings: Settings) -> Properties:
        return super().preview(old, inputs, settings) | dict.fromkeys(self._built, UNKNOWN)

    def refusal(self, op: str, state: ResourceState) -> str:
        return (
            "the embedded engine builds no container images: use the `pulumi` command, or configure images that exist"
        )


class GcpPlugin(Plugin):
    """A type of Google's that the tables know."""

    note = ""

    def __init__(self, type_name: str, table: ResourceType) -> None:
        super().__init__(type_name)
        self._table = table
        self.kept = table.kept

    def services(self) -> set[str]:
        return self._table.services

    def check(self, name: str, old: Properties, inputs: Properties) -> tuple[Properties, list[str]]:
        failures: list[Failure] = []
        checked = Checker(name, old, failures).check(self._table.fields, inputs)
        return checked, [failure.text(name) for failure in failures]

    def diff(self, old: ResourceState, inputs: Properties, settings: Settings) -> Difference:
        prior = _prior(old)
        found = self._table.compare(prior, self._table.plan(settings, prior, _given(inputs, prior)))
        replaces = any(change.replace for change in found)
        return Difference(found, delete_first=replaces and self._alone(inputs))

    def forced(self, new: ResourceState) -> Difference:
        return Difference([Change(("id",), "update", True)], delete_first=self._alone(new.inputs))

    def _alone(self, inputs: Properties) -> bool:
        return self._table.delete_first or self._named(inputs)

    def _named(self, inputs: Properties) -> bool:
        """A thing whose name the program gives cannot exist twice at a time."""
        if "__defaults" not in inputs:
            return False
        return any(
            entry.auto and entry.name in inputs and entry.name not in inputs["__defaults"]
            for entry in self._table.fields
        )

    def preview(self, old: ResourceState | None, inputs: Properties, settings: Settings) -> Properties:
        prior = None if old is None else _prior(old)
        plan = self._table.plan(settings, prior, _given(inputs, prior))
        return self._sealed({key: value for key, value in plan.items() if key != "id"}, inputs)

    def refusal(self, op: str, state: ResourceState) -> str:
        if op == "delete":
            return self._table.refuse_delete(reveal(state.outputs))
        return self._table.refuse(without_defaults(reveal(state.inputs)))

    def _call(self, environment: Operation, op: str) -> Call:
        seconds = environment.timeouts.get(op) or self._table.default_seconds.get(op, DEFAULT_SECONDS)
        return Call(environment.api, environment.settings, seconds)

    def create(self, name: str, inputs: Properties, environment: Operation) -> tuple[str, Properties]:
        plan = self._table.plan(environment.settings, None, _given(inputs, None))
        identity, outputs = self._table.create(self._call(environment, "create"), plan)
        return identity, self._recorded(outputs, inputs)

    def update(self, old: ResourceState, inputs: Properties, environment: Operation) -> Properties:
        prior = _prior(old)
        plan = self._table.plan(environment.settings, prior, _given(inputs, prior))
        outputs = self._table.update(self._call(environment, "update"), old.id, prior, plan)
        return self._recorded(outputs, inputs)

    def delete(self, old: ResourceState, environment: Operation) -> None:
        prior = _prior(old)
        if prior.get("deletionPolicy") == "ABANDON":
            return
        self._table.delete(self._call(environment, "delete"), old.id, prior)

    def read(self, identity: str, known: Properties, environment: Operation) -> Properties | None:
        plan = self._table.locate(identity, environment.settings) | reveal(known)
        return self._table.read(self._call(environment, "read"), identity, plan)

    def refresh(self, old: ResourceState, environment: Operation) -> tuple[Properties, Difference] | None:
        """The outputs as they are now and how a thing differs from its state in what the program gives, or might
        have given and did not; None if it is gone.
        """
        prior = _prior(old)
        outputs = self._table.read(self._call(environment, "read"), old.id, prior)
        if outputs is None:
            return None
        given = {entry.name for entry in self._table.fields if entry.name in old.inputs or not entry.computed}
        drift = [change for change in self._table.compare(prior, outputs) if change.key in given]
        if outputs == prior:
            return old.outputs, Difference()
        return self._recorded(outputs, old.inputs), Difference(drift)

    @property
    def fields(self) -> tuple[Field, ...]:
        return self._table.fields

    def imported(self, identity: str, environment: Operation) -> tuple[Properties, Properties, list[str]] | None:
        """The inputs and the outputs of a thing that exists, and in what the inputs fall short of it; None if there is
        no such thing.
        """
        settings = environment.settings
        found = self._table.imported(self._call(environment, "read"), identity)
        if found is None:
            return None
        inputs, _ = self.check("", {}, self._table.inputs_of(found, settings))
        wanted = self._table.plan(settings, found, _given(inputs, found))
        differing = sorted({change.key for change in self._table.compare(found, wanted)})
        return inputs, self._recorded(found, inputs), differing

    def adopt(
        self, inputs: Properties, identity: str, environment: Operation, *, completing: bool = True
    ) -> tuple[str, Properties, list[Change]] | None:
        """What an interrupted creation left behind, and how it differs from what is wanted; None if nothing.
        `completing`: whether what the creation had still to do is done.
        """
        call = self._call(environment, "create")
        plan = self._table.plan(environment.settings, None, _given(inputs, None))
        found = identity or self._table.find_created(call, plan)
        outputs = self._table.read(call, found, plan) if found else None
        if not found or outputs is None:
            return None
        wanted = self._table.plan(environment.settings, outputs, _given(inputs, outputs))
        changes = self._table.compare(outputs, wanted)
        if completing and not changes and self._table.complete(call, found, plan):
            outputs = self._table.read(call, found, plan) or outputs
        return found, self._recorded(outputs, inputs), changes

    def _sealed(self, outputs: Properties, inputs: Properties) -> Properties:
        """Outputs are secret where the type or the input says so."""
        secret = {entry.name for entry in self._table.fields if entry.secret}
        secret |= {key for key, value in inputs.items() if has_secret(value)}
        return seal(outputs, secret)

    def _recorded(self, outputs: Properties, inputs: Properties) -> Properties:
        """Outputs as the state holds them. Without its version, the real provider would take the state for one of its
        oldest and upgrade it.
        """
        version = self._table.schema_version
        meta = {"__meta": json.dumps({"schema_version": str(version)})} if version else {}
        return meta | self._sealed(outputs, inputs)


def _without_filled(old: Value, new: Value) -> Value:
    """The old inputs without what the provider filled in where the program gives nothing, at every depth."""
    if isinstance(old, dict) and isinstance(new, dict):
        filled = old.get("__defaults") or []
        return {
            key: _without_filled(value, new.get(key)) for key, value in old.items() if key in new or key not in filled
        }
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [_without_filled(mine, theirs) for mine, theirs in zip(old, new, strict=True)]
    return old


def seal(outputs: Properties, keys: set[str] | list[str]) -> Properties:
    """The outputs with the named ones secret."""
    return {
        key: Secret(value) if key in keys and not isinstance(value, Secret) else value for key, value in outputs.items()
    }


def _prior(old: ResourceState) -> Properties:
    known = {key: value for key, value in reveal(old.outputs).items() if key not in _BRIDGE_KEYS}
    return known | {"id": old.id}


def _given(inputs: Properties, prior: Properties | None) -> Properties:
    """The inputs as the tables read them; where a secret could not be opened, both sides are taken as equal."""
    given = without_defaults(reveal(inputs))
    if prior is not None:
        for key, value in prior.items():
            if isinstance(value, Ciphertext) and key in given:
                given[key] = value
    return given


class ProviderPlugin(Plugin):
    """A provider as a resource: its configuration, kept in the state; any change is an update."""

    note = ""

    def refusal(self, op: str, state: ResourceState) -> str:
        return ""

    def diff(self, old: ResourceState, inputs: Properties, settings: Settings) -> Difference:
        found = super().diff(old, inputs, settings).details
        return Difference([change for change in found if change.key != "__internal"])

    def preview(self, old: ResourceState | None, inputs: Properties, settings: Settings) -> Properties:
        return {key: value for key, value in inputs.items() if not key.startswith("__")}

    def create(self, name: str, inputs: Properties, environment: Operation) -> tuple[str, Properties]:
        return str(uuid.uuid4()), self.preview(None, inputs, environment.settings)

    def update(self, old: ResourceState, inputs: Properties, environment: Operation) -> Properties:
        return self.preview(old, inputs, environment.settings)

    def delete(self, old: ResourceState, environment: Operation) -> None:
        """A provider is only in the state."""


def plugin_for(type_name: str) -> Plugin:
    """What manages a type."""
    if urns.is_provider(type_name):
        return ProviderPlugin(type_name)
    if type_name == IMAGE:
        return ImagePlugin(type_name)
    table = resource_type(type_name)
    return GcpPlugin(type_name, table) if table is not None else Plugin(type_name)


def settings_of(inputs: Properties, environment: Mapping[str, str]) -> Settings:
    """What a gcp provider's configuration gives to its resources, the environment standing in as the provider does
    it.
    """
    config = reveal(inputs)

    def first(key: str, *variables: str) -> Any:
        return config.get(key) or next((environment[name] for name in variables if environment.get(name)), None)

    labels = _parsed(config.get("defaultLabels"))
    attribution = config.get("addPulumiAttributionLabel")
    return Settings(
        project=first("project", "GOOGLE_PROJECT", "GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT", "CLOUDSDK_CORE_PROJECT"),
        region=first("region", "GOOGLE_REGION", "GCLOUD_REGION", "CLOUDSDK_COMPUTE_REGION"),
        zone=first("zone", "GOOGLE_ZONE", "GCLOUD_ZONE", "CLOUDSDK_COMPUTE_ZONE"),
        default_labels=labels,
        attribution=attribution not in ("false", False),
    )


def _parsed(value: Value) -> Value:
    """Provider configuration arrives as JSON text where it is no text."""
    if isinstance(value, str):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value
