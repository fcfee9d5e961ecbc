"""A task's record as `PipelineTaskDetail` shows it.

Source: https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.pipelineJobs#PipelineTaskDetail
"""

from collections.abc import Callable, Mapping
from typing import Any

from local.cloud.aiplatform.metadata import Metadata
from local.cloud.pipelines.records import TaskRecord
from local.cloud.pipelines.values import Artifact


def task_detail(record: TaskRecord, metadata: Metadata, with_number: Callable[[str], str]) -> dict[str, Any]:
    """The detail of one task of a run; the run itself is the task without a parent."""
    execution = metadata.executions.find(record.execution) if record.execution else None
    detail: dict[str, Any] = {
        "taskId": record.id,
        "parentTaskId": record.parent_id,
        "taskName": record.name,
        "taskUniqueName": record.path.replace("/", "."),
        "createTime": record.create_time,
        "startTime": record.start_time,
        "endTime": record.end_time,
        "executorDetail": _executor_detail(record, with_number),
        "state": record.state.value,
        "execution": metadata.shown(metadata.executions, execution) if execution else None,
        "error": record.error,
        "pipelineTaskStatus": record.history,
        "inputs": _artifact_lists(record.values_in().artifacts),
        "outputs": _artifact_lists(record.values_out().artifacts),
    }
    return {key: value for key, value in detail.items() if value}


def _executor_detail(record: TaskRecord, with_number: Callable[[str], str]) -> dict[str, Any]:
    if not record.job and not record.failed_jobs:
        return {}
    job, failed = with_number(record.job) if record.job else "", [with_number(name) for name in record.failed_jobs]
    if record.kind == "customJob":
        return {"customJobDetail": {"job": job, **({"failedJobs": failed} if failed else {})}}
    return {"containerDetail": {"mainJob": job, **({"failedMainJobs": failed} if failed else {})}}


def _artifact_lists(artifacts: Mapping[str, list[Artifact]]) -> dict[str, Any]:
    return {name: {"artifacts": [_shown(artifact) for artifact in found]} for name, found in artifacts.items()}


def _shown(artifact: Artifact) -> dict[str, Any]:
    kind = artifact.get("type", {})
    shown = {
        "name": artifact.get("name"),
        "uri": artifact.get("uri"),
        "schemaTitle": kind.get("schemaTitle"),
        "schemaVersion": kind.get("schemaVersion"),
        "metadata": artifact.get("metadata"),
    }
    return {key: value for key, value in shown.items() if value}
