from datetime import UTC, datetime

import pytest

from local.cloud.cron import CronError, parse


def due(text: str, after: str) -> str:
    found = parse(text).next_after(datetime.fromisoformat(after).replace(tzinfo=UTC))
    return found.isoformat()[:16] if found else ""


@pytest.mark.parametrize(
    ("text", "after", "expected"),
    [
        ("0 3 * * *", "2026-01-01T03:00", "2026-01-02T03:00"),
        ("*/15 * * * *", "2026-01-01T00:07", "2026-01-01T00:15"),
        ("5-20/10 4 * * *", "2026-01-01T04:05", "2026-01-01T04:15"),
        ("10/20 * * * *", "2026-01-01T00:11", "2026-01-01T00:30"),
        ("0 0 1 JAN,jul *", "2026-01-01T00:00", "2026-07-01T00:00"),
        ("0 9 * * MON-FRI", "2026-01-02T09:00", "2026-01-05T09:00"),
        ("0 9 * * 7", "2026-01-01T00:00", "2026-01-04T09:00"),
        ("0 0 13 * FRI", "2026-01-01T00:00", "2026-01-02T00:00"),
        ("0 0 29 2 *", "2026-01-01T00:00", "2028-02-29T00:00"),
        ("0 0 30 2 *", "2026-01-01T00:00", ""),
        ("TZ=Europe/Paris 0 3 * * *", "2026-01-01T12:00", "2026-01-02T02:00"),
        ("CRON_TZ=America/New_York 0 3 * * *", "2026-07-01T12:00", "2026-07-02T07:00"),
    ],
)
def test_the_next_due_time(text: str, after: str, expected: str) -> None:
    assert due(text, after) == expected


def test_a_time_that_summer_time_leaves_out_is_due_when_it_would_have_been() -> None:
    assert due("TZ=Europe/Paris 30 2 * * *", "2026-03-28T12:00") == "2026-03-29T01:30"
    assert due("TZ=Europe/Paris 30 2 * * *", "2026-03-29T01:30") == "2026-03-30T00:30"


def due_between(text: str, start: str, end: str) -> list[str]:
    found, cron = [], parse(text)
    moment = cron.next_after(datetime.fromisoformat(start).replace(tzinfo=UTC))
    while moment and moment < datetime.fromisoformat(end).replace(tzinfo=UTC):
        found.append(moment.isoformat()[11:16])
        moment = cron.next_after(moment)
    return found


def test_every_hour_goes_on_through_both_changes_of_the_clocks() -> None:
    hours = ["23:00", "00:00", "01:00", "02:00", "03:00"]
    assert due_between("TZ=Europe/Paris 0 * * * *", "2026-03-28T22:30", "2026-03-29T03:30") == hours
    assert due_between("TZ=Europe/Paris 0 * * * *", "2026-10-24T22:30", "2026-10-25T03:30") == hours


def test_every_second_hour_keeps_to_its_hours_of_the_day_in_spring() -> None:
    found = due_between("TZ=Europe/Paris 30 */2 * * *", "2026-03-28T22:00", "2026-03-29T05:00")
    assert found == ["23:30", "01:30", "02:30", "04:30"]


def test_a_time_that_occurs_twice_is_due_once() -> None:
    assert due("TZ=Europe/Paris 30 2 * * *", "2026-10-24T12:00") == "2026-10-25T00:30"
    assert due("TZ=Europe/Paris 30 2 * * *", "2026-10-25T00:30") == "2026-10-26T01:30"


@pytest.mark.parametrize(
    "text",
    [
        "every day",
        "",
        "* * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * * 8",
        "5-3 * * * *",
        "*/0 * * * *",
        "a * * * *",
        "TZ=Mars/Base 0 0 * * *",
        "* * * FOO *",
        "1,,2 * * * *",
    ],
)
def test_what_is_no_schedule_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(CronError) as refused:
        parse(text)
    assert repr(text) in str(refused.value)
