"""Schedules of pipelines, which the provider keeps in its `colab` module."""

# ruff: noqa: RUF012 (tables of class attributes, and methods of one signature)
from __future__ import annotations

import json
from typing import Any

from engine.errors import OperationError
from engine.gcp.resource import Call, RestType
from engine.gojson import go_json
from engine.values import Properties


class Schedule(RestType):
    """A cron schedule that submits a pipeline job. `pipelineSpec` is a text that must be JSON as Go writes it to be
    seen as unchanged.
    """

    type_name = "gcp:colab/schedule:Schedule"
    noun = "Schedule"
    service = "COLAB"
    services = {"COLAB"}
    identity = "projects/{project}/locations/{location}/schedules/{name}"
    collection = "projects/{project}/locations/{location}/schedules"
    waits = frozenset({"delete"})
    table = """
    allowQueueing bool sent
    catchUp bool out
    createNotebookExecutionJobRequest raw replace one_of=request
    createPipelineJobRequest obj one_of=request
      parent str kept
      pipelineJob obj required
        createTime str out
        displayName str
        encryptionSpec obj
          kmsKeyName str required
        endTime str out
        labels map kept
        name str out
        network str
        pipelineSpec str
        preflightValidations bool
        pscInterfaceConfig obj
          dnsPeeringConfigs objs
            domain str required
            targetNetwork str required
            targetProject str required
          networkAttachment str
        reservedIpRanges strs kept
        runtimeConfig obj
          failurePolicy str
          gcsOutputDirectory str required
          parameterValues map kept
        scheduleName str out
        serviceAccount str
        startTime str out
        state str out
        templateMetadatas objs out tf=template_metadata
          version str out
        templateUri str
        updateTime str out
      pipelineJobId str out
    createTime str out
    cron str required
    deletionPolicy str kept api=-
    desiredState str default="ACTIVE" api=-
    displayName str required
    endTime str
    lastPauseTime str out
    lastResumeTime str out
    lastScheduledRunResponses objs out tf=last_scheduled_run_response
      runResponse str out
      scheduledRunTime str out
    location str required api=-
    maxConcurrentActiveRunCount str
    maxConcurrentRunCount str required
    maxRunCount str
    name str out api=-
    nextRunTime str out
    project str kept replace api=-
    startTime str kept
    startedRunCount str out
    state str out
    updateTime str out
    """

    def body(self, plan: Properties) -> dict[str, Any]:
        body = super().body(plan)
        request = body.get("createPipelineJobRequest")
        if request is not None:
            request["parent"] = f"projects/{plan['project']}/locations/{plan['location']}"
            job = request["pipelineJob"]
            if "pipelineSpec" in job:
                job["pipelineSpec"] = _parsed(job["pipelineSpec"])
        return body

    def read_more(self, outputs: Properties, answer: Any, known: Properties) -> None:
        outputs["name"] = str(answer.get("name", "")).rsplit("/", 1)[-1]
        outputs["desiredState"] = known.get("desiredState")
        request = outputs.get("createPipelineJobRequest")
        if request is not None and isinstance(request.get("pipelineJob"), dict):
            spec = answer["createPipelineJobRequest"]["pipelineJob"].get("pipelineSpec")
            request["pipelineJob"]["pipelineSpec"] = go_json(spec) if spec is not None else ""

    def create(self, call: Call, plan: Properties) -> tuple[str, Properties]:
        answer = call.api.call(self.service, "POST", _collection(plan), body=self.body(plan))
        identity = self.identity_of(plan, answer)
        if plan.get("desiredState") == "PAUSED":
            call.api.call(self.service, "POST", f"{identity}:pause")
        return self.read_back(call, identity, plan)

    def identity_of(self, plan: Properties, answer: Any) -> str:
        return f"{_collection(plan)}/{str(answer['name']).rsplit('/', 1)[-1]}"

    def update(self, call: Call, identity: str, prior: Properties, plan: Properties) -> Properties:
        outputs = super().update(call, identity, prior, plan)
        if plan.get("desiredState") == prior.get("desiredState"):
            return outputs
        verb = "pause" if plan.get("desiredState") == "PAUSED" else "resume"
        call.api.call(self.service, "POST", f"{identity}:{verb}")
        return self.read_back(call, identity, plan)[1]

    def find_created(self, call: Call, plan: Properties) -> str | None:
        """A schedule of the same name and cron that an interrupted creation left behind."""
        answer = call.api.call(self.service, "GET", _collection(plan))
        found = [
            self.identity_of(plan, schedule)
            for schedule in answer.get("schedules", [])
            if schedule.get("displayName") == plan["displayName"] and schedule.get("cron") == plan["cron"]
        ]
        return found[0] if len(found) == 1 else None

    def complete(self, call: Call, identity: str, plan: Properties) -> bool:
        """A schedule is created active; what is to be paused may not have been."""
        if plan.get("desiredState") != "PAUSED":
            return False
        call.api.call(self.service, "POST", f"{identity}:pause")
        return True


def _collection(values: Properties) -> str:
    return f"projects/{values['project']}/locations/{values['location']}/schedules"


def _parsed(spec: str) -> Any:
    try:
        return json.loads(spec)
    except ValueError as error:
        raise OperationError(f"pipelineSpec is no JSON ({error}): give the compiled pipeline's JSON text") from error
