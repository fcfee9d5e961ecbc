"""Which resources a command is confined to, and which it leaves alone: URNs, or patterns in which `*` stands for
anything but a colon and `**` for anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable


class Targets:
    """What `--target` names; nothing named means everything."""

    def __init__(self, patterns: Iterable[str] = (), *, dependents: bool = False, excludes: Iterable[str] = ()) -> None:
        """`dependents`: whether what depends on a target is one, too; `excludes`: what is none in any case."""
        self.dependents = dependents
        self._excluded = {pattern for pattern in excludes if "*" not in pattern}
        self._excluding = [_compiled(pattern) for pattern in excludes if "*" in pattern]
        self._literal = {pattern for pattern in patterns if "*" not in pattern}
        self._patterns = [_compiled(pattern) for pattern in patterns if "*" in pattern]
        self._included: set[str] = set()

    @property
    def constrained(self) -> bool:
        return bool(self._literal or self._patterns or self._excluded or self._excluding)

    def contains(self, urn: str) -> bool:
        if urn in self._excluded or any(pattern.fullmatch(urn) for pattern in self._excluding):
            return False
        return (
            not (self._literal or self._patterns)
            or urn in self._literal
            or urn in self._included
            or any(pattern.fullmatch(urn) for pattern in self._patterns)
        )

    def include(self, urn: str) -> None:
        """Make a resource a target because it depends on one."""
        self._included.add(urn)

    def unknown(self, urns: Iterable[str]) -> list[str]:
        """The URNs that are named and are not among these."""
        return sorted((self._literal | self._excluded) - set(urns))


def _compiled(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\*+)", pattern)
    return re.compile("".join(".*" if part == "**" else "[^:]*" if part == "*" else re.escape(part) for part in parts))
