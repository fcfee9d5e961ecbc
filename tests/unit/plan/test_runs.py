"""The next runs of a schedule."""

from datetime import UTC, datetime

import pytest

from plan.runs import next_runs

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("cron", "first", "last"),
    [
        ("TZ=Etc/UTC 0 3 * * *", "2026-11-25T03:00", "2026-11-29T03:00"),
        ("TZ=Europe/Paris 30 4 * * mon", "2026-11-30T04:30", "2026-12-28T04:30"),
        ("TZ=Etc/UTC 0 */6 * * *", "2026-11-24T18:00", "2026-11-25T18:00"),
        ("TZ=Etc/UTC 15,45 12-13 * * *", "2026-11-24T12:15", "2026-11-25T12:15"),
        ("TZ=Etc/UTC 0 0 29 2 *", "2028-02-29T00:00", "2032-02-29T00:00"),
        ("TZ=Etc/UTC 0 0 1 * 7", "2026-11-29T00:00", "2026-12-20T00:00"),
        ("TZ=Etc/UTC 0 0 1 jan,jul *", "2027-01-01T00:00", "2029-01-01T00:00"),
    ],
)
def test_next_runs(cron: str, first: str, last: str) -> None:
    runs = [run.isoformat()[:16] for run in next_runs(cron, NOW)]
    assert (runs[0], runs[-1]) == (first, last)


def test_a_time_that_summer_time_leaves_out_still_comes() -> None:
    before = datetime(2027, 3, 27, 12, tzinfo=UTC)
    first, second = next_runs("TZ=Europe/Paris 30 2 * * *", before, 2)
    assert first.astimezone(UTC).isoformat() == "2027-03-28T01:30:00+00:00"
    assert second.astimezone(UTC).isoformat() == "2027-03-29T00:30:00+00:00"
