"""When a cron schedule is due: five unix-cron fields in a time zone.

Sources: https://cloud.google.com/scheduler/docs/configuring/cron-job-schedules and, for a time zone before the fields
(`TZ=…` or `CRON_TZ=…`), https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.schedules.
Times that a change to summer time leaves out are due at the instant when they
would have been. Of times that occur twice in autumn the first is due, unless the schedule is for every hour (its hour
field begins with `*`), which goes on through both, as unix cron does.
"""

import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day of the month", 1, 31), ("month", 1, 12), ("day of the week", 0, 7))
_MONTHS = {
    **{"JAN": 1, "FEB": 2, "MAR": 3, "APR": 4, "MAY": 5, "JUN": 6},
    **{"JUL": 7, "AUG": 8, "SEP": 9, "OCT": 10, "NOV": 11, "DEC": 12},
}
_DAYS = {"SUN": 0, "MON": 1, "TUE": 2, "WED": 3, "THU": 4, "FRI": 5, "SAT": 6}
_ZONE = re.compile(r"(?:CRON_)?TZ=(\S+)\s+(.*)", re.DOTALL)
_PART = re.compile(r"(?:(\*)|(\w+)(?:-(\w+))?)(?:/(\d+))?")
_FURTHEST_DAYS = 366 * 8  # a 29 February that falls on a given weekday is at most this far


class CronError(ValueError):
    """Text that is no cron schedule."""


@dataclass(frozen=True)
class Cron:
    """A schedule that was read by `parse`."""

    zone: ZoneInfo
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day_counts: bool  # both day fields are restricted: a day that matches either is due
    every_hour: bool = False  # what occurs twice is due twice

    def next_after(self, moment: datetime) -> datetime | None:
        """The first due time after `moment`, in UTC; None where there is none, as on 30 February."""
        local = moment.astimezone(self.zone)
        day = local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
        for _ in range(_FURTHEST_DAYS):
            if self._due_on(day):
                times = _due_times(self, day)
                position = bisect_right(times, moment)
                if position < len(times):
                    return times[position]
            day += timedelta(days=1)
        return None

    def _due_on(self, day: datetime) -> bool:
        by_month_day, by_weekday = day.day in self.days, (day.weekday() + 1) % 7 in self.weekdays
        matches = by_month_day or by_weekday if self.any_day_counts else by_month_day and by_weekday
        return day.month in self.months and matches


@lru_cache(maxsize=64)
def _due_times(cron: Cron, day: datetime) -> list[datetime]:
    """The instants of a day that is due, in UTC and in order; a change of the clocks may bring some together."""
    times = [day.replace(hour=hour, minute=minute, tzinfo=cron.zone) for hour in cron.hours for minute in cron.minutes]
    second = [time.replace(fold=1) for time in times] if cron.every_hour else []
    twice = [again for time, again in zip(times, second, strict=False) if _offset(again) < _offset(time)]
    return sorted(time.astimezone(UTC) for time in [*times, *twice])


def _offset(local: datetime) -> timedelta:
    return local.utcoffset() or timedelta()


def parse(text: str) -> Cron:
    """Raises CronError for what is no schedule."""
    zone, fields = "UTC", text.strip()
    match = _ZONE.fullmatch(fields)
    if match:
        zone, fields = match[1], match[2]
    parts = fields.split()
    if len(parts) != len(_FIELDS):
        raise CronError(
            f"cron {text!r} has {len(parts)} fields, not the five of minute, hour, day, month, day of the week"
        )
    try:
        place = ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        raise CronError(f"cron {text!r}: {zone!r} is no time zone of the IANA database") from None
    minutes, hours, days, months, weekdays = (
        _values(text, part, *field) for part, field in zip(parts, _FIELDS, strict=True)
    )
    restricted = not parts[2].startswith("*") and not parts[4].startswith("*")
    return Cron(
        place,
        minutes,
        hours,
        days,
        months,
        frozenset(day % 7 for day in weekdays),
        restricted,
        every_hour=parts[1].startswith("*"),
    )


def _values(text: str, field: str, name: str, low: int, high: int) -> frozenset[int]:
    names: Mapping[str, int] = {"month": _MONTHS, "day of the week": _DAYS}.get(name, {})
    found: set[int] = set()
    for part in field.split(","):
        match = _PART.fullmatch(part)
        if not match:
            raise CronError(f"cron {text!r}: {part!r} is no {name}")
        every, first, last, step = match.groups()
        start = low if every else _number(text, first, name, names)
        end = high if every or (step and not last) else _number(text, last or first, name, names)
        if not low <= start <= end <= high or step == "0":
            raise CronError(f"cron {text!r}: {part!r} is no {name}, which is from {low} to {high}")
        found.update(range(start, end + 1, int(step or 1)))
    return frozenset(found)


def _number(text: str, word: str, name: str, names: Mapping[str, int]) -> int:
    if word.isdigit():
        return int(word)
    if word.upper() in names:
        return names[word.upper()]
    raise CronError(f"cron {text!r}: {word!r} is no {name}")
