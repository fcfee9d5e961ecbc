"""What a program asks for: a registration request of the SDK as the engine's own object, and the features it may not
use.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.errors import EngineError
from engine.values import Asset, Properties, Value, from_struct

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


@dataclass(frozen=True)
class Alias:
    """A former name of a resource: a URN, or what was different."""

    urn: str = ""
    name: str = ""
    type: str = ""
    stack: str = ""
    project: str = ""
    parent: str = ""
    no_parent: bool = False


@dataclass
class Goal:
    """One resource as the program wants it."""

    type: str
    name: str
    custom: bool = True
    inputs: Properties = field(default_factory=dict)
    parent: str = ""
    protect: bool = False
    dependencies: list[str] = field(default_factory=list)
    property_dependencies: dict[str, list[str]] = field(default_factory=dict)
    provider: str = ""
    version: str = ""
    aliases: list[Alias] = field(default_factory=list)
    ignore_changes: list[str] = field(default_factory=list)
    replace_on_changes: list[str] = field(default_factory=list)
    delete_before_replace: bool | None = None
    additional_secret_outputs: list[str] = field(default_factory=list)
    retain_on_delete: bool = False
    deleted_with: str = ""
    custom_timeouts: dict[str, float] = field(default_factory=dict)
    import_id: str = ""


_REFUSED_FIELDS = {
    "replace_with": "replace_with",
    "transforms": "transforms",
    "state_migrations": "state_migrations",
    "packageRef": "parameterized packages",
    "envVarMappings": "env_var_mappings",
}


def refuse(feature: str, resource: str) -> EngineError:
    return EngineError(
        f"{resource} uses {feature}, which the embedded engine does not implement: leave it out, or use the "
        "`pulumi` command"
    )


def read_goal(request: Any) -> Goal:
    """The goal in a RegisterResourceRequest; raises EngineError for a feature that is not implemented."""
    label = f"{request.type} {request.name!r}"
    for name, feature in _REFUSED_FIELDS.items():
        if getattr(request, name):
            raise refuse(feature, label)
    if request.remote:
        raise refuse("remote components", label)
    if request.HasField("replacement_trigger") and request.replacement_trigger.WhichOneof("kind") not in (
        None,
        "null_value",
    ):
        raise refuse("replacement_trigger", label)
    if request.HasField("hooks") and request.hooks.ListFields():
        raise refuse("resource hooks", label)
    inputs = {key: hashed(value) for key, value in from_struct(request.object).items()}
    dependencies = sorted(set(request.dependencies))
    of_properties = {key: sorted(value.urns) for key, value in request.propertyDependencies.items()}
    return Goal(
        type=request.type,
        name=request.name,
        custom=request.custom,
        inputs=inputs,
        parent=request.parent,
        protect=request.protect,
        dependencies=dependencies,
        property_dependencies=of_properties or {key: dependencies for key in inputs if dependencies},
        provider=request.provider,
        version=request.version,
        aliases=[_alias(alias) for alias in request.aliases] + [Alias(urn=urn) for urn in request.aliasURNs],
        ignore_changes=list(request.ignoreChanges),
        replace_on_changes=list(request.replaceOnChanges),
        delete_before_replace=request.deleteBeforeReplace if request.deleteBeforeReplaceDefined else None,
        additional_secret_outputs=list(request.additionalSecretOutputs),
        retain_on_delete=request.retainOnDelete,
        deleted_with=request.deletedWith,
        custom_timeouts=_timeouts(request.customTimeouts, label),
        import_id=request.importId,
    )


def _alias(alias: Any) -> Alias:
    if alias.WhichOneof("alias") == "urn":
        return Alias(urn=alias.urn)
    spec = alias.spec
    return Alias(
        name=spec.name,
        type=spec.type,
        stack=spec.stack,
        project=spec.project,
        parent=spec.parentUrn,
        no_parent=spec.noParent,
    )


def _timeouts(timeouts: Any, label: str) -> dict[str, float]:
    given = {name: getattr(timeouts, name) for name in ("create", "update", "delete", "read")}
    return {name: seconds(text, f"{label}: custom_timeouts.{name}") for name, text in given.items() if text}


def seconds(text: str, what: str) -> float:
    """The seconds of a duration as Pulumi writes it: `30m`, `1h30m`, `90s`."""
    total, number = 0.0, ""
    position = 0
    while position < len(text):
        character = text[position]
        if character.isdigit() or character == ".":
            number += character
            position += 1
            continue
        unit = "ms" if text.startswith("ms", position) else character
        if unit not in _UNITS or not number:
            raise EngineError(f"{what}: {text!r} is no duration: write it as 30m, 1h30m or 90s")
        total += float(number) * _UNITS[unit]
        number = ""
        position += len(unit)
    if number:
        raise EngineError(f"{what}: {text!r} has no unit: write it as 30m, 1h30m or 90s")
    return total


def hashed(value: Value) -> Value:
    """The value with the hash of each asset filled in, by which a change of a file's content is seen."""
    if isinstance(value, Asset):
        return _hashed_asset(value)
    if isinstance(value, dict):
        return {key: hashed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [hashed(item) for item in value]
    return value


def _hashed_asset(asset: Asset) -> Asset:
    if asset.archive:
        raise EngineError(
            "an archive was given where the embedded engine knows files and texts only: use the `pulumi` command"
        )
    if "text" in asset.fields:
        content = str(asset.fields["text"]).encode()
    elif "path" in asset.fields:
        path = Path(asset.fields["path"])
        try:
            content = path.read_bytes()
        except OSError as error:
            raise EngineError(
                f"FileAsset {str(path)!r} cannot be read: {error.strerror}. Name an existing file"
            ) from error
    else:
        raise EngineError(
            f"RemoteAsset {asset.fields.get('uri')!r}: the embedded engine fetches nothing. Give a FileAsset or a "
            "StringAsset"
        )
    return Asset({**asset.fields, "hash": hashlib.sha256(content).hexdigest()})
