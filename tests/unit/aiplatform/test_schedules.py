"""Schedules on a clock that is moved by hand."""

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
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

    def _submit(self, parent: str, body: dict[str, Any], short: str = "", *, schedule: str = "") -> dict[str, Any]:
        if body.get("displayName") == "refused":
            raise ApiError(400, "no such bucket")
        self.started.append(self.clock.timestamp())
        name = f"{parent}/pipelineJobs/run-{len(self.started)}"
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
        due = schedules._next(body, now, started=0)
        return schedules.create(f"{PARENT}/schedules/1", {**body, "nextRunTime": due})["name"]

    def pass_hours(self, hours: float) -> dict[str, Any]:
        self.clock.advance(timedelta(hours=hours))
        self.cloud.vertex.schedules.fire_due()
        return self.cloud.vertex.schedules.get(f"{PARENT}/schedules/1")

    def finish_all(self) -> None:
        for job in self.cloud.vertex.pipelines.all():
            self.cloud.vertex.pipelines.update(job["name"], lambda each: each.update(state="PIPELINE_STATE_SUCCEEDED"))


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    clock = ManualClock()
    cloud = Cloud(tmp_path / "cloud", clock=clock)
    yield Lab(cloud, clock)
    cloud.stop()


def test_a_run_starts_at_each_due_time(lab: Lab) -> None:
    lab.create()
    schedule = lab.pass_hours(1)
    assert len(lab.started) == 1
    assert schedule["startedRunCount"] == "1"
    assert schedule["lastScheduledRunResponse"]["runResponse"].endswith("/run-1")
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
    assert "1 runs are active" in schedule["lastScheduledRunResponse"]["runResponse"]
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
    finally:
        cloud.stop()
