"""The tables of properties: one line a property, nested by indentation, in a small notation read once per type.

    name   kind   [flags]

Kinds: str int int64 (a text in Google's JSON) float bool map (text to text), strs (list of texts), strset (unordered),
floats (list of numbers), obj (one nested object), objs (list), objset (unordered), raw (planned as it is given, not
applied by this engine).

Flags:
    required            must be given                      kept       the service fills it in when it is not given
    out                 only the service sets it           replace    a change replaces the resource
    secret              the state encrypts it              auto       Pulumi names it after the resource
    default=JSON        (`~` for a space)                  min=N max=N  how many items, how long a name
    one_of=GROUP        exactly one of the group           some_of=GROUP  at least one
    not_with=A,B        not together with these            same=RULE  which values count as equal (gcp/sameness.py)
    check=RULE          what is refused (gcp/checks.py)    api=PATH   the name in Google's JSON, `-` for none
    tf=NAME             the provider's own name            null       reads as null, not as an empty value, when absent
    sent                goes into requests although the service sets it, or although it is empty
    unread              goes into requests, and no answer tells it: what is known of it stays
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import Any

from engine.values import Value

SCALARS = {"str": "", "int": 0, "int64": 0, "float": 0.0, "bool": False}
COLLECTIONS = {"map", "strs", "strset", "floats", "obj", "objs", "objset", "raw"}
MODES = {"required", "kept", "out"}
SWITCHES = {"replace", "secret", "auto", "sent", "null", "unread"}


@dataclass(frozen=True)
class Field:
    """One property of a resource type, or of an object nested in one."""

    name: str
    kind: str
    mode: str = "optional"
    replace: bool = False
    secret: bool = False
    auto: bool = False
    sent: bool = False
    null: bool = False
    unread: bool = False
    default: Value = None
    min: int = 0
    max: int = 0
    one_of: str = ""
    some_of: str = ""
    not_with: tuple[str, ...] = ()
    same: str = ""
    check: str = ""
    api: str = ""
    tf: str = ""
    fields: tuple[Field, ...] = ()

    @property
    def computed(self) -> bool:
        """Whether the service may set it."""
        return self.mode in ("kept", "out")

    @property
    def nested(self) -> bool:
        return self.kind in ("obj", "objs", "objset")

    @property
    def unordered(self) -> bool:
        return self.kind in ("strset", "objset")

    @property
    def zero(self) -> Value:
        """The empty value of a scalar; None for the rest."""
        return SCALARS.get(self.kind)


def snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in rest)


def read_fields(text: str) -> tuple[Field, ...]:
    """The fields that a table describes; raises ValueError with the offending line."""
    lines = [line for line in text.splitlines() if line.strip()]
    margin = min((len(line) - len(line.lstrip()) for line in lines), default=0)
    fields, rest = _read_level(lines, margin)
    if rest:
        raise ValueError(f"field table: {rest[0]!r} is indented less than the first line")
    return fields


def _read_level(lines: list[str], margin: int) -> tuple[tuple[Field, ...], list[str]]:
    fields: list[Field] = []
    while lines:
        depth = len(lines[0]) - len(lines[0].lstrip())
        if depth < margin:
            break
        if depth > margin:
            if not fields or not fields[-1].nested:
                raise ValueError(f"field table: {lines[0]!r} is nested below nothing that can hold it")
            inner, lines = _read_level(lines, depth)
            fields[-1] = replace(fields[-1], fields=inner)
        else:
            fields.append(_read_line(lines[0]))
            lines = lines[1:]
    return tuple(fields), lines


def _read_line(line: str) -> Field:
    name, kind, *flags = line.split()
    if kind not in SCALARS and kind not in COLLECTIONS:
        raise ValueError(f"field table: {line!r} has kind {kind!r}")
    settings: dict[str, Any] = {}
    for flag in flags:
        key, _, value = flag.partition("=")
        settings |= _read_flag(line, key, value)
    settings.setdefault("tf", snake(name))
    settings.setdefault("api", camel(settings["tf"]))
    return Field(name=name, kind=kind, **settings)


def _read_flag(line: str, key: str, value: str) -> dict[str, Any]:
    if key in MODES:
        return {"mode": key}
    if key in SWITCHES:
        return {key: True}
    if key == "default":
        return {"default": json.loads(value.replace("~", " "))}
    if key in ("min", "max"):
        return {key: int(value)}
    if key == "not_with":
        return {key: tuple(value.split(","))}
    if key in ("one_of", "some_of", "same", "check", "api", "tf"):
        return {key: value}
    raise ValueError(f"field table: {line!r} has flag {key!r}")
