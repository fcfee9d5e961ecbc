"""The jobs of Cloud Scheduler: their methods and rules.

Source: https://cloud.google.com/scheduler/docs/reference/rest/v1/projects.locations.jobs
"""

import re
import secrets
from datetime import datetime
from typing import Any

from local.cloud import cron
from local.cloud.call import Call
from local.cloud.clock import rfc3339
from local.cloud.durations import seconds
from local.cloud.errors import invalid_argument
from local.cloud.iam.enforcement import act_as
from local.cloud.resources import Resources
from local.cloud.routing import Route
from local.cloud.validation import Violations

_ID = r"[A-Za-z0-9_-]{1,500}"
_TARGETS = ("pubsubTarget", "httpTarget", "appEngineHttpTarget")
_METHODS = ("POST", "GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS")
_RETRIES = {
    "retryCount": 0,
    "maxRetryDuration": "0s",
    "minBackoffDuration": "5s",
    "maxBackoffDuration": "3600s",
    "maxDoublings": 5,
}
_AGENT = "Google-Cloud-Scheduler"


class SchedulerJobs(Resources):
    kind = "cloudscheduler.jobs"
    collection = "jobs"
    message = "google.cloud.scheduler.v1.Job"
    output = ("name", "state", "userUpdateTime", "scheduleTime", "lastAttemptTime", "status")

    def routes(self) -> list[Route]:
        name = "/v1/{name=projects/*/locations/*/jobs/*}"
        return [
            *super().routes(),
            Route("POST", f"{name}:pause", self._pause, f"{self.kind}.pause"),
            Route("POST", f"{name}:resume", self._resume, f"{self.kind}.enable"),
        ]

    def new_id(self, call: Call, body: dict[str, Any]) -> str:
        """From the job's name, or one that the service makes up."""
        name = body.get("name")
        if not name:
            return secrets.token_hex(8)
        prefix, _, short = self.cloud.projects.with_id(str(name)).rpartition("/jobs/")
        if prefix != call.params["parent"]:
            raise invalid_argument([("name", f"{name!r} is not below {call.params['parent']}/jobs")])
        return short

    def signed(self, call: Call, resource: dict[str, Any]) -> dict[str, Any]:
        """A job that calls as an account needs a caller who may act as it, whatever of the job was changed."""
        for token in ("oauthToken", "oidcToken"):
            account = ((resource.get("httpTarget") or {}).get(token) or {}).get("serviceAccountEmail", "")
            act_as(self.cloud, call.caller, account)
        topic = self.cloud.projects.with_id(str((resource.get("pubsubTarget") or {}).get("topicName") or ""))
        project = resource["name"].split("/")[1]
        if topic and topic.split("/")[1] != project:
            rule = f"{topic!r} is not a topic of the job's own project, {project}"
            raise invalid_argument([("pubsubTarget.topicName", rule)])
        return resource

    def check(self, found: Violations, resource_id: str, body: dict[str, Any]) -> None:
        found.matches(_ID, resource_id, "name", "must end in 1 to 500 letters, digits, '_' and '-'")
        targets = [target for target in _TARGETS if body.get(target)]
        found.unless(len(targets) == 1, "pubsubTarget", f"exactly one of {', '.join(_TARGETS)} is required")
        if body.get("schedule"):
            try:
                due_after(body, self.cloud.clock.now())
            except cron.CronError as error:
                found.add("timeZone" if "time zone" in str(error) else "schedule", str(error))
        _check_retries(found, body.get("retryConfig") or {})
        _check_targets(found, body)

    def fill(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._updated({"name": name, "timeZone": "UTC", **body, "state": "ENABLED"})

    def refill(self, old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        return self._updated(new)

    def _updated(self, job: dict[str, Any]) -> dict[str, Any]:
        job = job | {"userUpdateTime": self.cloud.clock.timestamp()}
        if job.get("retryConfig"):
            job["retryConfig"] = {**_RETRIES, **job["retryConfig"]}
        if job.get("httpTarget"):
            headers = {**(job["httpTarget"].get("headers") or {}), "User-Agent": _AGENT}
            job["httpTarget"] = {**job["httpTarget"], "headers": headers}
        return self.rescheduled(job)

    def rescheduled(self, job: dict[str, Any]) -> dict[str, Any]:
        """With the next time at which it is due, by the present clock."""
        due = due_after(job, self.cloud.clock.now()) if job.get("schedule") else None
        kept = {key: value for key, value in job.items() if key != "scheduleTime"}
        return kept | ({"scheduleTime": rfc3339(due)} if due else {})

    def _pause(self, call: Call) -> dict[str, Any]:
        return self._switch(call, "PAUSED")

    def _resume(self, call: Call) -> dict[str, Any]:
        return self._switch(call, "ENABLED")

    def _switch(self, call: Call, state: str) -> dict[str, Any]:
        with self.store.transaction():
            job = self.named(call.params["name"])
            if job["state"] != state:
                job = self.keep(self.rescheduled(job | {"state": state}))
            return self.show(job)


_EVERY = re.compile(r"every\s+(\d+)\s+(minute|minutes|mins|hour|hours)", re.IGNORECASE)


def due_after(job: dict[str, Any], moment: datetime) -> datetime | None:
    """The first time after `moment`. Raises CronError. `every N minutes` is App Engine's older form."""
    text = job["schedule"].strip()
    if found := _EVERY.fullmatch(text):
        minutes = int(found[1]) * (60 if found[2].lower().startswith("hour") else 1)
        if not minutes:
            raise cron.CronError(f"schedule {text!r}: 0 is no interval")
        step = minutes * 60
        return datetime.fromtimestamp((moment.timestamp() // step + 1) * step, moment.tzinfo)
    return cron.parse(f"TZ={job.get('timeZone') or 'UTC'} {text}").next_after(moment)


def _check_retries(found: Violations, retries: dict[str, Any]) -> None:
    where = "retryConfig"
    if retries.get("retryCount") is not None:
        found.within(0, 5, retries["retryCount"], f"{where}.retryCount")
    if retries.get("maxDoublings") is not None:
        found.within(0, 16, retries["maxDoublings"], f"{where}.maxDoublings")
    for key in ("maxRetryDuration", "minBackoffDuration", "maxBackoffDuration"):
        if retries.get(key) is not None:
            length = seconds(retries[key])
            found.unless(length is not None and length >= 0, f"{where}.{key}", f"{retries[key]!r} is no duration")


def _check_targets(found: Violations, job: dict[str, Any]) -> None:
    pubsub, http = job.get("pubsubTarget"), job.get("httpTarget")
    if pubsub:
        rule = "is not projects/PROJECT/topics/TOPIC"
        found.matches(r"projects/[^/]+/topics/[^/]+", pubsub.get("topicName"), "pubsubTarget.topicName", rule)
        filled = pubsub.get("data") or pubsub.get("attributes")
        found.unless(filled, "pubsubTarget.data", "data or at least one attribute is required")
    if http:
        found.matches(
            r"https?://[^\s/]+(/\S*)?", http.get("uri"), "httpTarget.uri", "is not an http:// or https:// URL"
        )
        found.one_of(_METHODS, http.get("httpMethod") or "POST", "httpTarget.httpMethod")
        for token in ("oidcToken", "oauthToken"):
            if http.get(token):
                where = f"httpTarget.{token}.serviceAccountEmail"
                email = http[token].get("serviceAccountEmail")
                found.matches(r"[^@\s]+@[^@\s]+", email, where, "is not a service account's e-mail")
    if job.get("attemptDeadline") is not None:
        limit = seconds(job["attemptDeadline"])
        most = 86_700 if job.get("appEngineHttpTarget") else 1800
        rule = f"{job['attemptDeadline']!r} is not a duration from 15s to {most}s"
        found.unless(limit is not None and 15 <= limit <= most, "attemptDeadline", rule)
