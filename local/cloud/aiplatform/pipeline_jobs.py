"""Pipeline jobs as resources.

Owns: their REST methods, what is refused at creation, their states and times, and the details of their tasks. Does not
own: how a spec runs (pipelines/).
Source: https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.pipelineJobs
"""

import re
from typing import TYPE_CHECKING, Any

from local.cloud.aiplatform.custom_jobs import CustomJobs
from local.cloud.aiplatform.lineage import RunLineage
from local.cloud.aiplatform.messages import canonical
from local.cloud.aiplatform.metadata import Metadata
from local.cloud.aiplatform.networks import may_attach
from local.cloud.aiplatform.pipeline_inputs import inputs_of
from local.cloud.aiplatform.resources import (
    Collection,
    Resource,
    done,
    kind_of,
    location_of,
    new_id,
    proto,
    refuse_outside,
    without_output_only,
)
from local.cloud.aiplatform.task_details import task_detail
from local.cloud.aiplatform.task_jobs import TaskJobs
from local.cloud.call import Call
from local.cloud.errors import ApiError, failed_precondition, unimplemented
from local.cloud.iam.enforcement import act_as
from local.cloud.pipelines.records import TaskRecord, TaskState
from local.cloud.pipelines.run import Run
from local.cloud.pipelines.runner import PipelineRunner
from local.cloud.pipelines.spec import PipelineSpec, problems_of
from local.cloud.pipelines.surroundings import RunContext, Surroundings
from local.cloud.pipelines.values import Values
from local.cloud.routing import Route
from local.cloud.validation import Violations

if TYPE_CHECKING:
    from pathlib import Path

    from local.cloud.app import Cloud

_TASK = "aiplatform.PipelineJob.task"
_CACHE = "aiplatform.PipelineJob.cache"
_SCHEDULE_TIME = "aiplatform.PipelineJob.scheduleTime"
_ID = r"[a-z][-a-z0-9]{0,127}"
_CANCELLED = 1
_FAIL_FAST = "PIPELINE_FAILURE_POLICY_FAIL_FAST"
_STATES = {
    TaskState.PENDING: "PIPELINE_STATE_PENDING",
    TaskState.RUNNING: "PIPELINE_STATE_RUNNING",
    TaskState.SUCCEEDED: "PIPELINE_STATE_SUCCEEDED",
    TaskState.FAILED: "PIPELINE_STATE_FAILED",
    TaskState.CANCELLED: "PIPELINE_STATE_CANCELLED",
}
_FINAL = frozenset({"PIPELINE_STATE_SUCCEEDED", "PIPELINE_STATE_FAILED", "PIPELINE_STATE_CANCELLED"})
_OUTPUT_ONLY = ("state", "error", "startTime", "endTime", "jobDetail", "scheduleName")


class PipelineJobs(Collection):
    def __init__(
        self, cloud: "Cloud", jobs: CustomJobs, metadata: Metadata, *, folder: "Path", objects: "Path"
    ) -> None:
        super().__init__(cloud, "PipelineJob")
        self._jobs = jobs
        self._metadata = metadata
        self._folder = folder
        self._objects = objects
        self.runner = PipelineRunner(self._report, self._broken)
        jobs.listeners.append(lambda job: self.runner.job_changed(job["name"]))

    def routes(self) -> list[Route]:
        parent = "/v1/{parent=projects/*/locations/*}/pipelineJobs"
        name = "/v1/{name=projects/*/locations/*/pipelineJobs/*}"
        may = "aiplatform.pipelineJobs"
        return [
            Route("POST", parent, self._create, f"{may}.create"),
            Route("GET", parent, self._list, f"{may}.list"),
            Route("GET", name, lambda call: self.shown(self._detailed(self.get(call.params["name"]))), f"{may}.get"),
            Route("POST", f"{name}:cancel", self._cancel, f"{may}.cancel"),
            Route("DELETE", name, self._delete, f"{may}.delete"),
            Route("POST", f"{parent}:batchCancel", self._cancel_many, f"{may}.cancel"),
            Route("POST", f"{parent}:batchDelete", self._delete_many, f"{may}.delete"),
        ]

    def submit(
        self, parent: str, body: Resource, short: str = "", *, schedule: str = "", schedule_time: str = ""
    ) -> Resource:
        """Check a canonical `PipelineJob` as the API does, keep it and run it."""
        short = short or generated_id(body, self.cloud.clock.timestamp())
        self._check(parent, body, short)
        wanted = without_output_only(body, *_OUTPUT_ONLY)
        made = {**wanted, "state": "PIPELINE_STATE_PENDING", **({"scheduleName": schedule} if schedule else {})}
        made["labels"] = {"vertex-ai-pipelines-run-billing-id": new_id(), **made.get("labels", {})}
        name = f"{parent}/pipelineJobs/{short}"
        with self.cloud.store.transaction():
            if schedule_time:
                self.cloud.store.put(_SCHEDULE_TIME, name, {"time": schedule_time})
            job = self.create(name, made)
        self.cloud.store.when_committed(lambda: self.runner.add(job["name"], lambda: self._run(job)))
        return job

    def recover(self) -> None:
        """At start: runs that had not ended go on from the records of their tasks."""
        for job in self.all():
            if job["state"] not in _FINAL:
                self.runner.add(job["name"], lambda job=job: self._run(job))

    def cancel(self, name: str) -> None:
        """Ask a run to end. One that has ended stays as it is."""
        if self.get(name)["state"] not in _FINAL:
            job = self.update(name, lambda each: each.update(state="PIPELINE_STATE_CANCELLING"))
            self.runner.cancel(job["name"])

    def _check(self, parent: str, body: Resource, short: str) -> None:
        refuse_template(body)
        found = Violations()
        found.matches(_ID, short, "pipelineJobId", "must start with a letter and hold at most 128 of a-z, 0-9 and -")
        found.labels(body.get("labels"))
        spec, config = body.get("pipelineSpec"), body.get("runtimeConfig", {})
        root = config.get("gcsOutputDirectory") or (spec or {}).get("defaultPipelineRoot", "")
        found.unless(root.startswith("gs://"), "runtimeConfig.gcsOutputDirectory", f"{root!r} is not a gs:// URI")
        if not isinstance(spec, dict) or not spec:
            found.add("pipelineSpec", "is required")
        else:
            problems = problems_of(spec)
            problems += [] if problems else inputs_of(body, parent, self._metadata)[1]
            for field, description in problems:
                found.add(field, description)
        if root.startswith("gs://") and not self._has_bucket(root):
            found.add("runtimeConfig.gcsOutputDirectory", f"there is no bucket {root[5:].partition('/')[0]!r}")
        found.refuse()

    def _has_bucket(self, uri: str) -> bool:
        try:
            self.cloud.objects.buckets.get(uri[5:].partition("/")[0])
        except ApiError:
            return False
        return True

    def _run(self, job: Resource) -> Run:
        """The run of a job, with the records of its earlier life if it had one."""
        name, spec, config = job["name"], job["pipelineSpec"], job.get("runtimeConfig", {})
        lineage = RunLineage(self._metadata, job=name, pipeline=spec["pipelineInfo"]["name"])
        contexts = {"pipelineContext": lineage.pipeline_context, "pipelineRunContext": lineage.run_context}
        shown = {key: self._metadata.shown(self._metadata.contexts, each) for key, each in contexts.items()}
        self.update(name, lambda each: each.setdefault("jobDetail", shown))
        records = [TaskRecord.of_json(body) for _, body in self.cloud.store.list(_TASK, name)]
        run = Run(PipelineSpec(spec), self._context(job, config), self._surroundings(name, lineage), records)
        run.cancelled = job["state"] == "PIPELINE_STATE_CANCELLING"
        return run

    def _context(self, job: Resource, config: Resource) -> RunContext:
        name, project = job["name"], job["name"].split("/")[1]
        number = self.cloud.projects.number_of(project)
        runtime = config.get("defaultRuntime", {}).get("persistentResourceRuntimeDetail", {})
        given, _ = inputs_of(job, location_of(name), self._metadata)
        return RunContext(
            name=name,
            project_number=number,
            root=config.get("gcsOutputDirectory") or job["pipelineSpec"].get("defaultPipelineRoot", ""),
            parameters=given.parameters,
            artifacts=given.artifacts,
            service_account=self._account(job),
            network=job.get("network", ""),
            kms_key=job.get("encryptionSpec", {}).get("kmsKeyName", ""),
            persistent_resource=runtime.get("persistentResourceName", "").rsplit("/", 1)[-1],
            labels=job["labels"],
            create_time=job["createTime"],
            schedule_time=(self.cloud.store.get(_SCHEDULE_TIME, name) or {}).get("time", ""),
            fail_fast=config.get("failurePolicy") == _FAIL_FAST,
        )

    def _account(self, job: Resource) -> str:
        return account_of(self.cloud, job, job["name"])

    def _surroundings(self, name: str, lineage: RunLineage) -> Surroundings:
        store = self.cloud.store
        location = "/".join(name.split("/")[:4])

        def save(record: TaskRecord) -> None:
            store.put(_TASK, f"{name}/tasks/{record.id}", record.to_json(), parent=name)

        def keep(mark: str, values: Values) -> None:
            store.put(_CACHE, f"{location}/{mark}", values.to_json(), parent=location)

        def cached(mark: str) -> Values | None:
            found = store.get(_CACHE, f"{location}/{mark}")
            return Values.of_json(found) if found else None

        return Surroundings(
            jobs=self._task_jobs(name),
            lineage=lineage,
            path_of=self.cloud.objects.path_of,
            save=save,
            cached=cached,
            keep=keep,
            now=self.cloud.clock.now,
        )

    def _task_jobs(self, name: str) -> TaskJobs:
        location, folder = "/".join(name.split("/")[:4]), self._folder / name.replace("/", "-")
        job = self.get(name)
        account, config = self._account(job), job.get("runtimeConfig", {})
        root = config.get("gcsOutputDirectory") or job["pipelineSpec"].get("defaultPipelineRoot", "")
        return TaskJobs(
            self.cloud, self._jobs, location=location, folder=folder, objects=self._objects, account=account, root=root
        )

    def _report(self, run: Run) -> None:
        """Keep a run's state after it has advanced."""
        name, state = run.context.name, _STATES[run.state]
        held = self.find(name)
        if (
            held is None
            or held["state"] == state
            or (held["state"] == "PIPELINE_STATE_CANCELLING" and state not in _FINAL)
        ):
            return

        def change(job: Resource) -> None:
            job["state"] = state
            job.setdefault("startTime", self.cloud.clock.timestamp())
            if state in _FINAL:
                job["endTime"] = self.cloud.clock.timestamp()
            if run.error:
                job["error"] = run.error
            elif state == "PIPELINE_STATE_CANCELLED":
                job["error"] = {"code": _CANCELLED, "message": "CANCELED"}

        self.update(name, change)
        if state in _FINAL:
            self._task_jobs(name).clean()

    def _broken(self, run: Run, error: Exception) -> None:
        text = f"Internal error of the local cloud: {type(error).__name__}: {error}"
        now, status = self.cloud.clock.timestamp(), {"code": 13, "message": text}
        self.update(run.context.name, lambda job: job.update(state="PIPELINE_STATE_FAILED", endTime=now, error=status))

    def _detailed(self, job: Resource) -> Resource:
        """With its contexts as they are now, and the details of its tasks in the order in which they were made."""
        records = [TaskRecord.of_json(body) for _, body in self.cloud.store.list(_TASK, job["name"])]
        if not records:
            return job
        records.sort(key=lambda record: (record.create_time, record.path))
        details = [task_detail(record, self._metadata, self.cloud.projects.with_number) for record in records]
        contexts = {key: self._context_now(held) for key, held in job.get("jobDetail", {}).items()}
        return {**job, "jobDetail": {**contexts, "taskDetails": details}}

    def _context_now(self, held: Resource) -> Resource:
        """A context that may have got parents since the run began, such as an experiment; as it was, if it is gone."""
        found = self._metadata.contexts.find(held["name"])
        return self._metadata.shown(self._metadata.contexts, found) if found else held

    def _create(self, call: Call) -> dict[str, Any]:
        body = canonical("PipelineJob", call.object(), "pipeline_job")
        act_as(self.cloud, call.caller, account_of(self.cloud, body, call.params["parent"]))
        may_attach(self.cloud, call.params["parent"], body, at="")
        return self.shown(self.submit(call.params["parent"], body, call.query.get("pipelineJobId", "")))

    def _list(self, call: Call) -> dict[str, Any]:
        return self.page(call, "pipelineJobs", render=self._detailed, filtered=_filtered)

    def _cancel(self, call: Call) -> dict[str, Any]:
        self.cancel(call.params["name"])
        return {}

    def _cancel_many(self, call: Call) -> dict[str, Any]:
        jobs = self._named_jobs(call)
        for job in jobs:
            self.cancel(job["name"])
        answer = {"pipelineJobs": [self.shown(self.get(job["name"])) for job in jobs]}
        return self._many(call, "BatchCancelPipelineJobsResponse", "BatchCancelPipelineJobsOperationMetadata", answer)

    def _delete(self, call: Call) -> dict[str, Any]:
        self._remove(call.params["name"])
        return done(call, "Delete", None)

    def _delete_many(self, call: Call) -> dict[str, Any]:
        jobs = self._named_jobs(call)
        for job in jobs:
            self._remove(job["name"])
        return self._many(
            call,
            "BatchDeletePipelineJobsResponse",
            "DeleteOperationMetadata",
            {"pipelineJobs": [self.shown(job) for job in jobs]},
        )

    def _named_jobs(self, call: Call) -> list[Resource]:
        """Of a batch: jobs of the call's own location."""
        names = call.object().get("names", [])
        refuse_outside(self.cloud, "names", names, call.params["parent"])
        return [self.get(name) for name in names]

    def _many(self, call: Call, response: str, metadata: str, answer: dict[str, Any]) -> dict[str, Any]:
        return self.cloud.operations.done(
            call.params["parent"],
            answer,
            kind=kind_of(call),
            response_type=proto(call, response),
            metadata_type=proto(call, metadata),
        )

    def _remove(self, name: str) -> None:
        job = self.get(name)
        if job["state"] not in _FINAL:
            raise failed_precondition(f"PipelineJob {job['name']} is {job['state']}: cancel it before it is deleted.")
        self.remove(job["name"])
        self.cloud.store.delete_under(_TASK, f"{job['name']}/tasks/")
        self.cloud.store.delete(_SCHEDULE_TIME, job["name"])


def account_of(cloud: "Cloud", job: Resource, name: str) -> str:
    """Whom a run acts as: by default the Compute Engine account of the project that `name` begins with."""
    number = cloud.projects.number_of(name.split("/")[1])
    return job.get("serviceAccount") or f"{number}-compute@developer.gserviceaccount.com"


def _filtered(job: Resource) -> Resource:
    """A job as a list's filter sees it: with the two names that only filters know."""
    name = job["pipelineSpec"].get("pipelineInfo", {}).get("name", "")
    return {**job, "pipelineName": name, "pipelineJobUserId": job["name"].rsplit("/", 1)[-1]}


def refuse_template(job: Resource) -> None:
    """A job whose spec lies in a registry cannot run here."""
    if job.get("templateUri") and not job.get("pipelineSpec"):
        raise unimplemented("templateUri: the local cloud has no template registry. Send the pipelineSpec inline")


def generated_id(body: Resource, timestamp: str) -> str:
    """An id of the pipeline's name and the time, as the SDK makes one."""
    spec = body.get("pipelineSpec")
    name = spec.get("pipelineInfo", {}).get("name", "") if isinstance(spec, dict) else ""
    plain = re.sub(r"[^-a-z0-9]+", "-", name.lower()).strip("-") or "pipeline"
    return f"{plain}-{re.sub(r'[^0-9]', '', timestamp)[:20]}"[:128]
