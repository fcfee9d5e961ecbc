"""Property values: what a Pulumi property can hold beyond JSON, and its form on the wire and in a checkpoint.

Plain values are Python's own (None, bool, int, float, str, list, dict). The rest are the small classes below.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from google.protobuf import struct_pb2

SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 (a marker of Pulumi's format)
ASSET = "c44067f5952c0a294b673a41bacd8c17"
ARCHIVE = "0def7320c3a5731c473e5ecbe6d01bc7"
REFERENCE = "5cf8f73096256a8f31e491e813e4eb8e"
OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
UNKNOWN_TEXT = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"

# What stands in a text for something that only the network could tell: any text that contains Pulumi's mark is unknown.
PLACEHOLDER = f"offline:{UNKNOWN_TEXT}"

Value: TypeAlias = Any
Properties: TypeAlias = dict[str, Any]


class Unknown:
    """The value of a property that only applying can tell."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = Unknown()


@dataclass(frozen=True)
class Secret:
    """A value that the state encrypts and the display hides; `sealed` is the ciphertext that it was read from."""

    value: Value
    sealed: str = field(default="", compare=False)

    def __repr__(self) -> str:
        return "Secret([secret])"


@dataclass(frozen=True)
class Ciphertext:
    """What a secret holds while its passphrase is not known: it can be kept, not compared."""

    text: str


@dataclass(frozen=True)
class Asset:
    """A file, a text or a remote document (or, with `archive`, several of them) given to a resource."""

    fields: dict[str, Value] = field(hash=False)
    archive: bool = False

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Asset) or self.archive != other.archive:
            return False
        mine, theirs = self.fields.get("hash"), other.fields.get("hash")
        return mine == theirs if mine and theirs else self.fields == other.fields

    def __hash__(self) -> int:
        return hash(self.archive)


@dataclass(frozen=True)
class Reference:
    """A resource used as a value."""

    urn: str
    id: Value = None
    version: str = ""


def reveal(value: Value) -> Value:
    """The value without its secret wrappers, at every depth."""
    if isinstance(value, Secret):
        return reveal(value.value)
    if isinstance(value, dict):
        return {key: reveal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [reveal(item) for item in value]
    return value


def unsealed(value: Value) -> Value:
    """The value with all its secrets without the ciphertext that they were read from, which is of no use outside the
    state that holds its key.
    """
    if isinstance(value, Secret):
        return Secret(unsealed(value.value))
    if isinstance(value, dict):
        return {key: unsealed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [unsealed(item) for item in value]
    if isinstance(value, Asset):
        return Asset({key: unsealed(item) for key, item in value.fields.items()}, archive=value.archive)
    return value


def _holds(value: Value, kind: type) -> bool:
    if isinstance(value, kind):
        return True
    if isinstance(value, Secret):
        return _holds(value.value, kind)
    if isinstance(value, dict):
        return any(_holds(item, kind) for item in value.values())
    if isinstance(value, list):
        return any(_holds(item, kind) for item in value)
    return isinstance(value, Reference) and value.id is UNKNOWN and kind is Unknown


def has_unknown(value: Value) -> bool:
    return _holds(value, Unknown)


def has_secret(value: Value) -> bool:
    return _holds(value, Secret)


def has_ciphertext(value: Value) -> bool:
    """Whether any secret in the value could not be opened."""
    return _holds(value, Ciphertext)


def _number(value: float) -> float:
    return int(value) if value.is_integer() and abs(value) < 2**63 else value


def from_wire(value: struct_pb2.Value) -> Value:
    """A property value out of a protobuf value as the SDK sends it."""
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return UNKNOWN if UNKNOWN_TEXT in value.string_value else value.string_value
    if kind == "number_value":
        return _number(value.number_value)
    if kind == "bool_value":
        return value.bool_value
    if kind == "list_value":
        return [from_wire(item) for item in value.list_value.values]
    if kind == "struct_value":
        return _marked({key: from_wire(item) for key, item in value.struct_value.fields.items()})
    return None


def from_struct(struct: struct_pb2.Struct) -> Properties:
    return {key: from_wire(item) for key, item in struct.fields.items()}


def _marked(fields: Properties, decrypt: Callable[[str], Value] | None = None) -> Value:
    """The value that a dictionary stands for, if it carries Pulumi's signature; else the dictionary."""
    signature = fields.get(SIGNATURE)
    rest = {key: item for key, item in fields.items() if key != SIGNATURE}
    if signature == SECRET:
        return Secret(_secret_content(rest, decrypt), rest.get("ciphertext", ""))
    if signature in (ASSET, ARCHIVE):
        return Asset(rest, archive=signature == ARCHIVE)
    if signature == REFERENCE:
        identity = rest.get("id")
        return Reference(rest["urn"], UNKNOWN if identity == "" else identity, rest.get("packageVersion", ""))
    if signature == OUTPUT:
        inner = rest.get("value", UNKNOWN)
        return Secret(inner) if rest.get("secret") else inner
    return fields


def _secret_content(rest: Properties, decrypt: Callable[[str], Value] | None) -> Value:
    if "ciphertext" in rest:
        return decrypt(rest["ciphertext"]) if decrypt else Ciphertext(rest["ciphertext"])
    if "plaintext" in rest:
        return from_json(json.loads(rest["plaintext"]), decrypt)
    return rest.get("value")


def to_wire(value: Value) -> struct_pb2.Value:
    """A property value as the SDK reads it."""
    wire = struct_pb2.Value()
    if value is None:
        wire.null_value = struct_pb2.NULL_VALUE
    elif isinstance(value, bool):
        wire.bool_value = value
    elif isinstance(value, int | float):
        wire.number_value = value
    elif isinstance(value, str | Unknown):
        wire.string_value = UNKNOWN_TEXT if isinstance(value, Unknown) else value
    elif isinstance(value, list):
        wire.list_value.SetInParent()
        wire.list_value.values.extend(to_wire(item) for item in value)
    else:
        wire.struct_value.SetInParent()
        for key, item in _unmarked(value).items():
            wire.struct_value.fields[key].CopyFrom(to_wire(item))
    return wire


def to_struct(properties: Properties) -> struct_pb2.Struct:
    struct = struct_pb2.Struct()
    for key, item in properties.items():
        struct.fields[key].CopyFrom(to_wire(item))
    return struct


def _unmarked(value: Value) -> Properties:
    if isinstance(value, Secret):
        inner = UNKNOWN if isinstance(value.value, Ciphertext) else value.value
        return {SIGNATURE: SECRET, "value": inner}
    if isinstance(value, Asset):
        return {SIGNATURE: ARCHIVE if value.archive else ASSET, **value.fields}
    if isinstance(value, Reference):
        identity = {} if value.id is None else {"id": "" if value.id is UNKNOWN else value.id}
        return {SIGNATURE: REFERENCE, "urn": value.urn, **identity, "packageVersion": value.version}
    return value


def to_json(value: Value, encrypt: Callable[[str], str]) -> Value:
    """The value as a checkpoint holds it; `encrypt` turns a secret's JSON text into its ciphertext."""
    if isinstance(value, Secret):
        if value.sealed:
            return {SIGNATURE: SECRET, "ciphertext": value.sealed}
        text = json.dumps(to_json(value.value, encrypt), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return {SIGNATURE: SECRET, "ciphertext": encrypt(text)}
    if isinstance(value, list):
        return [to_json(item, encrypt) for item in value]
    if isinstance(value, dict | Asset | Reference):
        return {key: to_json(item, encrypt) for key, item in _unmarked(value).items()}
    return UNKNOWN_TEXT if isinstance(value, Unknown) else value


def from_json(value: Value, decrypt: Callable[[str], Value] | None = None) -> Value:
    """The value that a checkpoint holds; without `decrypt` secrets stay as ciphertext."""
    if isinstance(value, list):
        return [from_json(item, decrypt) for item in value]
    if isinstance(value, dict):
        return _marked({key: from_json(item, decrypt) for key, item in value.items()}, decrypt)
    if isinstance(value, float):
        return _number(value)
    return UNKNOWN if value == UNKNOWN_TEXT else value


def leaves(value: Value, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Value]]:
    """Every leaf of a nested value with its path; an empty list or dictionary counts as a leaf."""
    if isinstance(value, Secret):
        yield from leaves(value.value, path)
    elif isinstance(value, dict) and value:
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from leaves(item, (*path, index))
    else:
        yield path, value
