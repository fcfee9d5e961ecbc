"""Pipeline runs and custom jobs: lists of the newest, and all that is known of the one that is chosen."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from local.cloud.console import graph, log_view
from local.cloud.console.curves import LoggedMetrics
from local.cloud.console.history import History, Kind
from local.cloud.console.view import Pages, View
from local.cloud.console.words import between, last, plain
from local.cloud.pipelines.records import TaskRecord, TaskState
from local.cloud.pipelines.spec import PipelineSpec

if TYPE_CHECKING:
    from local.cloud.app import Cloud

RUNNING = ("PIPELINE_STATE_RUNNING", "PIPELINE_STATE_CANCELLING")
WAITING = ("PIPELINE_STATE_PENDING", "PIPELINE_STATE_QUEUED")
JOBS_RUNNING = ("JOB_STATE_RUNNING", "JOB_STATE_CANCELLING")
JOBS_WAITING = ("JOB_STATE_PENDING", "JOB_STATE_QUEUED")

_RUNS_A_PAGE = 8
_JOBS_A_PAGE = 10
_MOST_SHOWN = 40
_MOST_LETTERS = 400
_HIDDEN = ("gcp_resources",)
_TASK = "aiplatform.PipelineJob.task"


class Runs:
    def __init__(self, cloud: "Cloud", history: History) -> None:
        self._cloud = cloud
        self._history = history
        self._metrics = LoggedMetrics()

    def shown(self, view: View, now: datetime) -> dict[str, Any]:
        """The list of runs, and the chosen one, which is the newest where none is."""
        page, listed = self._listed("aiplatform.PipelineJob", view.runs, _RUNS_A_PAGE, now)
        chosen = self._cloud.vertex.pipelines.find(view.run) if view.run else next(iter(listed), {}).get("body")
        detail = self._detail(chosen, view, now) if chosen else None
        return {"list": listed, "pages": page, "run": detail, "missing": view.run if view.run and not chosen else ""}

    def jobs(self, view: View, now: datetime) -> dict[str, Any]:
        """The list of custom jobs, and the chosen one, if any is."""
        page, listed = self._listed("aiplatform.CustomJob", view.jobs, _JOBS_A_PAGE, now)
        chosen = self._cloud.vertex.jobs.find(view.job) if view.job else None
        return {"list": listed, "pages": page, "job": self._job(chosen, now) if chosen else None}

    def _listed(self, kind: Kind, number: int, size: int, now: datetime) -> tuple[Pages, list[dict[str, Any]]]:
        page = Pages.of(number, size, self._history.count(kind))
        return page, [_row(body, now) for body in self._history.page(kind, page.start, page.size)]

    def _detail(self, run: dict[str, Any], view: View, now: datetime) -> dict[str, Any]:
        records = [TaskRecord.of_json(body) for _, body in self._cloud.store.list(_TASK, run["name"])]
        box = graph.picture(PipelineSpec(run["pipelineSpec"]), records, now)
        paths = {each.path for each in box.everything() if each.path}
        path = view.task if graph.place_of(view.task) in paths else _of_interest(records, now)
        config = run.get("runtimeConfig", {})
        return {
            **_row(run, now),
            "box": box,
            "task": self._task(path, records, now) if path else None,
            "pool": last(_pool_of(config)),
            "root": config.get("gcsOutputDirectory", ""),
            "parameters": _values(config.get("parameterValues", {})),
            "account": run.get("serviceAccount", ""),
            "schedule": last(run.get("scheduleName", "")),
            "labels": run.get("labels", {}),
        }

    def _task(self, path: str, records: list[TaskRecord], now: datetime) -> dict[str, Any]:
        """A task of the graph; of a loop's, the iteration that is asked for, else one that failed, else the newest."""
        place = graph.place_of(path)
        found = [each for each in records if graph.place_of(each.path) == place]
        leaves = [each for each in found if each.path.rsplit("/", 1)[-1].isdigit()] or found
        if not leaves:
            return {"place": place, "name": last(place), "state": "", "record": None, "iterations": [], "job": None}
        leaves.sort(key=lambda each: (each.create_time, each.path))
        failed = next((each for each in leaves if each.state is TaskState.FAILED), leaves[-1])
        record = next((each for each in leaves if each.path == path), failed)
        job = self._cloud.vertex.jobs.find(record.job) if record.job else None
        given, left = record.values_in(), record.values_out()
        return {
            **{"place": place, "name": record.name or last(place), "state": record.state.value, "record": record},
            "iterations": leaves[-_MOST_SHOWN:] if len(leaves) > 1 else [],
            **{
                "seconds": between(record.start_time, record.end_time, now),
                "error": (record.error or {}).get("message"),
            },
            "inputs": _values(given.parameters),
            "outputs": _values(left.parameters),
            "artifacts": [*_artifacts("in", given.artifacts), *_artifacts("out", left.artifacts)],
            "job": self._job(job, now) if job else None,
        }

    def _job(self, job: dict[str, Any], now: datetime) -> dict[str, Any]:
        spec, short = job["jobSpec"], last(job["name"])
        logs = self._cloud.vertex.runner.logs(short)
        return {
            **_row(job, now),
            "id": short,
            "pool": spec.get("persistentResourceId", ""),
            "machines": [_machine(each) for each in spec["workerPoolSpecs"]],
            "root": spec.get("baseOutputDirectory", {}).get("outputUriPrefix", ""),
            "account": spec.get("serviceAccount", ""),
            "replicas": self._cloud.vertex.runner.tasks(job["name"]),
            "log": log_view.tail(logs),
            "curves": self._metrics.of(short, logs),
        }


def _row(body: dict[str, Any], now: datetime) -> dict[str, Any]:
    start = body.get("startTime")
    return {
        **{"name": body["name"], "short": last(body["name"]), "shown": body.get("displayName") or last(body["name"])},
        **{"state": body["state"], "created": body["createTime"], "body": body},
        "seconds": between(start, body.get("endTime"), now),
        "took": "took" if body.get("endTime") else "for",
        "error": body.get("error", {}).get("message", ""),
        "where": f"{body['name'].split('/')[1]} · {body['name'].split('/')[3]}",
        "pool": body.get("jobSpec", {}).get("persistentResourceId", ""),
    }


def _of_interest(records: list[TaskRecord], now: datetime) -> str:
    """The task to look at first: one that failed, one that runs, else the one that took longest."""
    leaves = [each for each in records if each.kind != "dag"]
    for state in (TaskState.FAILED, TaskState.RUNNING, TaskState.PENDING):
        for each in leaves:
            if each.state is state:
                return graph.place_of(each.path)
    longest = max(leaves, key=lambda each: between(each.start_time, each.end_time, now) or 0, default=None)
    return graph.place_of(longest.path) if longest else ""


def _pool_of(config: dict[str, Any]) -> str:
    return config.get("defaultRuntime", {}).get("persistentResourceRuntimeDetail", {}).get("persistentResourceName", "")


def _values(values: dict[str, Any]) -> list[tuple[str, str]]:
    shown = [(name, plain(value)) for name, value in sorted(values.items()) if name not in _HIDDEN]
    return [(name, text[:_MOST_LETTERS]) for name, text in shown[:_MOST_SHOWN]]


def _artifacts(side: str, artifacts: dict[str, list[dict[str, Any]]]) -> list[dict[str, str]]:
    return [
        {
            **{"side": side, "name": name, "uri": each.get("uri", "")},
            "kind": each.get("type", {}).get("schemaTitle", "").removeprefix("system."),
            "numbers": ", ".join(f"{key} {plain(value)}" for key, value in list(each.get("metadata", {}).items())[:6]),
        }
        for name, found in artifacts.items()
        for each in found[:_MOST_SHOWN]
    ]


def _machine(pool: dict[str, Any]) -> str:
    machine = pool.get("machineSpec", {})
    count = int(pool.get("replicaCount", 1))
    accelerators = int(machine.get("acceleratorCount", 0) or 0)
    extra = f" with {accelerators} × {machine.get('acceleratorType', '')}" if accelerators else ""
    return f"{count} × {machine.get('machineType', 'machine of the pool')}{extra}"
