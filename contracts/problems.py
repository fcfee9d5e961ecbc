"""The one shape of a refusal: what was refused, the rule, and what to do next."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict


class Problem(BaseModel):
    """One refused value. `rows` is set where a rule was checked row by row."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    value: Any
    rule: str
    fix: str
    rows: int | None = None

    def __str__(self) -> str:
        counted = f" ({self.rows} rows)" if self.rows is not None else ""
        return f"{self.key} = {self.value!r}{counted}: {self.rule}. {self.fix}"


class Refused(Exception):
    """Bad input, refused before anything has happened. Carries every problem found, so that all are shown at once."""

    def __init__(self, subject: str, problems: Sequence[Problem]) -> None:
        self.subject = subject
        self.problems = tuple(problems)
        super().__init__("\n".join([f"{subject} refused:", *(f"  - {problem}" for problem in self.problems)]))


def refuse_if(subject: str, problems: Sequence[Problem]) -> None:
    """Raise `Refused` if there is any problem."""
    if problems:
        raise Refused(subject, problems)
