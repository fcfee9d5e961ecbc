"""Schedules that create pipeline jobs.

Owns: their REST methods and their firing. Notebook runs can be scheduled but do not happen here.
Source: https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.schedules
"""

import logging
from typing import TYPE_CHECKING, Any

from local.cloud.aiplatform import cron
from local.cloud.aiplatform.messages import canonical
from local.cloud.aiplatform.pipeline_jobs import PipelineJobs
from local.cloud.aiplatform.resources import Collection, Resource, done, location_of, new_id, without_output_only
from local.cloud.call import Call
from local.cloud.clock import parse_rfc3339, rfc3339
from local.cloud.errors import ApiError, failed_precondition
from local.cloud.iam.enforcement import act_as
from local.cloud.pipelines.spec import problems_of
from local.cloud.routing import Route
from local.cloud.validation import Violations, as_int

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_LOG = logging.getLogger(__name__)
_QUEUE = "aiplatform.Schedule.queue"
_OUTPUT_ONLY = (
    *("state", "startedRunCount", "nextRunTime", "lastPauseTime", "lastResumeTime", "catchUp"),
    "lastScheduledRunResponse",
)
_RUN_REQUESTS = ("createPipelineJobRequest", "createNotebookExecutionJobRequest")
_RUNNING = frozenset({"PIPELINE_STATE_PENDING", "PIPELINE_STATE_RUNNING", "PIPELINE_STATE_CANCELLING"})
_TICK_SECONDS = 1.0


class Schedules(Collection):
    def __init__(self, cloud: "Cloud", pipelines: PipelineJobs) -> None:
        super().__init__(cloud, "Schedule")
        self._pipelines = pipelines

    def routes(self) -> list[Route]:
        parent = "/v1/{parent=projects/*/locations/*}/schedules"
        name = "/v1/{name=projects/*/locations/*/schedules/*}"
        may = "aiplatform.schedules"
        return [
            Route("POST", parent, self._create, f"{may}.create"),
            Route("GET", parent, lambda call: self.page(call, "schedules"), f"{may}.list"),
            Route("GET", name, lambda call: self.shown(self.get(call.params["name"])), f"{may}.get"),
            Route("PATCH", name, self._patch, f"{may}.update"),
            Route("POST", f"{name}:pause", self._pause, f"{may}.update"),
            Route("POST", f"{name}:resume", self._resume, f"{may}.update"),
            Route("DELETE", name, self._delete, f"{may}.delete"),
        ]

    def start(self) -> None:
        self.cloud.background.every(_TICK_SECONDS, self.fire_due, "schedules")

    def fire_due(self) -> None:
        """Start every run that is due by the cloud's clock."""
        now = self.cloud.clock.now()
        for schedule in self.all():
            due = schedule.get("nextRunTime")
            waiting = self.cloud.store.get(_QUEUE, schedule["name"])
            if schedule["state"] == "ACTIVE" and (waiting or (due and parse_rfc3339(due) <= now)):
                try:
                    self._fire(schedule, waiting or {"times": []})
                except ApiError:
                    _LOG.exception("schedule %s could not start its run", schedule["name"])

    def _fire(self, schedule: Resource, waiting: dict[str, Any]) -> None:
        """Take the due times in, then start as many runs as may run at once."""
        name, now = schedule["name"], self.cloud.clock.now()
        times: list[str] = waiting["times"]
        due = schedule.get("nextRunTime")
        while due and parse_rfc3339(due) <= now:
            times.append(due)
            due = self._next(schedule, due, started=int(schedule["startedRunCount"]) + len(times))
            schedule = self.update(name, lambda each, due=due: _set(each, "nextRunTime", due))
        most = int(schedule["maxConcurrentRunCount"])
        running = self._running(name)
        while times and running < most:
            self._start_run(name, times.pop(0))
            running += 1
        if times and not schedule.get("allowQueueing"):
            for missed in times:
                self._answer(name, missed, f"{running} runs are active and {most} are allowed at once")
            times = []
        if times:
            self.cloud.store.put(_QUEUE, name, {"times": times})
        else:
            self.cloud.store.delete(_QUEUE, name)
            if not self.get(name).get("nextRunTime"):
                self.update(name, lambda each: each.update(state="COMPLETED"))

    def _start_run(self, name: str, due: str) -> None:
        schedule = self.get(name)
        request = schedule.get("createPipelineJobRequest")
        if request is None:
            self._answer(name, due, "notebook runs do not happen in the local cloud")
            return
        body = canonical("PipelineJob", request["pipelineJob"], "pipeline_job")
        shown = self.shown(schedule)["name"]
        try:
            job = self._pipelines.submit(location_of(name), body, request.get("pipelineJobId", ""), schedule=shown)
            self._answer(name, due, job["name"])
        except ApiError as error:
            self._answer(name, due, error.message)

    def _answer(self, name: str, due: str, response: str) -> None:
        def change(schedule: Resource) -> None:
            if "/pipelineJobs/" in response:
                schedule["startedRunCount"] = str(int(schedule["startedRunCount"]) + 1)
            schedule["lastScheduledRunResponse"] = {"scheduledRunTime": due, "runResponse": response}

        self.update(name, change)

    def _running(self, name: str) -> int:
        shown = self.cloud.projects.with_number(name)
        jobs = self._pipelines.all(location_of(name))
        return sum(job.get("scheduleName") == shown and job["state"] in _RUNNING for job in jobs)

    def _next(self, schedule: Resource, after: str, *, started: int) -> str | None:
        """The due time after one, within the schedule's limits."""
        most = as_int(schedule.get("maxRunCount"))
        if most is not None and started >= most:
            return None
        moment = max(parse_rfc3339(after), parse_rfc3339(schedule["startTime"]))
        due = cron.parse(schedule["cron"]).next_after(moment)
        end = schedule.get("endTime")
        if due is None or (end and due >= parse_rfc3339(end)):
            return None
        return rfc3339(due)

    def _create(self, call: Call) -> dict[str, Any]:
        body = canonical("Schedule", call.object(), "schedule")
        self._check(body)
        self._act_as(call, body, call.params["parent"])
        now = self.cloud.clock.timestamp()
        made = {"startTime": now, **without_output_only(body, *_OUTPUT_ONLY)}
        made |= {"state": "ACTIVE", "startedRunCount": "0", "catchUp": False}
        due = self._next(made, now, started=0)
        made = {**made, "nextRunTime": due} if due else {**made, "state": "COMPLETED"}
        return self.shown(self.create(f"{call.params['parent']}/schedules/{new_id()}", made))

    def _patch(self, call: Call) -> dict[str, Any]:
        body = canonical("Schedule", call.object(), "schedule")
        with self.cloud.store.transaction():
            schedule = self.patch(call, body, fixed=_OUTPUT_ONLY if call.query.get("updateMask") else ())
            self._check(schedule)
            self._act_as(call, schedule, location_of(schedule["name"]))
            if schedule["state"] == "ACTIVE":
                now = self.cloud.clock.timestamp()
                due = self._next(schedule, now, started=int(schedule["startedRunCount"]))
                schedule = self.update(schedule["name"], lambda each: _set(each, "nextRunTime", due))
        return self.shown(schedule)

    def _pause(self, call: Call) -> dict[str, Any]:
        schedule = self.get(call.params["name"])
        if schedule["state"] == "COMPLETED":
            raise failed_precondition(f"Schedule {schedule['name']} is COMPLETED: it can no longer be paused.")

        def pause(each: Resource) -> None:
            each |= {"state": "PAUSED", "lastPauseTime": self.cloud.clock.timestamp()}

        if schedule["state"] == "ACTIVE":
            self.update(schedule["name"], pause)
        return {}

    def _resume(self, call: Call) -> dict[str, Any]:
        """With `catchUp`, the times that were missed while it was paused are due at once."""
        schedule = self.get(call.params["name"])
        if schedule["state"] == "COMPLETED":
            raise failed_precondition(f"Schedule {schedule['name']} is COMPLETED: it can no longer be resumed.")
        catch_up = bool(call.object().get("catchUp", call.object().get("catch_up", False)))
        now = self.cloud.clock.timestamp()
        since = schedule.get("lastPauseTime", now) if catch_up else now
        due = self._next(schedule, since, started=int(schedule["startedRunCount"]))

        def resume(each: Resource) -> None:
            each |= {"state": "ACTIVE" if due else "COMPLETED", "lastResumeTime": now, "catchUp": catch_up}
            _set(each, "nextRunTime", due)

        if schedule["state"] == "PAUSED":
            self.update(schedule["name"], resume)
        return {}

    def _delete(self, call: Call) -> dict[str, Any]:
        name = self.get(call.params["name"])["name"]
        self.remove(name)
        self.cloud.store.delete(_QUEUE, name)
        return done(call, "Delete", None)

    def _act_as(self, call: Call, body: Resource, location: str) -> None:
        job = body.get("createPipelineJobRequest", {}).get("pipelineJob", {})
        act_as(self.cloud, call.caller, job.get("serviceAccount", ""), location)

    def _check(self, body: Resource) -> None:
        found = Violations()
        found.unless(body.get("displayName"), "displayName", "is required")
        found.unless(len(body.get("displayName", "")) <= 128, "displayName", "has more than 128 characters")
        try:
            cron.parse(body.get("cron", ""))
        except cron.CronError as error:
            found.add("cron", str(error))
        count = as_int(body.get("maxConcurrentRunCount"))
        found.unless(
            count is not None and count >= 1,
            "maxConcurrentRunCount",
            f"{body.get('maxConcurrentRunCount')!r} is not at least 1",
        )
        if body.get("maxRunCount") is not None:
            found.within(1, (1 << 63) - 1, body["maxRunCount"], "maxRunCount")
        start, end = body.get("startTime"), body.get("endTime")
        found.unless(not (start and end) or start < end, "endTime", f"{end!r} is not after startTime, {start!r}")
        requests = [name for name in _RUN_REQUESTS if body.get(name)]
        found.unless(
            len(requests) == 1, "createPipelineJobRequest", f"exactly one of {' and '.join(_RUN_REQUESTS)} is required"
        )
        if requests == ["createPipelineJobRequest"]:
            _check_pipeline(found, body["createPipelineJobRequest"].get("pipelineJob", {}))
        found.refuse()


def _check_pipeline(found: Violations, job: Resource) -> None:
    at = "createPipelineJobRequest.pipelineJob"
    spec = job.get("pipelineSpec")
    root = job.get("runtimeConfig", {}).get("gcsOutputDirectory", "")
    found.unless(root.startswith("gs://"), f"{at}.runtimeConfig.gcsOutputDirectory", f"{root!r} is not a gs:// URI")
    if not isinstance(spec, dict) or not spec:
        found.unless(job.get("templateUri"), f"{at}.pipelineSpec", "is required")
        return
    for field, description in problems_of(spec):
        found.add(f"{at}.{field}", description)


def _set(resource: Resource, key: str, value: Any) -> None:
    """Set a field, or clear it where the value is None."""
    if value is None:
        resource.pop(key, None)
    else:
        resource[key] = value
