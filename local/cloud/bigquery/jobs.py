"""Jobs: started, followed, cancelled, remembered.

Owns: their records and states. What a job has done is committed together with a mark; a job that a restart interrupted
is done if its mark is there, and failed otherwise.
"""

import logging
import secrets
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from local.cloud.bigquery.job import Job, Outcome, child_name
from local.cloud.bigquery.problems import duplicate, error_proto, not_found, problem
from local.cloud.bigquery.references import DatasetRef, TableRef
from local.cloud.bigquery.service import BigQuery
from local.cloud.errors import ApiError

_KIND = "bigquery.job"
_API = "https://bigquery.googleapis.com/bigquery/v2"
_TYPES = ("query", "load", "extract", "copy")
_MOST_WAIT_SECONDS = 200.0
_INTERRUPT_SECONDS = 0.05
_WORKERS = 8
Place = tuple[int, str]  # in a list: the time of creation, negative, and the name
_log = logging.getLogger(__name__)


class Jobs:
    def __init__(self, bq: BigQuery) -> None:
        self._bq = bq
        self._store = bq.cloud.store
        self._clock = bq.cloud.clock
        self._running: dict[str, Job] = {}
        self._orders: dict[str, tuple[int, list[Place]]] = {}
        self._ended = threading.Condition()
        self._workers = ThreadPoolExecutor(_WORKERS, thread_name_prefix="bigquery-job")

    # Starting

    def start(self, project: str, body: dict[str, Any], user: str, media: Path | None = None) -> dict[str, Any]:
        """Begin a job and answer at once, as jobs.insert does; a dry run is answered with what it found."""
        job = self._job(project, body, user, media)
        if job.dry_run:
            return self._dry_run(job)
        resource = self._resource(job)
        with self._store.transaction():
            if self._store.get(_KIND, job.name):
                raise duplicate("Job", f"{job.project}:{job.location}.{job.job_id}")
            self._write(job.name, {"resource": resource, "media": str(media) if media else ""})
        self._running[job.name] = job
        self._workers.submit(self._run, job)
        return shown(resource)

    def _job(self, project: str, body: dict[str, Any], user: str, media: Path | None) -> Job:
        configuration = dict(body.get("configuration") or {})
        kinds = [kind for kind in _TYPES if kind in configuration]
        if len(kinds) != 1:
            raise problem("required", f"Required parameter is missing: configuration needs one of {', '.join(_TYPES)}")
        configuration["jobType"] = kinds[0].upper()
        reference = body.get("jobReference") or {}
        job_id = reference.get("jobId") or f"job_{secrets.token_urlsafe(18)}"
        if not all(letter.isalnum() or letter in "-_" for letter in job_id) or len(job_id) > 1024:
            raise problem("invalid", f"Invalid job ID {job_id!r}: use at most 1024 letters, digits, '_' and '-'")
        location = reference.get("location") or self._location(project, configuration[kinds[0]])
        name = f"projects/{project}/jobs/{job_id}"
        return Job(name, project, job_id, location, user, configuration, media)

    def _location(self, project: str, config: dict[str, Any]) -> str:
        """Of the first dataset that the job or its statement names and that exists."""
        named = config.get("destinationTable") or config.get("sourceTable") or config.get("defaultDataset") or {}
        refs: Iterable[DatasetRef] = (
            [TableRef(named.get("projectId") or project, named["datasetId"], "t").parent]
            if named.get("datasetId")
            else []
        )
        if not refs and config.get("query"):
            from local.cloud.bigquery.translate import datasets_named

            refs = datasets_named(str(config["query"]), project)
        for ref in refs:
            if self._bq.datasets.exists(ref):
                return self._bq.datasets.get(ref)["location"]
        return "US"

    def _dry_run(self, job: Job) -> dict[str, Any]:
        if "query" not in job.configuration:
            raise problem("invalid", "Only a query job can be a dry run in the local cloud")
        outcome = _runner("query")(self._bq, job)
        resource = self._resource(job)
        _finish(resource, outcome, str(self._clock.millis()))
        del resource["jobReference"]["jobId"]
        return shown(resource)

    def stop(self) -> None:
        """Begin no more; what is running is interrupted."""
        self._workers.shutdown(wait=False, cancel_futures=True)
        for job in list(self._running.values()):
            job.interrupt()

    def _resource(self, job: Job) -> dict[str, Any]:
        now = str(self._clock.millis())
        return {
            "id": f"{job.project}:{job.location}.{job.job_id}",
            "selfLink": f"{_API}/{job.name}?location={job.location}",
            "user_email": job.user,
            "jobReference": {"projectId": job.project, "jobId": job.job_id, "location": job.location},
            "configuration": job.configuration,
            "status": {"state": "RUNNING"},
            "statistics": {"creationTime": now, "startTime": now},
        }

    # Running

    def _run(self, job: Job) -> None:
        kind = job.configuration["jobType"].lower()
        outcome, error = Outcome(), None
        try:
            outcome = _runner(kind)(self._bq, job)
        except ApiError as failure:
            error = failure
        except Exception as failure:
            _log.exception("job %s failed", job.name)
            error = problem("backendError", f"Internal error of the local cloud: {type(failure).__name__}: {failure}")
        outcome.children = getattr(error, "children", outcome.children)
        if job.cancelled and error is not None:
            error = problem("stopped", "Job execution was cancelled: User requested cancellation")
        job.cursor = None
        if job.media:
            job.media.unlink(missing_ok=True)
        self._end(job.name, outcome, error)

    def _end(self, name: str, outcome: Outcome, error: ApiError | None) -> None:
        with self._ended:
            record = self._store.get(_KIND, name)
            if record is not None:
                _finish(record["resource"], outcome, str(self._clock.millis()), error)
                record["result"] = outcome.result.api() if outcome.result else None
                self._write(name, record)
                self._keep_children(record["resource"], outcome)
            self._running.pop(name, None)
            self._ended.notify_all()

    def _keep_children(self, parent: dict[str, Any], outcome: Outcome) -> None:
        """The statements of a script, as jobs of their own."""
        now = str(self._clock.millis())
        for child, done, error in outcome.children:
            resource = self._resource(child)
            resource["statistics"] |= {"parentJobId": parent["jobReference"]["jobId"]}
            resource["statistics"]["creationTime"] = parent["statistics"]["creationTime"]
            _finish(resource, done, now, error)
            self._write(child.name, {"resource": resource, "result": done.result.api() if done.result else None})

    def recover(self) -> None:
        """Jobs that the last process left running: done if their mark is there, else failed."""
        for name, record in self._store.list(_KIND):
            if record["resource"]["status"]["state"] == "DONE":
                continue
            applied = self._bq.warehouse.applied(name)
            if applied:
                result = applied.get("result")
                ref = TableRef(result["projectId"], result["datasetId"], result["tableId"]) if result else None
                done = Outcome(applied["statistics"], ref, applied["configuration"], applied["total_bytes"])
                self._end(name, done, None)
            else:
                self._end(name, Outcome(), problem("backendError", self._interrupted(name)))
            if record.get("media"):
                Path(record["media"]).unlink(missing_ok=True)

    def _interrupted(self, name: str) -> str:
        """What is said of a job that has left no mark: of a script, the statements that it carried out stay."""
        lead = "The job was interrupted by a restart of the local cloud"
        first = child_name(name, 0).rpartition("_")[0]
        done = self._bq.warehouse.count_applied(f"{first}_")
        if done:
            what = f"when {done} of its statements had changed data or tables, which stays"
            return f"{lead} {what}: look before you submit it again"
        return f"{lead} and has changed nothing: submit it again"

    # Following

    def get(self, project: str, job_id: str) -> dict[str, Any]:
        return shown(self._record(project, job_id)["resource"])

    def result(self, project: str, job_id: str) -> TableRef | None:
        """Where the rows of a query are that has ended well."""
        found = self._record(project, job_id).get("result")
        return TableRef(found["projectId"], found["datasetId"], found["tableId"]) if found else None

    def wait(self, project: str, job_id: str, seconds: float) -> dict[str, Any]:
        """The job when it is done, or as it is after `seconds`."""
        deadline = time.monotonic() + min(seconds, _MOST_WAIT_SECONDS)
        with self._ended:
            while True:
                resource = self.get(project, job_id)
                left = deadline - time.monotonic()
                if resource["status"]["state"] == "DONE" or left <= 0:
                    return resource
                self._ended.wait(min(left, 1.0))

    def newest(self, project: str, after: Place | None = None) -> Iterator[tuple[Place, dict[str, Any]]]:
        """The jobs of a project, the newest first, from the one that follows a place: one by one, so that a page reads
        no more of them than it needs.
        """
        order = self._order(project)
        for place in order[bisect_right(order, after) if after else 0 :]:
            record = self._store.get(_KIND, place[1])
            if record:
                yield place, record["resource"]

    def _order(self, project: str) -> list[Place]:
        """Where the jobs of a project stand, kept until one of any project changes."""
        version = self._store.version(_KIND)
        held = self._orders.get(project)
        if held is None or held[0] != version:
            records = self._store.list(_KIND, f"projects/{project}")
            created = [(int(record["resource"]["statistics"]["creationTime"]), name) for name, record in records]
            held = self._orders[project] = version, sorted((-millis, name) for millis, name in created)
        return held[1]

    def cancel(self, project: str, job_id: str) -> dict[str, Any]:
        resource = self.get(project, job_id)
        job = self._running.get(f"projects/{project}/jobs/{job_id}")
        if job is not None:
            job.cancelled = True
            self._bq.cloud.background.run(lambda: self._interrupt(job))
        return resource

    def _interrupt(self, job: Job) -> None:
        """Until it has ended: it may not have begun its query yet."""
        while job.name in self._running:
            job.interrupt()
            time.sleep(_INTERRUPT_SECONDS)

    def delete(self, project: str, job_id: str) -> None:
        record = self._record(project, job_id)
        if record["resource"]["status"]["state"] != "DONE":
            raise problem("invalid", f"Cannot delete job {job_id}: it is still running")
        self._store.delete(_KIND, f"projects/{project}/jobs/{job_id}")

    def _record(self, project: str, job_id: str) -> dict[str, Any]:
        record = self._store.get(_KIND, f"projects/{project}/jobs/{job_id}")
        if record is None:
            raise not_found("Job", f"{project}:{job_id}")
        return record

    def _write(self, name: str, record: dict[str, Any]) -> None:
        self._store.put(_KIND, name, record, parent=name.rpartition("/jobs/")[0])


def _runner(kind: str) -> Callable[[BigQuery, Job], Outcome]:
    """Imported when first needed: engine and translator are slow to load."""
    if kind == "query":
        from local.cloud.bigquery.query_job import run_query

        return run_query
    from local.cloud.bigquery import export, transfer_jobs

    return {"load": transfer_jobs.run_load, "extract": export.run_extract, "copy": transfer_jobs.run_copy}[kind]


def _finish(resource: dict[str, Any], outcome: Outcome, now: str, error: ApiError | None = None) -> None:
    """Write how a job ended into its resource."""
    own = dict(outcome.statistics)
    errors = own.pop("errors", [])
    total = str(outcome.total_bytes)
    resource["statistics"] |= {"endTime": now, "totalBytesProcessed": total, **own}
    resource["statistics"]["finalExecutionDurationMs"] = str(int(now) - int(resource["statistics"]["startTime"]))
    if "query" in own:
        own["query"].setdefault("totalBytesProcessed", total)
        own["query"].setdefault("totalBytesBilled", total)
    for kind, filled in outcome.configuration.items():
        resource["configuration"][kind] = {**resource["configuration"][kind], **filled}
    status: dict[str, Any] = {"state": "DONE"}
    if error is not None:
        status |= {"errorResult": error_proto(error), "errors": [error_proto(error)]}
    elif errors:
        status["errors"] = errors
    resource["status"] = status


def shown(resource: dict[str, Any]) -> dict[str, Any]:
    return {
        "kind": "bigquery#job",
        "etag": f"{resource['statistics']['creationTime']}.{resource['status']['state']}",
        **resource,
    }
