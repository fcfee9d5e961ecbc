"""Starting what Cloud Scheduler's jobs are for, on time or by `:run`.

Owns: attempts and retries. A request goes where outbound.py lets it go.
Source: https://cloud.google.com/scheduler/docs/reference/rest/v1/projects.locations.jobs#RetryConfig
"""

import base64
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from local.cloud.call import Call
from local.cloud.clock import parse_rfc3339, rfc3339
from local.cloud.durations import seconds
from local.cloud.errors import ApiError
from local.cloud.outbound import Outbound
from local.cloud.pubsub.topics import Topics
from local.cloud.routing import Route
from local.cloud.scheduler.jobs import SchedulerJobs

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_RETRY = "cloudscheduler.retry"
_TICK_SECONDS = 1.0
_NOT_FOUND, _UNAVAILABLE, _UNKNOWN = 5, 14, 2


class Firing:
    def __init__(self, cloud: "Cloud", jobs: SchedulerJobs, topics: Topics) -> None:
        self._cloud = cloud
        self._jobs = jobs
        self._topics = topics
        self._outbound = Outbound(cloud)

    def start(self) -> None:
        self._cloud.background.every(_TICK_SECONDS, self.fire_due, "cloudscheduler")

    def route(self) -> Route:
        template = "/v1/{name=projects/*/locations/*/jobs/*}:run"
        return Route("POST", template, self._run, f"{self._jobs.kind}.run")

    def fire_due(self) -> None:
        """Attempt every job that is due by the cloud's clock, and every retry."""
        now = self._cloud.clock.now()
        for name, job in self._cloud.store.list(self._jobs.kind):
            retry = self._cloud.store.get(_RETRY, name)
            due = job.get("scheduleTime")
            if job["state"] == "ENABLED" and due and parse_rfc3339(due) <= now:
                self._cloud.store.delete(_RETRY, name)
                self._jobs.keep(self._jobs.rescheduled(job))
                self.attempt(name, number=0)
            elif retry and parse_rfc3339(retry["due"]) <= now:
                self.attempt(name, number=retry["number"])

    def attempt(self, name: str, *, number: int) -> dict[str, Any]:
        """Try once and note how it went; a failure is tried again if the job says so."""
        job = self._jobs.named(name)
        code, message = self._send(job)
        status = {"code": code, "message": message} if code else {}
        with self._cloud.store.transaction():
            job = self._jobs.find(name) or job
            kept = self._jobs.keep(job | {"lastAttemptTime": self._cloud.clock.timestamp(), "status": status})
            self._cloud.store.delete(_RETRY, name)
            if code and (wait := _backoff(job, number)) is not None:
                due = rfc3339(self._cloud.clock.now() + timedelta(seconds=wait))
                self._cloud.store.put(_RETRY, name, {"number": number + 1, "due": due}, parent="")
        return kept

    def _run(self, call: Call) -> dict[str, Any]:
        return self._jobs.show(self.attempt(self._jobs.named(call.params["name"])["name"], number=0))

    def _send(self, job: dict[str, Any]) -> tuple[int, str]:
        """The google.rpc.Code of the attempt, 0 for success, and its message."""
        if target := job.get("pubsubTarget"):
            message = {key: target[key] for key in ("data", "attributes") if target.get(key)}
            try:
                self._topics.publish(self._cloud.projects.with_id(target["topicName"]), [message])
            except ApiError as error:
                return _NOT_FOUND, error.message
            return 0, ""
        target = job.get("httpTarget")
        if not target:
            return _UNAVAILABLE, "App Engine does not exist in the local cloud"
        account = (target.get("oauthToken") or target.get("oidcToken") or {}).get("serviceAccountEmail", "")
        status, why = self._outbound.send(
            target.get("httpMethod") or "POST",
            target["uri"],
            headers={**target["headers"], "X-CloudScheduler": "true", "X-CloudScheduler-JobName": _short(job)},
            data=base64.b64decode(target.get("body") or ""),
            account=account,
            timeout_seconds=seconds(job.get("attemptDeadline")) or 180.0,
        )
        if 200 <= status < 300:
            return 0, ""
        return (_UNKNOWN, f"{target['uri']} answered {status}") if status else (_UNAVAILABLE, why)


def _backoff(job: dict[str, Any], number: int) -> float | None:
    """Seconds to the next retry after `number` of them; None where there is none."""
    config = job.get("retryConfig") or {}
    if number >= int(config.get("retryCount") or 0):
        return None
    least, most = seconds(config["minBackoffDuration"]) or 0, seconds(config["maxBackoffDuration"]) or 0
    return min(least * 2 ** min(number, int(config["maxDoublings"])), most)


def _short(job: dict[str, Any]) -> str:
    return job["name"].rsplit("/", 1)[-1]
