"""When a schedule's next runs are. Its cron has passed the settings' rules (infra/limits.py), so it is read as it is.

Times that a change to summer time leaves out come when they would have been; of times that occur twice the first
counts.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

_FIRST_LAST = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_NAMES = {name: str(number) for number, name in enumerate(_MONTHS, 1)} | {
    name: str(number) for number, name in enumerate(_DAYS)
}
_FURTHEST_DAYS = 366 * 8  # a 29 February that falls on a given weekday is at most this far


def next_runs(cron: str, after: datetime, count: int = 5) -> list[datetime]:
    """`cron` as the API has it, with its time zone in front: `TZ=Europe/Paris 0 3 * * *`."""
    zone, _, fields = cron.removeprefix("CRON_").removeprefix("TZ=").partition(" ")
    return list(islice(_runs(fields.split(), ZoneInfo(zone), after), count))


def _runs(fields: list[str], zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    minutes, hours, days, months, weekdays = (
        _numbers(field, *bounds) for field, bounds in zip(fields, _FIRST_LAST, strict=True)
    )
    weekdays = {day % 7 for day in weekdays}
    either = not fields[2].startswith("*") and not fields[4].startswith("*")
    day = after.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    for _ in range(_FURTHEST_DAYS):
        by_date, by_weekday = day.day in days, (day.weekday() + 1) % 7 in weekdays
        if day.month in months and (by_date or by_weekday if either else by_date and by_weekday):
            times = {
                day.replace(hour=hour, minute=minute, tzinfo=zone).astimezone(UTC)
                for hour in hours
                for minute in minutes
            }
            yield from (time.astimezone(zone) for time in sorted(times) if time > after)
        day += timedelta(days=1)


def _numbers(field: str, first: int, last: int) -> set[int]:
    found: set[int] = set()
    for part in field.split(","):
        span, slash, step = re.sub(r"[a-z]+", lambda name: _NAMES[name[0]], part.lower()).partition("/")
        low, dash, high = (str(first), "-", str(last)) if span == "*" else span.partition("-")
        end = int(high) if dash else last if slash else int(low)
        found |= set(range(int(low), end + 1, int(step or 1)))
    return found
