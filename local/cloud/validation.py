"""Gathers every bad field of a request and refuses once.

Owns: the collector. Does not own: the rules, which stand beside each service with the page that documents them.
"""

import re
from collections.abc import Collection
from typing import Any

from local.cloud.errors import invalid_argument

_LABEL_KEY = re.compile(r"[a-z\u00df-\u00f6\u00f8-\u00ff][\w-]{0,62}")
_LABEL_VALUE = re.compile(r"[\w-]{0,63}")


class Violations:
    """What is wrong with one request's body. Call `refuse()` after the last check."""

    def __init__(self) -> None:
        self.found: list[tuple[str, str]] = []

    def add(self, field: str, description: str) -> None:
        self.found.append((field, description))

    def unless(self, condition: object, field: str, description: str) -> None:
        """Note `description` if `condition` does not hold."""
        if not condition:
            self.add(field, description)

    def matches(self, pattern: str, value: Any, field: str, rule: str) -> None:
        """`value` must be a string that `pattern` matches as a whole."""
        self.unless(isinstance(value, str) and re.fullmatch(pattern, value), field, f"{value!r} {rule}")

    def one_of(self, allowed: Collection[str], value: Any, field: str) -> None:
        self.unless(value in allowed, field, f"{value!r} is not one of {', '.join(sorted(allowed))}")

    def within(self, low: int, high: int, value: Any, field: str) -> None:
        """`value` must be an integer, or an int64 as a JSON string, from `low` to `high`."""
        number = as_int(value)
        self.unless(
            number is not None and low <= number <= high, field, f"{value!r} is not a number from {low} to {high}"
        )

    def labels(self, labels: Any, field: str = "labels") -> None:
        """Source: https://cloud.google.com/resource-manager/docs/labels-overview#requirements"""
        if not isinstance(labels, dict):
            self.unless(labels is None, field, f"{labels!r} is not an object")
            return
        self.unless(len(labels) <= 64, field, f"{len(labels)} labels are more than the 64 that are allowed")
        for key, value in labels.items():
            good_key = _LABEL_KEY.fullmatch(key) and key == key.lower()
            rule = "must start with a lowercase letter and hold at most 63 lowercase letters, digits, '_' and '-'"
            self.unless(good_key, f"{field}[{key!r}]", f"label key {key!r} {rule}")
            good_value = isinstance(value, str) and _LABEL_VALUE.fullmatch(value) and value == value.lower()
            rule = "must hold at most 63 lowercase letters, digits, '_' and '-'"
            self.unless(good_value, f"{field}[{key!r}]", f"label value {value!r} {rule}")

    def refuse(self) -> None:
        """Raise INVALID_ARGUMENT with all that was found, if anything was."""
        if self.found:
            raise invalid_argument(self.found)


def as_int(value: Any) -> int | None:
    """The integer that `value` is or spells; None for anything else, booleans included."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,19}", value):
        return int(value)
    return None
