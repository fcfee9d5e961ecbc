from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.aiplatform_v1.types import CreatePipelineJobRequest, Schedule
from google.protobuf.field_mask_pb2 import FieldMask

from tests.unit.pipelines.compiled import compiled

from .conftest import PARENT, Vertex, violations
from .pipelines import sleeper
from .test_pipeline_jobs import pipeline_job

JOB = pipeline_job(compiled(sleeper), seconds=0.0)


def schedule(**more: Any) -> Schedule:
    request = CreatePipelineJobRequest(parent=PARENT, pipeline_job=JOB)
    fields = {"display_name": "nightly", "cron": "TZ=Europe/Paris 0 3 * * *", "max_concurrent_run_count": 1}
    return Schedule(**{"create_pipeline_job_request": request, **fields, **more})


def test_a_schedule_is_created_read_changed_paused_resumed_and_deleted(vertex: Vertex) -> None:
    client = vertex.client("ScheduleService")
    made = client.create_schedule(parent=PARENT, schedule=schedule())
    assert made.state == Schedule.State.ACTIVE
    assert made.next_run_time.astimezone().utctimetuple().tm_hour in {1, 2}
    assert made.started_run_count == 0
    assert made.create_pipeline_job_request.pipeline_job.pipeline_spec["pipelineInfo"]["name"] == "sleeper"
    made.cron = "30 4 * * *"
    changed = client.update_schedule(schedule=made, update_mask=FieldMask(paths=["cron"]))
    assert changed.cron == "30 4 * * *"
    assert (changed.next_run_time.hour, changed.next_run_time.minute) == (4, 30)
    client.pause_schedule(name=made.name)
    paused = client.get_schedule(name=made.name)
    assert paused.state == Schedule.State.PAUSED
    assert paused.last_pause_time
    client.resume_schedule(name=made.name, catch_up=True)
    resumed = client.get_schedule(name=made.name)
    assert resumed.state == Schedule.State.ACTIVE
    assert resumed.catch_up
    assert made.name in [
        each.name for each in client.list_schedules(request={"parent": PARENT, "filter": "state=ACTIVE"})
    ]
    client.delete_schedule(name=made.name).result()
    with pytest.raises(exceptions.NotFound):
        client.get_schedule(name=made.name)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"cron": "every day"}, "cron"),
        ({"max_concurrent_run_count": 0}, "maxConcurrentRunCount"),
        ({"display_name": ""}, "displayName"),
        ({"create_pipeline_job_request": None}, "createPipelineJobRequest"),
        (
            {"create_pipeline_job_request": {"parent": PARENT.replace("west1", "west4"), "pipeline_job": JOB}},
            "createPipelineJobRequest.parent",
        ),
    ],
)
def test_a_schedule_that_google_refuses_is_refused(vertex: Vertex, change: dict[str, Any], field: str) -> None:
    fields = {key: value for key, value in change.items() if value is not None}
    made = schedule(**fields)
    if field == "createPipelineJobRequest":
        made = Schedule(display_name="x", cron="0 3 * * *", max_concurrent_run_count=1)
    with pytest.raises(exceptions.BadRequest) as refused:
        vertex.client("ScheduleService").create_schedule(parent=PARENT, schedule=made)
    assert list(violations(refused)) == [field]


def test_a_schedule_of_a_template_that_could_never_run_is_refused_by_name(vertex: Vertex) -> None:
    made = schedule()
    job = made.create_pipeline_job_request.pipeline_job
    del job.pipeline_spec
    job.template_uri = "https://europe-west1-kfp.pkg.dev/acme/pipelines/sleeper/latest"
    with pytest.raises(exceptions.BadRequest, match="templateUri"):
        vertex.client("ScheduleService").create_schedule(parent=PARENT, schedule=made)


@pytest.mark.parametrize(("key", "value"), [("maxConcurrentRunCount", "x"), ("startTime", "tomorrow")])
def test_what_does_not_parse_is_refused_with_its_value(vertex: Vertex, key: str, value: str) -> None:
    answer = vertex.cloud.json("POST", f"/v1/{PARENT}/schedules", {key: value}, status=400)
    assert answer["error"]["details"][0]["fieldViolations"][0]["field"] == key
    assert value in answer["error"]["message"]
