"""What the console reads of a cloud: lists that have grown long, prices, due times, and who has a session."""

from datetime import UTC, datetime

import pytest

from contracts.pool_spec import PoolSpec
from infra.prices import pool_cost_per_day
from local.cloud.app import Cloud
from local.cloud.console import prices, sessions, words
from local.cloud.console.history import History
from local.cloud.console.schedules import next_runs
from local.cloud.console.sessions import Sessions
from local.cloud.console.view import Pages, View

JOBS = "aiplatform.CustomJob"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def fill(cloud: Cloud, count: int) -> None:
    with cloud.store.transaction():
        for number in range(count):
            name = f"projects/acme/locations/l/customJobs/{(number * 7919) % count:05d}"
            state = "JOB_STATE_RUNNING" if number % 100 == 0 else "JOB_STATE_SUCCEEDED"
            moment = f"2026-01-01T00:{number // 60 % 60:02d}:{number % 60:02d}Z"
            cloud.store.put(JOBS, name, {"name": name, "state": state, "createTime": moment, "number": number})


def test_a_page_of_a_long_list_is_the_newest_first_and_no_job_is_missed_or_shown_twice(cloud: Cloud) -> None:
    fill(cloud, 1000)
    history = History(cloud.store)
    assert [each["number"] for each in history.page(JOBS, 0, 3)] == [999, 998, 997]
    numbers = [each["number"] for start in range(0, 1000, 300) for each in history.page(JOBS, start, 300)]
    assert numbers == list(range(999, -1, -1))


def test_jobs_are_counted_and_found_by_their_state(cloud: Cloud) -> None:
    fill(cloud, 1000)
    history = History(cloud.store)
    assert (history.count(JOBS), history.count(JOBS, "JOB_STATE_RUNNING"), history.count(JOBS, "NONE")) == (1000, 10, 0)
    running = history.in_states(JOBS, "JOB_STATE_RUNNING")
    assert sorted(each["number"] for each in running) == list(range(0, 1000, 100))


@pytest.mark.parametrize(
    ("number", "total", "shown", "start", "last"),
    [(1, 0, 1, 0, 1), (1, 8, 1, 0, 1), (2, 9, 2, 8, 2), (99, 9, 2, 8, 2)],
)
def test_a_page_beyond_the_last_is_the_last(number: int, total: int, shown: int, start: int, last: int) -> None:
    pages = Pages.of(number, 8, total)
    assert (pages.number, pages.start, pages.last) == (shown, start, last)


def test_a_link_changes_one_thing_and_keeps_the_rest() -> None:
    view = View.of({"run": "a&b", "jobs": "3", "runs": "x", "other": "1"})
    assert (view.run, view.jobs, view.runs) == ("a&b", 3, 1)
    assert view.link("jobs", jobs=4) == "/_local/console?run=a%26b&jobs=4#jobs"
    assert View().link("runs") == "/_local/console#runs"


@pytest.mark.parametrize(
    ("machine", "accelerator", "count", "disk", "gigabytes"),
    [
        *(("n1-standard-4", "", 0, "pd-standard", 100), ("n1-standard-96", "", 0, "pd-ssd", 500)),
        *(("g2-standard-8", "NVIDIA_L4", 1, "pd-ssd", 100), ("g2-standard-96", "NVIDIA_L4", 8, "pd-ssd", 200)),
        *(("n2-standard-8", "", 0, "pd-ssd", 100), ("n1-standard-8", "NVIDIA_TESLA_T4", 1, "pd-ssd", 100)),
        *(("e2-highmem-4", "", 0, "pd-ssd", 100), ("n1-highcpu-16", "NVIDIA_TESLA_V100", 2, "pd-ssd", 100)),
    ],
)
def test_the_price_of_a_replica_is_the_platforms_own(
    machine: str, accelerator: str, count: int, disk: str, gigabytes: int
) -> None:
    """Two tables, written apart: the console's of API resources, and the platform's of its settings."""
    resource = {
        "machineSpec": {"machineType": machine, "acceleratorType": accelerator, "acceleratorCount": count},
        "diskSpec": {"bootDiskType": disk, "bootDiskSizeGb": gigabytes},
    }
    spec = PoolSpec.model_validate(
        {
            **{"name": "p", "persistent_resource_id": "p", "pool_id": "w", "replica_count": 1, "autoscaling": None},
            "machine": {"machine_type": machine, "accelerator_type": accelerator, "accelerator_count": count},
            "disk": {"boot_disk_type": disk, "boot_disk_size_gb": gigabytes},
        }
    )
    hourly, daily = prices.replica_usd_per_hour(resource), pool_cost_per_day(spec, "us-central1").low
    assert (hourly is None) == (daily is None)
    assert hourly is None or hourly * 24 == pytest.approx(daily)


def schedule(**more: str) -> dict[str, str]:
    due = "2026-03-28T02:00:00Z"
    return {"state": "ACTIVE", "cron": "TZ=Europe/Paris 0 3 * * *", "nextRunTime": due, "startedRunCount": "3", **more}


def test_due_times_follow_the_time_zone_through_a_change_of_the_clocks() -> None:
    found = [moment[5:16] for moment, _ in zip(next_runs(schedule()), range(3), strict=False)]
    assert found == ["03-28T02:00", "03-29T01:00", "03-30T01:00"]


@pytest.mark.parametrize(
    ("more", "count"),
    [
        *(({"maxRunCount": "5"}, 2), ({"maxRunCount": "3"}, 0), ({"endTime": "2026-03-30T01:00:00Z"}, 2)),
        *(({"state": "PAUSED"}, 0), ({"state": "COMPLETED"}, 0)),
    ],
)
def test_due_times_end_with_the_schedule(more: dict[str, str], count: int) -> None:
    assert len(list(next_runs(schedule(**more)))) == count


def test_a_session_ends_by_the_machines_clock_not_by_the_clouds(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Sessions(cloud.store)
    secret, moment = held.open(), sessions.time.time()
    assert held.holds(secret)
    assert not held.holds(secret + "x")
    monkeypatch.setattr(sessions.time, "time", lambda: moment + sessions.SESSION_SECONDS + 1)
    assert not held.holds(secret)
    held.open()
    assert len(cloud.store.list("console.session")) == 1


def test_a_ticket_is_good_once_and_for_some_minutes(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Sessions(cloud.store)
    first, second = held.ticket(), held.ticket()
    assert held.redeem(first)
    assert not held.redeem(first)
    moment = sessions.time.time()
    monkeypatch.setattr(sessions.time, "time", lambda: moment + sessions.TICKET_SECONDS + 1)
    assert not held.redeem(second)


def test_the_store_keeps_no_secret_of_a_session(cloud: Cloud) -> None:
    secret = Sessions(cloud.store).open()
    assert secret not in str(cloud.store.list("console.session"))


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        *((0.04, "0.0 s"), (9.94, "9.9 s"), (58.4, "58 s"), (60, "1 min"), (125, "2 min 5 s")),
        *((3600, "1 h"), (12_000, "3 h 20 min"), (1_051_200, "12 d 4 h"), (None, "")),
    ],
)
def test_durations_are_said_in_their_two_largest_units(seconds: float | None, told: str) -> None:
    assert words.duration(seconds) == told


@pytest.mark.parametrize(
    ("moment", "told"),
    [
        ("2026-01-02T03:04:05Z", "now"),
        ("2026-01-02T03:03:55Z", "10 s ago"),
        ("2026-01-02T03:04:02Z", "3 s ago"),
        ("2026-01-02T01:02:05Z", "2 h ago"),
        ("2026-01-03T03:04:05Z", "in 1 d"),
        ("", ""),
    ],
)
def test_moments_are_said_from_now(moment: str, told: str) -> None:
    assert words.relative(moment, NOW) == told


@pytest.mark.parametrize(
    ("count", "told"),
    [(0, "0 B"), ("1023", "1023 B"), (1024, "1.0 KiB"), (1_500_000, "1.4 MiB"), (1 << 50, "1024.0 TiB")],
)
def test_sizes_are_said_in_their_unit(count: int | str, told: str) -> None:
    assert words.size(count) == told


def test_the_newest_entries_of_the_access_log_are_read_from_its_end(cloud: Cloud) -> None:
    log = cloud.access.log
    for number in range(300):
        grant = None if number % 10 == 0 else cloud.access.decide("operator@local.test", "a.b.c", "projects/p").grant
        log.record(f"user-{number}@acme.example", "a.b.c", "projects/p", grant, refused=grant is None)
    assert [each["principal"] for each in log.recent(2)] == ["user-299@acme.example", "user-298@acme.example"]
    refused = [each["principal"] for each in log.recent(3, refused=True)]
    assert refused == [f"user-{number}@acme.example" for number in (290, 280, 270)]
