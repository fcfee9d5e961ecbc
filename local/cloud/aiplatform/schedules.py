"""Schedules that create pipeline jobs.

Owns: their REST methods and their firing. Notebook runs can be scheduled but do not happen here.
Source: https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.schedules
"""

import logging
import threading
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from local.cloud import cron
from local.cloud.aiplatform.messages import canonical
from local.cloud.aiplatform.pipeline_jobs import PipelineJobs, account_of, generated_id, refuse_template
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
_LIMITS = ("maxConcurrentRunCount", "maxConcurrentActiveRunCount")
_INSTANT = timedelta(microseconds=1)
_TICK_SECONDS = 1.0


class Schedules(Collection):
    def __init__(self, cloud: "Cloud", pipelines: PipelineJobs) -> None:
        super().__init__(cloud, "Schedule")
        self._pipelines = pipelines
        self._firing = threading.Lock()

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
        self.cloud.on_clock_jump.append(self.fire_due)
        self.cloud.background.every(_TICK_SECONDS, self.fire_due, "schedules")

    def fire_due(self) -> None:
        """Start every run that is due by the cloud's clock, and complete the schedules that are over."""
        with self._firing:
            for schedule in self.all():
                if schedule["state"] == "ACTIVE":
                    try:
                        self._fire(schedule)
                    except ApiError:
                        _LOG.exception("schedule %s could not start its run", schedule["name"])

    def _fire(self, schedule: Resource) -> None:
        """Start what has waited, then take the due times in, in their order.

        A time for which there is no room is skipped; it waits instead where queueing is allowed, or where it was missed
        during a pause and is to be caught up.
        """
        name, now = schedule["name"], self.cloud.clock.now()
        held = (self.cloud.store.get(_QUEUE, name) or {"times": []})["times"]
        waiting, skipped = self._start_waiting(name, held), []
        due_times, later = self._due_until(schedule, now)
        caught_up = _moment(schedule, "lastResumeTime") if schedule.get("catchUp") else None
        for due in due_times:
            if self._is_spent(name):
                break
            if not waiting and not skipped and self._may_start(name, due):
                self._start_run(name, due)
            elif schedule.get("allowQueueing") or (caught_up and parse_rfc3339(due) <= caught_up):
                waiting.append(due)
            else:
                skipped.append(due)
        with self.cloud.store.transaction():
            if skipped:
                self._answer(name, skipped[-1], "skipped: as many runs are active as are allowed at once")
            if due_times:
                self.update(name, lambda each: _set(each, "nextRunTime", later))
            if waiting != held:
                self.cloud.store.put(_QUEUE, name, {"times": waiting})
            if self._is_over(name, now) and not waiting:
                self.update(name, _complete)

    def _due_until(self, schedule: Resource, now: datetime) -> tuple[list[str], str | None]:
        """The times that have come, and the one that is next."""
        found, due = [], schedule.get("nextRunTime")
        while due and parse_rfc3339(due) <= now:
            found.append(due)
            due = self._next(schedule, due)
        return found, due

    def _start_waiting(self, name: str, waiting: list[str]) -> list[str]:
        """Start the oldest of the times that wait while there is room; those that still wait."""
        while waiting and not self._is_spent(name) and self._may_start(name, waiting[0]):
            self._start_run(name, waiting[0])
            waiting = waiting[1:]
        return [] if self._is_spent(name) else list(waiting)

    def _is_spent(self, name: str) -> bool:
        """Whether all the runs that the schedule may start have started."""
        schedule = self.get(name)
        most = as_int(schedule.get("maxRunCount"))
        return most is not None and int(schedule["startedRunCount"]) >= most

    def _is_over(self, name: str, now: datetime) -> bool:
        schedule = self.get(name)
        end = _moment(schedule, "endTime")
        return self._is_spent(name) or (end <= now if end else not schedule.get("nextRunTime"))

    def _start_run(self, name: str, due: str) -> None:
        """A run's id is of its schedule and due time: a cloud that dies here starts no second one."""
        schedule = self.get(name)
        request = schedule.get("createPipelineJobRequest")
        if request is None:
            self._answer(name, due, "notebook runs do not happen in the local cloud")
            return
        if self._pipelines.find(run := self._run_name(schedule, due)) is None:
            body = canonical("PipelineJob", request["pipelineJob"], "pipeline_job")
            short, shown = run.rsplit("/", 1)[-1], self.shown(schedule)["name"]
            try:
                self._pipelines.submit(location_of(name), body, short, schedule=shown, schedule_time=due)
            except ApiError as error:
                self._answer(name, due, error.message)
                return
        self._answer(name, due, run)

    def _run_name(self, schedule: Resource, due: str) -> str:
        name, body = schedule["name"], schedule.get("createPipelineJobRequest", {}).get("pipelineJob", {})
        return f"{location_of(name)}/pipelineJobs/{generated_id(body, due)[:100]}-{name.rsplit('/', 1)[-1]}"

    def _answer(self, name: str, due: str, response: str) -> None:
        def change(schedule: Resource) -> None:
            if "/pipelineJobs/" in response:
                schedule["startedRunCount"] = str(int(schedule["startedRunCount"]) + 1)
            schedule["lastScheduledRunResponse"] = {"scheduledRunTime": due, "runResponse": response}
            if schedule.get("nextRunTime") == due:
                _set(schedule, "nextRunTime", self._next(schedule, due))

        self.update(name, change)

    def _may_start(self, name: str, due: str) -> bool:
        """Whether one more run may be active now, or the run is there already."""
        schedule, shown = self.get(name), self.cloud.projects.with_number(name)
        if self._pipelines.find(self._run_name(schedule, due)):
            return True
        limits = [as_int(schedule.get(key)) for key in _LIMITS]
        most = min(limit for limit in limits if limit is not None)
        jobs = self._pipelines.all(location_of(name))
        return sum(job.get("scheduleName") == shown and job["state"] in _RUNNING for job in jobs) < most

    def _next(self, schedule: Resource, after: str) -> str | None:
        """The due time after one, within the schedule's start and end."""
        moment = max(parse_rfc3339(after), parse_rfc3339(schedule["startTime"]) - _INSTANT)
        due = cron.parse(schedule["cron"]).next_after(moment)
        end = schedule.get("endTime")
        if due is None or (end and due >= parse_rfc3339(end)):
            return None
        return rfc3339(due)

    def _create(self, call: Call) -> dict[str, Any]:
        body = canonical("Schedule", call.object(), "schedule")
        self._check(body, call.params["parent"])
        self._act_as(call, body, call.params["parent"])
        now = self.cloud.clock.timestamp()
        made = {"startTime": now, **without_output_only(body, *_OUTPUT_ONLY)}
        made |= {"state": "ACTIVE", "startedRunCount": "0", "catchUp": False}
        due = self._next(made, now)
        if due:
            made["nextRunTime"] = due
        elif not (end := _moment(made, "endTime")) or end <= self.cloud.clock.now():
            made["state"] = "COMPLETED"
        return self.shown(self.create(f"{call.params['parent']}/schedules/{new_id()}", made))

    def _patch(self, call: Call) -> dict[str, Any]:
        body = canonical("Schedule", call.object(), "schedule")
        with self.cloud.store.transaction():
            schedule = self.patch(call, body, fixed=_OUTPUT_ONLY if call.query.get("updateMask") else ())
            self._check(schedule, location_of(schedule["name"]))
            self._act_as(call, schedule, location_of(schedule["name"]))
            if schedule["state"] == "ACTIVE":
                now = self.cloud.clock.timestamp()
                due = self._next(schedule, now)
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
        """With `catchUp`, the times that were missed while it was paused are due at once, before any new one."""
        schedule = self.get(call.params["name"])
        if schedule["state"] == "COMPLETED":
            raise failed_precondition(f"Schedule {schedule['name']} is COMPLETED: it can no longer be resumed.")
        catch_up = bool(call.object().get("catchUp", call.object().get("catch_up", False)))
        now = self.cloud.clock.timestamp()
        due = self._next(schedule, schedule.get("lastPauseTime", now) if catch_up else now)

        def resume(each: Resource) -> None:
            each |= {"state": "ACTIVE", "lastResumeTime": now, "catchUp": catch_up}
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
        if job:
            act_as(self.cloud, call.caller, account_of(self.cloud, job, location))

    def _check(self, body: Resource, location: str) -> None:
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
        for key in ("maxRunCount", "maxConcurrentActiveRunCount"):
            if body.get(key) is not None:
                found.within(1, (1 << 63) - 1, body[key], key)
        start, end = body.get("startTime"), body.get("endTime")
        late = start and end and parse_rfc3339(end) <= parse_rfc3339(start)
        found.unless(not late, "endTime", f"{end!r} is not after startTime, {start!r}")
        requests = [name for name in _RUN_REQUESTS if body.get(name)]
        found.unless(
            len(requests) == 1, "createPipelineJobRequest", f"exactly one of {' and '.join(_RUN_REQUESTS)} is required"
        )
        if requests == ["createPipelineJobRequest"]:
            given = self.cloud.projects.with_id(body["createPipelineJobRequest"].get("parent", "") or location)
            other = f"{given!r} is not the schedule's own location, {location!r}"
            found.unless(given == location, "createPipelineJobRequest.parent", other)
            _check_pipeline(found, body["createPipelineJobRequest"].get("pipelineJob", {}))
        found.refuse()


def _check_pipeline(found: Violations, job: Resource) -> None:
    refuse_template(job)
    at = "createPipelineJobRequest.pipelineJob"
    spec = job.get("pipelineSpec")
    root = job.get("runtimeConfig", {}).get("gcsOutputDirectory", "")
    found.unless(root.startswith("gs://"), f"{at}.runtimeConfig.gcsOutputDirectory", f"{root!r} is not a gs:// URI")
    if not isinstance(spec, dict) or not spec:
        found.add(f"{at}.pipelineSpec", "is required")
        return
    for field, description in problems_of(spec):
        found.add(f"{at}.{field}", description)


def _moment(schedule: Resource, key: str) -> datetime | None:
    return parse_rfc3339(schedule[key]) if schedule.get(key) else None


def _complete(schedule: Resource) -> None:
    schedule["state"] = "COMPLETED"
    schedule.pop("nextRunTime", None)


def _set(resource: Resource, key: str, value: Any) -> None:
    """Set a field, or clear it where the value is None."""
    if value is None:
        resource.pop(key, None)
    else:
        resource[key] = value
