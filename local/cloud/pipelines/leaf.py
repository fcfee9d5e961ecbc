"""A task that executes: an importer, or a container that becomes a custom job.

Owns: its attempts, its cache, its inputs and outputs on disk. The job of an attempt is on record before anything waits
for it, so that a restarted cloud finds it again.
"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from local.cloud.pipelines.caching import caches, fingerprint
from local.cloud.pipelines.executor_io import OutputError, executor_input, mounted, new_artifact, prepare, read_outputs
from local.cloud.pipelines.inputs import Given
from local.cloud.pipelines.launcher import container_job, is_launcher, launched_job, without_what_is_missing
from local.cloud.pipelines.nodes import Node
from local.cloud.pipelines.placeholders import Bindings, PlaceholderError
from local.cloud.pipelines.records import TaskRecord, TaskState
from local.cloud.pipelines.retries import wait_seconds
from local.cloud.pipelines.surroundings import JobRefusedError, JobView
from local.cloud.pipelines.values import Values, parameter_types

if TYPE_CHECKING:
    from local.cloud.pipelines.run import Run

_INTERNAL = 13
_INVALID_ARGUMENT = 3


class Leaf(Node):
    def __init__(
        self, run: "Run", record: TaskRecord, task: Mapping[str, Any], component: Mapping[str, Any], given: Given
    ) -> None:
        super().__init__(run, record)
        self._task = task
        self._component = component
        self._asked_to_end = False
        self._executor = run.spec.executor(component)
        self._base = f"{run.context.folder}/{record.name}_{record.id}"
        self._bindings, self._told = self._bound(given)

    def advance(self) -> bool:
        if self.state.final:
            return False
        if self.run.cancelled and not self._asked_to_end:
            self.cancel()
            return True
        if not self.record.job:
            return self._attempt() if self.run.time() >= self.record.not_before else False
        return self._follow()

    def cancel(self) -> None:
        self._asked_to_end = True
        if self.record.job:
            self.run.around.jobs.cancel(self.record.job)
        else:
            self.run.move(self.record, TaskState.CANCELLED)

    def _bound(self, given: Given) -> tuple[Bindings, dict[str, Any]]:
        """The task's placeholders and its ExecutorInput, which need each other."""
        names = {
            name: f"{self.record.id}-{name}"
            for name in self._component.get("outputDefinitions", {}).get("artifacts", {})
        }
        told = executor_input(self._component, given.values, self._base, names)
        types = parameter_types(self._component)
        bindings = Bindings(
            self.run.placeholders(self.record), given.values.parameters, types, given.templates, told, mounted
        )
        settled = {name: bindings.parameter(name) for name in given.values.parameters}
        told["inputs"]["parameterValues"] = settled
        self.record.inputs = Values(settled, given.values.artifacts).to_json()
        return bindings, told

    def _attempt(self) -> bool:
        """Start the next attempt, or take the outputs from the cache."""
        inputs = self.record.values_in()
        mark = fingerprint(self._task, self._component, self._executor, inputs)
        if not self.record.attempts and caches(self._task):
            kept = self.run.around.cached(mark)
            if kept is not None and self._still_there(kept):
                self.record.outputs = kept.to_json()
                self.run.move(self.record, TaskState.SKIPPED)
                return True
        self.record.attempts += 1
        try:
            if "importer" in self._executor:
                self._succeed(self._imported(self._executor["importer"]))
            else:
                prepare(self._component, self._base, self.run.around.path_of)
                self.record.job = self.run.around.jobs.submit(self._job(), task=self.record)
                self.run.begin(self.record)
        except (JobRefusedError, PlaceholderError, OSError) as error:
            self._fail_attempt(getattr(error, "code", _INVALID_ARGUMENT), str(error))
        return True

    def _job(self) -> dict[str, Any]:
        container = self._executor.get("container")
        if container is None:
            raise JobRefusedError(f"the executor of task {self.record.name!r} is neither a container nor an importer")
        if is_launcher(container):
            self.record.kind = "customJob"
            return launched_job(container, self._bindings, self.run.context)
        return container_job(without_what_is_missing(container), self._bindings, self.run.context, self.record.name)

    def _follow(self) -> bool:
        view = self.run.around.jobs.view(self.record.job) or JobView("JOB_STATE_FAILED", _lost(self.record.job))
        match view.state:
            case "JOB_STATE_RUNNING" if self.state is TaskState.PENDING:
                self.run.move(self.record, TaskState.RUNNING)
                return True
            case "JOB_STATE_SUCCEEDED":
                self._finish()
                return True
            case "JOB_STATE_CANCELLED" if self.run.cancelled:
                self.run.move(self.record, TaskState.CANCELLED)
                return True
            case "JOB_STATE_FAILED" | "JOB_STATE_CANCELLED" | "JOB_STATE_EXPIRED":
                error = view.error or {}
                self._fail_attempt(
                    int(error.get("code", _INTERNAL)), f"{self.record.job}: {error.get('message', view.state)}"
                )
                return True
        return False

    def _finish(self) -> None:
        """The job has succeeded: read what it left."""
        if self.record.kind == "customJob" and "gcp_resources" in self._told["outputs"]["parameters"]:
            self._tell_resources()
        try:
            self._succeed(read_outputs(self._component, self._told, self._base, self.run.around.path_of))
        except OutputError as error:
            self._fail_attempt(_INVALID_ARGUMENT, f"Task {self.record.name!r} ended, but {error}")

    def _succeed(self, left: Values) -> None:
        kept = {
            name: [self.run.around.lineage.artifact(each) for each in found] for name, found in left.artifacts.items()
        }
        outputs = Values(left.parameters, kept)
        self.record.outputs = outputs.to_json()
        mark = fingerprint(self._task, self._component, self._executor, self.record.values_in())
        self.run.around.keep(mark, outputs)
        self.run.move(self.record, TaskState.SUCCEEDED)

    def _fail_attempt(self, code: int, message: str) -> None:
        """End, or wait for the next attempt if the task has one left."""
        wait = wait_seconds(self._task, self.record.attempts)
        if wait is None or self.run.cancelled:
            self.run.fail(self.record, code, message)
            return
        self.record.not_before = self.run.time() + wait
        self.record.failed_jobs += [self.record.job] if self.record.job else []
        self.record.job = ""
        self.run.move(self.record, TaskState.PENDING, {"code": code, "message": message})

    def _imported(self, importer: Mapping[str, Any]) -> Values:
        source = importer["artifactUri"]
        if "runtimeParameter" in source:
            uri = self._bindings.parameter(source["runtimeParameter"])
        else:
            uri = self._bindings.resolve(
                source.get("constant") or source.get("constantValue", {}).get("stringValue", "")
            )
        declared = self._component["outputDefinitions"]["artifacts"]
        name, output = next(iter(declared.items()))
        schema = importer.get("typeSchema") or output.get("artifactType", {})
        if not importer.get("reimport"):
            known = self.run.around.lineage.find_artifact(str(uri), schema.get("schemaTitle", ""))
            if known is not None:
                return Values({}, {name: [known]})
        artifact = new_artifact({**output, "artifactType": schema}, str(uri), f"{self.record.id}-{name}")
        return Values({}, {name: [{**artifact, "metadata": self._bindings.resolve(importer.get("metadata", {}))}]})

    def _tell_resources(self) -> None:
        """Write the `gcp_resources` output, as the launcher does."""
        location = self.run.context.location
        uri = f"https://{location}-aiplatform.googleapis.com/v1/{self.record.job}"
        path = self.run.around.path_of(f"{self._base}/gcp_resources")
        path.write_text(json.dumps({"resources": [{"resourceType": "CustomJob", "resourceUri": uri}]}))

    def _still_there(self, kept: Values) -> bool:
        """Whether the artifacts of a cached execution still exist where they are objects."""
        uris = [each["uri"] for found in kept.artifacts.values() for each in found]
        return all(self.run.around.path_of(uri).exists() for uri in uris if uri.startswith("gs://"))


def _lost(job: str) -> dict[str, Any]:
    return {"code": _INTERNAL, "message": f"{job} is gone"}
