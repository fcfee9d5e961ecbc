"""Refusals of bad input: the value, the rule that it breaks, and what to do next.

The trainer stands alone, so it repeats the shape of contracts.problems instead of importing it.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

EXIT_REFUSED = 2


class Problem(NamedTuple):
    """One refused value. `rows` is set where a rule was checked row by row."""

    key: str
    value: Any
    rule: str
    fix: str
    rows: int | None = None

    def __str__(self) -> str:
        counted = f" ({self.rows} rows)" if self.rows is not None else ""
        return f"{self.key} = {self.value!r}{counted}: {self.rule}. {self.fix}"


class Refused(Exception):
    """Input that cannot be worked with, found before any work was done. Carries every problem, so that all are shown at
    once.
    """

    def __init__(self, subject: str, problems: Sequence[Problem]) -> None:
        self.subject = subject
        self.problems = tuple(problems)
        super().__init__("\n".join([f"{subject} refused:", *(f"  - {problem}" for problem in self.problems)]))


def refuse_if(subject: str, problems: Sequence[Problem]) -> None:
    """Raise `Refused` if there is any problem."""
    if problems:
        raise Refused(subject, problems)
