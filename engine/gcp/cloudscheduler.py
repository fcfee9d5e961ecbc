"""Cloud Scheduler jobs."""

# ruff: noqa: ARG002, RUF012 (tables of class attributes, and methods of one signature)
from __future__ import annotations

import re
from typing import Any

from engine.gcp.resource import Call, RestType, fill
from engine.values import Properties

_AGENTS = {"Google-Cloud-Scheduler", "AppEngine-Google; (+http://code.google.com/appengine)"}
_RESERVED = re.compile(r"X-Google-|X-AppEngine-|Content-Length")


class Job(RestType):
    """A job. It is switched on or off after its creation, and after an update that changes that."""

    type_name = "gcp:cloudscheduler/job:Job"
    noun = "Job"
    service = "CLOUD_SCHEDULER"
    services = {"CLOUD_SCHEDULER"}
    identity = "projects/{project}/locations/{region}/jobs/{name}"
    collection = "projects/{project}/locations/{region}/jobs"
    masked = False
    waits = frozenset()
    table = """
    appEngineHttpTarget obj one_of=target
      appEngineRouting obj
        instance str some_of=routing
        service str some_of=routing
        version str some_of=routing
      body str
      headers map
      httpMethod str
      relativeUri str required
    attemptDeadline str default="180s" same=default-180s
    deletionPolicy str kept api=-
    description str
    httpTarget obj one_of=target
      body str
      headers map
      httpMethod str
      oauthToken obj
        scope str
        serviceAccountEmail str required
      oidcToken obj
        audience str
        serviceAccountEmail str required
      uri str required same=trailing-slash
    name str required replace auto api=-
    paused bool kept api=-
    project str kept replace api=-
    pubsubTarget obj one_of=target
      attributes map
      data str
      topicName str required
    region str kept replace api=-
    retryConfig obj
      maxBackoffDuration str kept some_of=retry
      maxDoublings int kept some_of=retry
      maxRetryDuration str kept some_of=retry
      minBackoffDuration str kept some_of=retry
      retryCount int kept some_of=retry
    schedule str
    state str out
    timeZone str default="Etc/UTC"
    """

    def settle(self, call: Call, identity: str, plan: Properties) -> None:
        self._switch(call, identity, plan)

    def body(self, plan: Properties) -> dict[str, Any]:
        return super().body(plan) | {"name": fill(self.identity, plan)}

    def update_body(self, plan: Properties) -> dict[str, Any]:
        body = super().update_body(plan)
        del body["name"]
        return body

    def update(self, call: Call, identity: str, prior: Properties, plan: Properties) -> Properties:
        changed = {change.key for change in self.compare(prior, plan)}
        if changed - {"paused", "deletionPolicy"}:
            call.api.call(self.service, "PATCH", identity, body=self.update_body(plan))
        if "paused" in changed:
            self._switch(call, identity, plan)
        return self.read_back(call, identity, plan)[1]

    def _switch(self, call: Call, identity: str, plan: Properties) -> None:
        verb = "pause" if plan.get("paused") is True else "resume"
        call.api.call(self.service, "POST", f"{identity}:{verb}", body={})

    def read_more(self, outputs: Properties, answer: Any, known: Properties) -> None:
        outputs["paused"] = answer.get("state") == "PAUSED"
        for name in ("httpTarget", "appEngineHttpTarget"):
            target = outputs[name]
            if target and target.get("headers"):
                target["headers"] = _given_headers(target) or None


def _given_headers(target: Properties) -> dict[str, str]:
    """The headers without those that the service adds by itself."""
    signed = target.get("oidcToken") or target.get("oauthToken")
    return {
        name: value
        for name, value in target["headers"].items()
        if not (name == "User-Agent" and value in _AGENTS)
        and not (name == "Content-Type" and value == "application/octet-stream")
        and not (name == "Authorization" and signed)
        and not _RESERVED.match(name)
    }
