"""Durations as Google's JSON writes them: `3.5s`.

Source: https://protobuf.dev/programming-guides/json/ (google.protobuf.Duration)
"""

import re
from typing import Any

_DURATION = re.compile(r"-?\d{1,12}(\.\d{1,9})?s")


def seconds(value: Any) -> float | None:
    """The length of a duration; None for what is none."""
    return float(value[:-1]) if isinstance(value, str) and _DURATION.fullmatch(value) else None


def duration(length: float) -> str:
    """`length` seconds as JSON; whole ones without a fraction."""
    return f"{length:.9f}".rstrip("0").rstrip(".") + "s"
