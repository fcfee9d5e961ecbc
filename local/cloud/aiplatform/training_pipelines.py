"""Training pipelines: a custom job, and the model that is uploaded of what it leaves behind.

Owns: their REST methods, states and times, for the custom task alone (the SDK's CustomTrainingJob and its kin). Does
not own: the job (custom_jobs.py) and the registry (models.py). AutoML, tuning and managed datasets are refused by name.
A pipeline's job has its id, so that a cloud that dies between the two starts no second one.
Source: https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.trainingPipelines
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from local.cloud.aiplatform.custom_jobs import CustomJobs
from local.cloud.aiplatform.job_rules import check_job
from local.cloud.aiplatform.messages import canonical
from local.cloud.aiplatform.models import Models
from local.cloud.aiplatform.resources import Collection, Resource, done, location_of, new_id, without_output_only
from local.cloud.call import Call
from local.cloud.errors import ApiError, failed_precondition, unimplemented
from local.cloud.routing import Route
from local.cloud.validation import Violations

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_CUSTOM_TASK = "gs://google-cloud-aiplatform/schema/trainingjob/definition/custom_task_1.0.0.yaml"
_OUTPUT_ONLY = ("state", "error", "startTime", "endTime", "trainingTaskMetadata")
_FINAL = frozenset({"PIPELINE_STATE_SUCCEEDED", "PIPELINE_STATE_FAILED", "PIPELINE_STATE_CANCELLED"})
_INPUTS = "trainingTaskInputs"
_CANCELLED, _FAILED_PRECONDITION, _INTERNAL = 1, 9, 13


class TrainingPipelines(Collection):
    def __init__(self, cloud: "Cloud", jobs: CustomJobs, models: Models) -> None:
        super().__init__(cloud, "TrainingPipeline")
        self._jobs = jobs
        self._models = models
        jobs.listeners.append(self._job_changed)

    def routes(self) -> list[Route]:
        parent = "/v1/{parent=projects/*/locations/*}/trainingPipelines"
        name = "/v1/{name=projects/*/locations/*/trainingPipelines/*}"
        may = "aiplatform.trainingPipelines"
        return [
            Route("POST", parent, self._create, f"{may}.create"),
            Route("GET", parent, lambda call: self.page(call, "trainingPipelines"), f"{may}.list"),
            Route("GET", name, lambda call: self.shown(self.get(call.params["name"])), f"{may}.get"),
            Route("POST", f"{name}:cancel", self._cancel, f"{may}.cancel"),
            Route("DELETE", name, self._delete, f"{may}.delete"),
        ]

    def recover(self) -> None:
        """At start, after the jobs: what a job came to while nobody listened, and the jobs that were never made."""
        for pipeline in self.all():
            if pipeline["state"] in _FINAL:
                continue
            job = self._jobs.find(_job_name(pipeline["name"]))
            try:
                if job is None:
                    self._start(pipeline["name"])
                else:
                    self._job_changed(job)
                if pipeline["state"] == "PIPELINE_STATE_CANCELLING":
                    self._jobs.cancel(_job_name(pipeline["name"]))
            except ApiError as error:
                self._end(pipeline["name"], {"code": _INTERNAL, "message": error.message})

    def _create(self, call: Call) -> dict[str, Any]:
        location, body = call.params["parent"], canonical("TrainingPipeline", call.object(), "training_pipeline")
        self._check(body)
        job = _job_of(body)
        check_job(job, at=_INPUTS)
        self._jobs.may_submit(call.caller, location, job)
        if "modelToUpload" in body:
            self._check_model(location, body, job)
        name = f"{location}/trainingPipelines/{new_id()}"
        made = {**without_output_only(body, *_OUTPUT_ONLY), "state": "PIPELINE_STATE_PENDING"}
        self.create(name, made)
        try:
            self._start(name)
        except ApiError:
            self.remove(name)
            raise
        return self.shown(self.get(name))

    def _start(self, name: str) -> None:
        """Make the pipeline's job, with its id."""
        backing = {"backingCustomJob": self.cloud.projects.with_number(_job_name(name))}
        pipeline = self.update(name, lambda each: each.update(trainingTaskMetadata=backing))
        self._jobs.submit(location_of(name), _job_of(pipeline), short=name.rsplit("/", 1)[-1])

    def _check(self, body: Resource) -> None:
        task = body.get("trainingTaskDefinition", "")
        if task and task != _CUSTOM_TASK:
            raise unimplemented(f"trainingTaskDefinition {task!r}: the local cloud trains by {_CUSTOM_TASK} alone")
        if body.get("inputDataConfig"):
            raise unimplemented("inputDataConfig: the local cloud has no managed datasets. Let the job read its data")
        found = Violations()
        found.unless(body.get("displayName"), "displayName", "is required")
        found.unless(len(body.get("displayName", "")) <= 128, "displayName", "has more than 128 characters")
        found.labels(body.get("labels"))
        found.unless(task, "trainingTaskDefinition", "is required")
        found.unless(isinstance(body.get(_INPUTS), dict), _INPUTS, "is required, and an object")
        found.refuse()

    def _check_model(self, location: str, body: Resource, job: Resource) -> None:
        """Refuse at once what the registry would refuse at the end."""
        found = Violations()
        found.unless(
            _model_folder(job) or body["modelToUpload"].get("artifactUri"),
            f"{_INPUTS}.baseOutputDirectory",
            "is required where a model is to be uploaded, from the folder model/ in it",
        )
        found.refuse()
        self._models.wanted(location, _upload_request(body))

    def _job_changed(self, job: Resource) -> None:
        """A job's new state is its pipeline's; the success of one that leaves a model ends with the model's upload."""
        pipeline = self.find(job["name"].replace("/customJobs/", "/trainingPipelines/"))
        if pipeline is None or pipeline["state"] in _FINAL:
            return
        name, state = pipeline["name"], job["state"].removeprefix("JOB_STATE_")
        if state == "SUCCEEDED":
            self._succeed(pipeline, job)
        elif state == "CANCELLED":
            self._end(name, {"code": _CANCELLED, "message": "CANCELED"}, state="PIPELINE_STATE_CANCELLED")
        elif state in {"FAILED", "EXPIRED"}:
            self._end(name, job.get("error") or {"code": _INTERNAL, "message": f"The job {job['name']} has failed."})
        else:
            self.update(name, lambda each: _follow(each, job))

    def _succeed(self, pipeline: Resource, job: Resource) -> None:
        model = pipeline.get("modelToUpload")
        if model is None:
            self._end(pipeline["name"])
            return
        folder = model.get("artifactUri") or _model_folder(job)
        if not self._has_files(folder):
            text = f'There are no files under "{folder}" to copy.'
            self._end(pipeline["name"], {"code": _FAILED_PRECONDITION, "message": text})
            return
        request = _upload_request(pipeline)
        shown = self.cloud.projects.with_number(pipeline["name"])
        request["model"] = {**model, "artifactUri": folder, "trainingPipeline": shown}
        try:
            with self.cloud.store.transaction():
                made = self._models.upload(location_of(pipeline["name"]), request)
                number, version = self.cloud.projects.with_number(made["name"]), made["versionId"]
                uploaded = {**model, "artifactUri": folder, "name": number.partition("@")[0], "versionId": version}
                self._end(pipeline["name"], uploaded=uploaded)
        except ApiError as error:
            self._end(pipeline["name"], {"code": error.rpc_status()["code"], "message": error.message})

    def _has_files(self, uri: str) -> bool:
        folder = Path(str(self.cloud.objects.path_of(uri.rstrip("/"))))
        return folder.is_dir() and any(path.is_file() for path in folder.rglob("*"))

    def _end(
        self,
        name: str,
        error: Resource | None = None,
        *,
        state: str = "PIPELINE_STATE_FAILED",
        uploaded: Resource | None = None,
    ) -> None:
        """Without an error it has succeeded; with one it is in `state`."""

        def end(pipeline: Resource) -> None:
            pipeline |= {"state": state if error else "PIPELINE_STATE_SUCCEEDED"}
            pipeline["endTime"] = self.cloud.clock.timestamp()
            pipeline |= {"error": error} if error else {}
            pipeline |= {"modelToUpload": uploaded} if uploaded else {}

        self.update(name, end)

    def _cancel(self, call: Call) -> dict[str, Any]:
        pipeline = self.get(call.params["name"])
        if pipeline["state"] not in _FINAL:
            self.update(pipeline["name"], lambda each: each.update(state="PIPELINE_STATE_CANCELLING"))
            self._jobs.cancel(_job_name(pipeline["name"]))
        return {}

    def _delete(self, call: Call) -> dict[str, Any]:
        """The pipeline alone: its job and its model stay."""
        pipeline = self.get(call.params["name"])
        if pipeline["state"] not in _FINAL:
            state = pipeline["state"]
            raise failed_precondition(
                f"TrainingPipeline {pipeline['name']} is {state}: cancel it before it is deleted."
            )
        self.remove(pipeline["name"])
        return done(call, "Delete", None)


def _job_name(pipeline: str) -> str:
    return pipeline.replace("/trainingPipelines/", "/customJobs/")


def _job_of(body: Resource) -> Resource:
    """The custom job that a pipeline's inputs describe. Raises INVALID_ARGUMENT for what is no `CustomJobSpec`."""
    spec = canonical("CustomJobSpec", body[_INPUTS], "training_pipeline.training_task_inputs")
    kept = {key: body[key] for key in ("labels", "encryptionSpec") if key in body}
    return {"displayName": f"{body['displayName'][:117]}-custom-job", "jobSpec": spec, **kept}


def _model_folder(job: Resource) -> str:
    base = job["jobSpec"].get("baseOutputDirectory", {}).get("outputUriPrefix", "").rstrip("/")
    return f"{base}/model" if base else ""


def _upload_request(body: Resource) -> Resource:
    return {"model": body["modelToUpload"], **{key: body[key] for key in ("modelId", "parentModel") if body.get(key)}}


def _follow(pipeline: Resource, job: Resource) -> None:
    """The state of a job that goes on; one that is being cancelled stays so until the job has ended."""
    if pipeline["state"] != "PIPELINE_STATE_CANCELLING":
        pipeline["state"] = job["state"].replace("JOB_STATE_", "PIPELINE_STATE_")
    if job.get("startTime"):
        pipeline.setdefault("startTime", job["startTime"])
