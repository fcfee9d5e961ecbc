"""What is told of one change: a headline, and what it means for capacity, money and data, each "" where nothing."""

from dataclasses import dataclass, replace
from typing import Any

from plan.changes import Change


@dataclass(frozen=True)
class Note:
    headline: str
    capacity: str = ""
    money: str = ""
    data: str = ""
    instead: str = ""
    reasons: tuple[str, ...] = ()

    def because(self, reason: str) -> "Note":
        return replace(self, reasons=(*self.reasons, reason))

    def lines(self) -> list[str]:
        """The note as it is printed."""
        parts = {"capacity": self.capacity, "money": self.money, "data": self.data, "instead": self.instead}
        told = [f"    {name + ':':<10}{text}" for name, text in parts.items() if text]
        return [f"  {self.headline}", *(f"    {reason}" for reason in self.reasons), *told]


_DONE = {"create": "is created", "update": "is changed in place", "delete": "is DELETED", "replace": "is REPLACED"}


def plainly(change: Change) -> Note:
    """What is told of a change that means nothing in particular for capacity, money or data."""
    because = f": {', '.join(change.paths)}" if change.paths and change.op != "delete" else ""
    return Note(f"{change.kind} {change.name} {_DONE.get(change.op, change.op)}{because}")


def arrow(old: Any, new: Any) -> str:
    """A value and its successor."""
    return f"{_shown(old)} → {_shown(new)}"


def _shown(value: Any) -> str:
    return "none" if value in (None, "", [], {}) else str(value)
