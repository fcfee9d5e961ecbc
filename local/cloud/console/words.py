"""Values as a reader wants them: ages, durations, sizes, states in short. Pure functions of a value to a text."""

import json
from datetime import UTC, datetime
from typing import Any

from local.cloud.clock import parse_rfc3339

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_KIND_OF_STATE = {
    **dict.fromkeys(("SUCCEEDED", "ACTIVE", "COMPLETE", "READY", "ENABLED"), "good"),
    **dict.fromkeys(("RUNNING", "PROVISIONING", "REBOOTING", "UPDATING", "STOPPING"), "run"),
    **dict.fromkeys(("FAILED", "ERROR", "EXPIRED"), "bad"),
    **dict.fromkeys(("CANCELLED", "CANCELLING", "CANCEL_PENDING", "PAUSED"), "warn"),
}


def state(value: str | None) -> str:
    """`JOB_STATE_CANCEL_PENDING` as `cancel pending`."""
    return short_state(value).lower().replace("_", " ")


def state_class(value: str | None) -> str:
    """The one of good, run, bad, warn and idle that colours a state."""
    return _KIND_OF_STATE.get(short_state(value), "idle")


def short_state(value: str | None) -> str:
    return (value or "").removeprefix("PIPELINE_STATE_").removeprefix("JOB_STATE_")


def duration(seconds: float | None) -> str:
    """`0.4 s`, `58 s`, `2 min 5 s`, `3 h 20 min`, `12 d 4 h`."""
    if seconds is None:
        return ""
    if seconds < 10:
        return f"{max(seconds, 0):.1f} s"
    whole = round(seconds)
    for size, name, below, part in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            count, rest = divmod(whole, size)
            return f"{count} {name}" + (f" {rest // below} {part}" if rest // below else "")
    return f"{whole} s"


def between(start: str | None, end: str | None, now: datetime) -> float | None:
    """Seconds from one RFC 3339 time to another, or to now where there is no end yet."""
    if not start:
        return None
    return ((parse_rfc3339(end) if end else now) - parse_rfc3339(start)).total_seconds()


def relative(moment: str | None, now: datetime) -> str:
    """`3 min ago`, `in 6 h`."""
    if not moment:
        return ""
    seconds = (now - parse_rfc3339(moment)).total_seconds()
    if abs(seconds) < 1:
        return "now"
    text = duration(abs(round(seconds))).replace(".0", "").split(" ")
    told = " ".join(text[:2])
    return f"in {told}" if seconds < 0 else f"{told} ago"


def moment(value: str | None) -> str:
    """To the second, in UTC: `2026-01-31 09:30:00`."""
    return f"{parse_rfc3339(value).astimezone(UTC):%Y-%m-%d %H:%M:%S}" if value else ""


def size(count: int | str) -> str:
    """`512 B`, `1.4 MiB`."""
    number = float(count)
    for unit in _UNITS:
        if number < 1024 or unit == _UNITS[-1]:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return ""


def number(value: Any) -> str:
    """Four significant digits of a float; whole numbers with separators; other values as they are."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:.4g}"


def dollars(value: float | None) -> str:
    return "" if value is None else f"${value:,.2f}"


def plain(value: Any) -> str:
    """A parameter's value in one text."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def last(name: str) -> str:
    """The last segment of a resource's name."""
    return name.rstrip("/").rsplit("/", 1)[-1]


FILTERS = {
    "state": state,
    "state_class": state_class,
    "duration": duration,
    "moment": moment,
    "size": size,
    "number": number,
    "dollars": dollars,
    "plain": plain,
    "last": last,
}
