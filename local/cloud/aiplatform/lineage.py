"""What pipelines record of their runs in the metadata store, as Vertex AI Pipelines does.

Owns: the contexts of a pipeline and of a run, the executions of its tasks, their artifacts and events.
"""

from typing import Any

from local.cloud.aiplatform.metadata import Metadata
from local.cloud.aiplatform.pipeline_inputs import runtime_artifact
from local.cloud.aiplatform.resources import Resource, new_id
from local.cloud.pipelines.records import TaskRecord, TaskState
from local.cloud.pipelines.values import Artifact

_EXECUTION_STATES = {
    TaskState.SUCCEEDED: "COMPLETE",
    TaskState.SKIPPED: "CACHED",
    TaskState.FAILED: "FAILED",
    TaskState.CANCELLED: "CANCELLED",
}
_SCHEMAS = {"dag": "system.DagExecution", "importer": "system.ImporterExecution"}


class RunLineage:
    """The lineage of one run. `contexts` are the resources of the pipeline and of the run."""

    def __init__(self, metadata: Metadata, *, job: str, pipeline: str) -> None:
        location = "/".join(job.split("/")[:4])
        self._metadata = metadata
        self._store = metadata.default_store(location)
        self.pipeline_context = self._context(pipeline, "system.Pipeline", pipeline)
        run_id = job.rsplit("/", 1)[-1]
        self.run_context = self._context(run_id, "system.PipelineRun", run_id)
        metadata.edges.add_parent(self.pipeline_context["name"], self.run_context["name"])

    def artifact(self, artifact: Artifact) -> Artifact:
        if artifact.get("name", "").startswith("projects/"):
            return artifact  # known already: passed through, or imported before
        schema = artifact.get("type", {})
        body = {
            "displayName": artifact["name"].split("-", 1)[-1],
            "uri": artifact.get("uri", ""),
            "metadata": artifact.get("metadata", {}),
            "schemaTitle": schema.get("schemaTitle", "system.Artifact"),
            "schemaVersion": schema.get("schemaVersion", "0.0.1"),
            "state": "LIVE",
        }
        made = self._metadata.artifacts.create(f"{self._store}/artifacts/{new_id()}", body)
        self._metadata.edges.add_members(self.run_context["name"], [made["name"]])
        return {**artifact, "name": self._metadata.artifacts.shown(made)["name"]}

    def find_artifact(self, uri: str, schema_title: str) -> Artifact | None:
        for each in self._metadata.artifacts.all(self._store):
            if each.get("uri") == uri and each.get("schemaTitle") == schema_title:
                return runtime_artifact(each, self._metadata)
        return None

    def begin(self, record: TaskRecord) -> str:
        schema = _SCHEMAS.get(record.kind, "system.ContainerExecution")
        body = {
            "displayName": record.name,
            "schemaTitle": schema if record.path else "system.Run",
            "schemaVersion": "0.0.1",
            "state": "RUNNING",
            "metadata": _inputs(record),
        }
        made = self._metadata.executions.create(f"{self._store}/executions/{new_id()}", body)
        self._metadata.edges.add_members(self.run_context["name"], [made["name"]])
        self._events(made["name"], record.values_in().artifacts, "INPUT")
        return made["name"]

    def end(self, record: TaskRecord) -> None:
        outputs = {f"output:{name}": value for name, value in record.values_out().parameters.items()}

        def change(execution: Resource) -> None:
            execution["state"] = _EXECUTION_STATES.get(record.state, "FAILED")
            execution["metadata"] = {**execution.get("metadata", {}), **_inputs(record), **outputs}

        self._metadata.executions.update(record.execution, change)
        self._events(record.execution, record.values_out().artifacts, "OUTPUT")

    def _events(self, execution: str, artifacts: dict[str, list[Artifact]], kind: str) -> None:
        now = self._metadata.now()
        for found in artifacts.values():
            for artifact in found:
                known = self._metadata.artifacts.find(artifact.get("name", ""))
                if known and known["name"].startswith(f"{self._store}/"):
                    self._metadata.edges.add_event(execution, known["name"], {"type": kind, "eventTime": now})

    def _context(self, short: str, schema: str, display: str) -> Resource:
        name = f"{self._store}/contexts/{short}"
        found = self._metadata.contexts.find(name)
        body = {"displayName": display, "schemaTitle": schema, "schemaVersion": "0.0.1", "metadata": {}}
        return found or self._metadata.contexts.create(name, body)


def _inputs(record: TaskRecord) -> dict[str, Any]:
    return {f"input:{name}": value for name, value in record.values_in().parameters.items()}
