"""Schedules on a clock that is moved by hand."""

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from local.cloud.app import Cloud
from local.cloud.clock import ManualClock
from local.cloud.errors import ApiError

PARENT = "projects/acme-recsys/locations/l"


class Lab:
    def __init__(self, cloud: Cloud, clock: ManualClock) -> None:
        self.cloud = cloud
        self.clock = clock
        self.started: list[str] = []
        cloud.vertex.pipelines.submit = self._submit  # type: ignore[method-assign]

    def _submit(
        self, parent: str, body: dict[str, Any], short: str = "", *, schedule: str = "", schedule_time: str = ""
    ) -> dict[str, Any]:
        if body.get("displayName") == "refused":
            raise ApiError(400, "no such bucket")
        self.started.append(schedule_time)
        name = f"{parent}/pipelineJobs/{short}"
        return self.cloud.vertex.pipelines.create(name, {"state": "PIPELINE_STATE_RUNNING", "scheduleName": schedule})

    def create(self, **fields: Any) -> str:
        now = self.clock.timestamp()
        body = {
            "cron": "0 * * * *",
            "maxConcurrentRunCount": "9",
            "startTime": now,
            "startedRunCount": "0",
            "state": "ACTIVE",
            "createPipelineJobRequest": {"pipelineJob": {"displayName": fields.pop("display", "run")}},
            **fields,
        }
        schedules = self.cloud.vertex.schedules
        due = schedules._next(body, now)
        return schedules.create(f"{PARENT}/schedules/1", {**body, "nextRunTime": due})["name"]

    def call(self, verb: str, **body: Any) -> None:
        """Pause or resume by REST's own handler."""
        handler = getattr(self.cloud.vertex.schedules, f"_{verb}")
        handler(SimpleNamespace(params={"name": f"{PARENT}/schedules/1"}, object=lambda: body))

    def pass_hours(self, hours: float) -> dict[str, Any]:
        self.clock.advance(timedelta(hours=hours))
        self.cloud.vertex.schedules.fire_due()
        return self.cloud.vertex.schedules.get(f"{PARENT}/schedules/1")

    def finish_all(self) -> None:
        for job in self.cloud.vertex.pipelines.all():
            self.cloud.vertex.pipelines.update(job["name"], lambda each: each.update(state="PIPELINE_STATE_SUCCEEDED"))


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """It is twenty past the hour, so that no hour ends while a test runs."""
    clock = ManualClock()
    clock.advance(timedelta(minutes=80 - clock.now().minute))
    cloud = Cloud(tmp_path / "cloud", clock=clock)
    yield Lab(cloud, clock)
    cloud.stop()


def test_a_run_starts_at_each_due_time(lab: Lab) -> None:
    lab.create()
    schedule = lab.pass_hours(1)
    assert len(lab.started) == 1
    assert schedule["startedRunCount"] == "1"
    assert schedule["lastScheduledRunResponse"]["scheduledRunTime"] == lab.started[0]
    assert "/pipelineJobs/" in schedule["lastScheduledRunResponse"]["runResponse"]
    assert schedule["nextRunTime"] > lab.clock.timestamp()
    lab.pass_hours(0.01)
    assert len(lab.started) == 1
    lab.pass_hours(1)
    assert len(lab.started) == 2


def test_no_more_runs_than_allowed_are_active_and_the_others_are_skipped(lab: Lab) -> None:
    lab.create(maxConcurrentRunCount="1")
    lab.pass_hours(1)
    schedule = lab.pass_hours(1)
    assert len(lab.started) == 1
    assert "skipped" in schedule["lastScheduledRunResponse"]["runResponse"]
    lab.finish_all()
    lab.pass_hours(0.01)
    assert len(lab.started) == 1


def test_with_queueing_they_wait_instead(lab: Lab) -> None:
    lab.create(maxConcurrentRunCount="1", allowQueueing=True)
    lab.pass_hours(1)
    lab.pass_hours(1)
    assert len(lab.started) == 1
    lab.finish_all()
    lab.pass_hours(0.01)
    assert len(lab.started) == 2


def test_a_schedule_completes_after_its_last_run(lab: Lab) -> None:
    lab.create(maxRunCount="2")
    for _ in range(4):
        schedule = lab.pass_hours(1)
    assert len(lab.started) == 2
    assert schedule["state"] == "COMPLETED"
    assert "nextRunTime" not in schedule


def test_a_schedule_completes_at_its_end(lab: Lab) -> None:
    end = (lab.clock.now() + timedelta(hours=1.5)).isoformat()
    lab.create(endTime=end)
    for _ in range(4):
        schedule = lab.pass_hours(1)
    assert len(lab.started) in {1, 2}
    assert schedule["state"] == "COMPLETED"


def test_a_run_that_is_refused_is_told_and_the_schedule_goes_on(lab: Lab) -> None:
    lab.create(display="refused")
    schedule = lab.pass_hours(1)
    assert schedule["lastScheduledRunResponse"]["runResponse"] == "no such bucket"
    assert schedule["startedRunCount"] == "0"
    assert schedule["state"] == "ACTIVE"


def test_a_paused_schedule_starts_nothing(lab: Lab) -> None:
    name = lab.create()
    lab.cloud.vertex.schedules.update(name, lambda each: each.update(state="PAUSED"))
    lab.pass_hours(3)
    assert lab.started == []


def test_a_paused_schedule_can_catch_up_on_all_that_it_missed(lab: Lab) -> None:
    lab.create(maxConcurrentRunCount="1")
    lab.call("pause")
    assert lab.pass_hours(3)["lastPauseTime"]
    lab.call("resume", catchUp=True)
    for count in (1, 2, 3):
        lab.pass_hours(0.001)
        assert len(lab.started) == count
        lab.finish_all()
    assert lab.started == sorted(set(lab.started))
    lab.pass_hours(0.001)
    assert len(lab.started) == 3


def test_without_catching_up_what_was_missed_is_gone(lab: Lab) -> None:
    lab.create()
    lab.call("pause")
    lab.pass_hours(3)
    lab.call("resume")
    assert lab.pass_hours(0.001)["nextRunTime"] > lab.clock.timestamp()
    assert lab.started == []


def test_times_that_are_skipped_do_not_count_as_runs(lab: Lab) -> None:
    lab.create(maxRunCount="2", maxConcurrentRunCount="1")
    schedule = lab.pass_hours(5)
    assert (len(lab.started), schedule["startedRunCount"], schedule["state"]) == (1, "1", "ACTIVE")
    lab.finish_all()
    assert lab.pass_hours(1)["state"] == "COMPLETED"
    assert len(lab.started) == 2


def test_the_limit_of_active_runs_holds_beside_that_of_started_ones(lab: Lab) -> None:
    lab.create(maxConcurrentRunCount="9", maxConcurrentActiveRunCount="2", allowQueueing=True)
    lab.pass_hours(4)
    assert len(lab.started) == 2
    lab.finish_all()
    lab.pass_hours(0.001)
    assert len(lab.started) == 4


def test_a_schedule_stays_active_until_its_end_though_nothing_more_is_due(lab: Lab) -> None:
    lab.create(cron="0 0 1 1 *", endTime=(lab.clock.now() + timedelta(hours=2)).isoformat())
    assert lab.pass_hours(1)["state"] == "ACTIVE"
    assert lab.pass_hours(1.5)["state"] == "COMPLETED"


def test_a_cloud_that_dies_between_a_run_and_its_record_starts_no_second_one(lab: Lab) -> None:
    name = lab.create()
    lab.pass_hours(1)
    before = lab.cloud.vertex.schedules.get(name)
    due = before["lastScheduledRunResponse"]["scheduledRunTime"]
    lab.cloud.vertex.schedules.update(name, lambda each: each.update(nextRunTime=due, startedRunCount="0"))
    after = lab.pass_hours(0.001)
    assert len(lab.started) == 1
    assert (after["startedRunCount"], after["nextRunTime"]) == ("1", before["nextRunTime"])


def test_a_month_of_missed_minutes_is_taken_in_at_once(lab: Lab) -> None:
    lab.create(cron="* * * * *", maxConcurrentRunCount="1")
    schedule = lab.pass_hours(24 * 30)
    assert len(lab.started) == 1
    assert "skipped" in schedule["lastScheduledRunResponse"]["runResponse"]
    assert schedule["nextRunTime"] > schedule["lastScheduledRunResponse"]["scheduledRunTime"]


def test_a_scheduled_run_is_a_pipeline_job_of_its_schedule(tmp_path: Path) -> None:
    clock = ManualClock()
    cloud = Cloud(tmp_path / "cloud", clock=clock)
    cloud.objects.buckets.create("acme-recsys", {"name": "bucket-of-runs"})
    cloud.start("http://127.0.0.1:9")
    try:
        lab_clock = clock.timestamp()
        spec = {
            "schemaVersion": "2.1.0",
            "pipelineInfo": {"name": "importing"},
            "root": {"dag": {"tasks": {"importer": {"componentRef": {"name": "comp"}}}}},
            "components": {"comp": {"executorLabel": "exec", "outputDefinitions": {"artifacts": {"artifact": {}}}}},
            "deploymentSpec": {"executors": {"exec": {"importer": {"artifactUri": {"constant": "gs://b/x"}}}}},
        }
        config = {"gcsOutputDirectory": "gs://bucket-of-runs/root"}
        body = {
            **{"cron": "0 * * * *", "maxConcurrentRunCount": "1", "startTime": lab_clock, "startedRunCount": "0"},
            **{"state": "ACTIVE", "nextRunTime": lab_clock},
            "createPipelineJobRequest": {"pipelineJob": {"pipelineSpec": spec, "runtimeConfig": config}},
        }
        name = cloud.vertex.schedules.create(f"{PARENT}/schedules/1", body)["name"]
        cloud.vertex.schedules.fire_due()
        run = cloud.vertex.schedules.get(name)["lastScheduledRunResponse"]["runResponse"]
        deadline = time.monotonic() + 10
        while cloud.vertex.pipelines.get(run)["state"] != "PIPELINE_STATE_SUCCEEDED":
            assert time.monotonic() < deadline, cloud.vertex.pipelines.get(run)
            time.sleep(0.02)
        assert cloud.vertex.pipelines.get(run)["scheduleName"] == cloud.projects.with_number(name)
        assert cloud.vertex.pipelines._context(cloud.vertex.pipelines.get(run), {}).schedule_time == lab_clock
    finally:
        cloud.stop()
