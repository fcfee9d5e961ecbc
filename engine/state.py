"""The state of a stack: its resources, and Pulumi's checkpoint format (version 3) that holds them."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from engine import urns
from engine.errors import EngineError
from engine.values import Properties, Value, from_json, to_json

FORMAT = 3
WRITER = "v3.272.0"

# Checkpoint keys that the engine understands, with the attribute that holds each; all others are carried along
# untouched.
_PLAIN_KEYS = {
    "urn": "urn",
    "custom": "custom",
    "delete": "delete",
    "id": "id",
    "type": "type",
    "parent": "parent",
    "protect": "protect",
    "external": "external",
    "dependencies": "dependencies",
    "initErrors": "init_errors",
    "provider": "provider",
    "propertyDependencies": "property_dependencies",
    "pendingReplacement": "pending_replacement",
    "additionalSecretOutputs": "additional_secret_outputs",
    "aliases": "aliases",
    "customTimeouts": "custom_timeouts",
    "retainOnDelete": "retain_on_delete",
    "deletedWith": "deleted_with",
    "created": "created",
    "modified": "modified",
    "ignoreChanges": "ignore_changes",
    "replaceOnChanges": "replace_on_changes",
    "importID": "import_id",
}
_ALWAYS_WRITTEN = {"urn", "custom", "type"}


@dataclass(eq=False)
class ResourceState:
    """One resource as the state knows it."""

    urn: str
    type: str
    custom: bool = True
    delete: bool = False
    id: str = ""
    inputs: Properties = field(default_factory=dict)
    outputs: Properties = field(default_factory=dict)
    parent: str = ""
    protect: bool = False
    external: bool = False
    dependencies: list[str] = field(default_factory=list)
    init_errors: list[str] = field(default_factory=list)
    provider: str = ""
    property_dependencies: dict[str, list[str]] = field(default_factory=dict)
    pending_replacement: bool = False
    additional_secret_outputs: list[str] = field(default_factory=list)
    aliases: list[str] = field(default_factory=list)
    custom_timeouts: dict[str, float] = field(default_factory=dict)
    retain_on_delete: bool = False
    deleted_with: str = ""
    created: str = ""
    modified: str = ""
    ignore_changes: list[str] = field(default_factory=list)
    replace_on_changes: list[str] = field(default_factory=list)
    import_id: str = ""
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return urns.name_of(self.urn)

    @property
    def is_stack(self) -> bool:
        return self.type == urns.STACK_TYPE

    @property
    def is_provider(self) -> bool:
        return urns.is_provider(self.type)

    def edges(self) -> Iterator[str]:
        """The URNs that must exist before this resource, its parent and its provider among them; with repetitions."""
        if self.parent:
            yield self.parent
        yield from self.needs()

    def needs(self) -> Iterator[str]:
        """As `edges`, without the parent."""
        yield from self.dependencies
        for dependencies in self.property_dependencies.values():
            yield from dependencies
        if self.deleted_with:
            yield self.deleted_with
        if self.provider:
            yield urns.provider_reference(self.provider)[0]

    def referring(self, renames: Mapping[str, str]) -> ResourceState:
        """A copy whose edges lead to the new names of what was renamed."""

        def new(urns: list[str]) -> list[str]:
            return [renames.get(urn, urn) for urn in urns]

        provider, separator, identity = self.provider.rpartition("::")
        return self.copy(
            parent=renames.get(self.parent, self.parent),
            dependencies=new(self.dependencies),
            property_dependencies={key: new(needed) for key, needed in self.property_dependencies.items()},
            deleted_with=renames.get(self.deleted_with, self.deleted_with),
            provider=f"{renames.get(provider, provider)}{separator}{identity}",
        )

    def copy(self, **changes: Any) -> ResourceState:
        return replace(self, **changes)

    def to_checkpoint(self, encrypt: Callable[[str], str]) -> dict[str, Any]:
        body: dict[str, Any] = {}
        for key, attribute in _PLAIN_KEYS.items():
            value = getattr(self, attribute)
            if value or key in _ALWAYS_WRITTEN:
                body[key] = _ordered(value)
            if key == "type":
                body |= {
                    name: _ordered(to_json(properties, encrypt))
                    for name, properties in (("inputs", self.inputs), ("outputs", self.outputs))
                    if properties
                }
        return body | self.extra

    @classmethod
    def from_checkpoint(cls, body: dict[str, Any], decrypt: Callable[[str], Value] | None) -> ResourceState:
        known = {attribute: body[key] for key, attribute in _PLAIN_KEYS.items() if key in body}
        extra = {key: body[key] for key in body if key not in _PLAIN_KEYS and key not in ("inputs", "outputs")}
        return cls(
            **known,
            inputs=from_json(body.get("inputs") or {}, decrypt),
            outputs=from_json(body.get("outputs") or {}, decrypt),
            extra=extra,
        )


def _ordered(value: Any) -> Any:
    """The value with the keys of all its dictionaries sorted, so that equal states are equal texts."""
    if isinstance(value, dict):
        return {key: _ordered(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_ordered(item) for item in value]
    return value


@dataclass(frozen=True)
class PendingOperation:
    """An operation that was under way when the state was last written."""

    type: str
    resource: ResourceState


@dataclass
class Snapshot:
    """Everything that a checkpoint holds."""

    resources: list[ResourceState] = field(default_factory=list)
    pending: list[PendingOperation] = field(default_factory=list)
    secrets_provider: dict[str, Any] | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    def live(self) -> dict[str, ResourceState]:
        """The resources by URN, without those that only wait for their deletion."""
        return {resource.urn: resource for resource in self.resources if not resource.delete}

    def outputs(self) -> Properties:
        """The stack's outputs."""
        return next((resource.outputs for resource in self.resources if resource.is_stack), {})


def hidden(state: ResourceState) -> bool:
    """Whether it is a provider that Pulumi made itself, which no user wants to see."""
    return state.is_provider and state.name.startswith("default")


def timestamp() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def manifest() -> dict[str, str]:
    return {"time": timestamp(), "magic": hashlib.sha256(WRITER.encode()).hexdigest(), "version": WRITER}


def deployment_of(document: Any, *, source: str) -> dict[str, Any]:
    """The deployment in a backend's file or in the output of `pulumi stack export`."""
    if not isinstance(document, dict):
        raise _no_state(source, "it is no JSON object")
    version = document.get("version", FORMAT)
    if version != FORMAT:
        raise EngineError(
            f"{source} is a state of format version {version!r}; this engine reads version {FORMAT}. Run `pulumi "
            "up` once with a current command to upgrade it"
        )
    if features := document.get("features"):
        raise EngineError(
            f"{source} needs features {features!r} that this engine does not have; use the pulumi command"
        )
    if "deployment" in document:
        return _checked(document["deployment"], source)
    if "checkpoint" in document:
        checkpoint = document["checkpoint"]
        if not isinstance(checkpoint, dict):
            raise _no_state(source, "its checkpoint is no object")
        return _checked(checkpoint.get("latest"), source)
    raise _no_state(source, "it has neither a checkpoint nor a deployment")


def _no_state(source: str, reason: str) -> EngineError:
    return EngineError(
        f"{source} is no Pulumi state: {reason}. Give a file of a Pulumi file backend or of `pulumi stack export`"
    )


def _checked(deployment: Any, source: str) -> dict[str, Any]:
    """The deployment, as far as its resources are ones."""
    if deployment is None:
        return {}
    if not isinstance(deployment, dict):
        raise _no_state(source, "its deployment is no object")
    operations = deployment.get("pending_operations") or []
    for key, bodies in (
        ("resources", deployment.get("resources") or []),
        ("pending_operations", operations),
    ):
        if not isinstance(bodies, list) or not all(isinstance(body, dict) for body in bodies):
            raise _no_state(source, f"its {key} are no list of objects")
    if not all(isinstance(operation.get("type"), str) for operation in operations):
        raise _no_state(source, "a pending operation has no type")
    for body in [*(deployment.get("resources") or []), *(operation.get("resource") for operation in operations)]:
        for key in ("urn", "type"):
            if not isinstance(body, dict) or not isinstance(body.get(key), str):
                raise _no_state(source, f"a resource has no {key}: {str(body)[:100]}")
    return deployment


def read_snapshot(deployment: dict[str, Any], decrypt: Callable[[str], Value] | None) -> Snapshot:
    known = {"manifest", "resources", "pending_operations", "secrets_providers"}
    return Snapshot(
        resources=[ResourceState.from_checkpoint(body, decrypt) for body in deployment.get("resources") or []],
        pending=[
            PendingOperation(operation["type"], ResourceState.from_checkpoint(operation["resource"], decrypt))
            for operation in deployment.get("pending_operations") or []
        ],
        secrets_provider=copy.deepcopy(deployment.get("secrets_providers")),
        extra={key: value for key, value in deployment.items() if key not in known},
    )


def verify(resources: list[ResourceState]) -> None:
    """Raise EngineError if a resource comes before what it needs: Pulumi refuses such a state."""
    seen: set[str] = set()
    for resource in resources:
        missing = [edge for edge in resource.edges() if edge not in seen]
        if missing and not resource.pending_replacement:
            raise EngineError(
                f"the state is damaged: {resource.urn} needs {missing[0]}, which does not come before it. Restore "
                "the file beside it that ends in .bak"
            )
        seen.add(resource.urn)
