"""YAML as the pulumi command reads it: numbers in Go's notations, `yes`, `12:30` and dates texts, no key twice."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import yaml
from yaml.constructor import ConstructorError

_DIGITS = "-+0123456789."
_INT = r"[-+]?(?:0b[01][01_]*|0o[0-7][0-7_]*|0x[0-9a-fA-F][0-9a-fA-F_]*|[0-9][0-9_]*)"
_FLOAT = (
    r"[-+]?(?:\.[0-9][0-9_]*|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
_TIME = (
    r"(\d{4})-(\d{1,2})-(\d{1,2})"
    r"(?:(?:[Tt]|[ ])(\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.(\d{1,9}))?[ ]?(Z|[-+]\d{2}:\d{2})?)?"
)
_LARGEST = 2**64 - 1


class GoLoader(yaml.SafeLoader):
    """What Go's YAML 1.2 core schema makes of a plain scalar, and a key that stands twice is an error."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 (how the base class has it)

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise ConstructorError(
                        None, None, f"the key {key.value!r} stands twice: keep one of the two", key.start_mark
                    )
                seen.add(key.value)
        return node


def _integer(loader: GoLoader, node: yaml.ScalarNode) -> int | float:
    text = loader.construct_scalar(node).replace("_", "")
    sign, digits = (text[0], text[1:]) if text[0] in "+-" else ("", text)
    base = {"0b": 2, "0o": 8, "0x": 16}.get(digits[:2], 8 if re.fullmatch("0[0-7]+", digits) else 10)
    number = int(digits, base)
    number = -number if sign == "-" else number
    return float(number) if number > _LARGEST or number < -(2**63) else number


def _number(loader: GoLoader, node: yaml.ScalarNode) -> float:
    text = loader.construct_scalar(node).replace("_", "").lower()
    number = float(text.replace(".inf", "inf").replace(".nan", "nan"))
    if not math.isfinite(number):
        raise ConstructorError(None, None, f"{node.value!r} is no number that can be used", node.start_mark)
    return number


def _date(loader: GoLoader, node: yaml.ScalarNode) -> str:
    """The date as Go prints it; a text that only looks like one stays as it is."""
    text = loader.construct_scalar(node)
    match = re.fullmatch(_TIME, text)
    if match is None:
        return text
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    try:
        moment = datetime(
            int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), tzinfo=_zone(zone)
        )
    except ValueError:
        return text
    offset = moment.strftime("%z")
    name = "UTC" if moment.tzinfo is UTC else offset
    part = f".{fraction}".rstrip("0").rstrip(".") if fraction else ""
    return f"{moment:%Y-%m-%d %H:%M:%S}{part} {offset} {name}"


def _zone(text: str | None) -> timezone:
    if not text or text == "Z":
        return UTC
    hours, minutes = int(text[1:3]), int(text[4:6])
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if text[0] == "-" else offset)


def _resolve(tag: str, pattern: str, first: str | None) -> None:
    GoLoader.add_implicit_resolver(
        f"tag:yaml.org,2002:{tag}", re.compile(rf"^(?:{pattern})$"), list(first) if first else None
    )


_resolve("bool", "true|True|TRUE|false|False|FALSE", "tTfF")
_resolve("null", "~|null|Null|NULL|", None)
_resolve("merge", "<<", "<")
_resolve("timestamp", _TIME, "0123456789")
_resolve("int", _INT, _DIGITS)
_resolve("float", _FLOAT, _DIGITS)
GoLoader.add_constructor("tag:yaml.org,2002:int", _integer)
GoLoader.add_constructor("tag:yaml.org,2002:float", _number)
GoLoader.add_constructor("tag:yaml.org,2002:timestamp", _date)


def load(text: str) -> Any:
    """The document; raises yaml.YAMLError."""
    return yaml.load(text, GoLoader)  # noqa: S506 (a SafeLoader)
