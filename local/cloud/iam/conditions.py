"""Whether a binding's condition holds.

Owns: the variables that a condition sees. The language is the Common Expression Language, evaluated by a library; what
the library does not know (`extract`, `matchTag`) makes a condition that does not hold.
Source: https://cloud.google.com/iam/docs/conditions-overview
"""

from datetime import datetime
from functools import lru_cache
from typing import Any

_MOST_KEPT = 256


class ConditionError(ValueError):
    """An expression that cannot be read or evaluated; the text is the library's."""


def holds(expression: str, *, resource: dict[str, str], now: datetime) -> bool:
    """Raises ConditionError."""
    try:
        return _program(expression).execute({"resource": resource, "request": {"time": now}}) is True
    except (ValueError, RuntimeError, TypeError, KeyError) as error:
        raise ConditionError(str(error)) from error


@lru_cache(_MOST_KEPT)
def _program(expression: str) -> Any:
    import cel

    return cel.compile(expression)
