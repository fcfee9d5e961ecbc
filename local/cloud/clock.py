"""The one source of the time.

Owns: now, and how times are written. A cloud runs by a `ManualClock`, so that hours can be made to pass.
"""

import threading
from datetime import UTC, datetime, timedelta


class Clock:
    """The system's clock."""

    def now(self) -> datetime:
        """The present time, aware, in UTC."""
        return datetime.now(UTC)

    def timestamp(self) -> str:
        """Now, as RFC 3339."""
        return rfc3339(self.now())

    def micros(self) -> int:
        """Now, in microseconds since 1970."""
        return micros(self.now())

    def millis(self) -> int:
        """Now, in milliseconds since 1970."""
        return micros(self.now()) // 1000


class ManualClock(Clock):
    """The system's clock, moved by hand: `advance` adds to `ahead`, which a negative time makes smaller."""

    def __init__(self, ahead: timedelta = timedelta()) -> None:
        self.ahead = ahead
        self._lock = threading.Lock()

    def now(self) -> datetime:
        return super().now() + self.ahead

    def advance(self, by: timedelta) -> None:
        with self._lock:
            self.ahead += by


def rfc3339(moment: datetime) -> str:
    """As Google's JSON writes a Timestamp: `2026-01-02T03:04:05.678901Z`."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def parse_rfc3339(text: str) -> datetime:
    """Raises ValueError for what is no RFC 3339 time; fractions beyond microseconds are cut."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone: write an RFC 3339 time such as 2026-01-02T03:04:05Z")
    return moment.astimezone(UTC)


def micros(moment: datetime) -> int:
    """Microseconds since 1970, exact."""
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
