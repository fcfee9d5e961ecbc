"""Calls on jobs and queries.

Sources: https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs
"""

import base64
import hashlib
import json
import secrets
import shutil
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

from local.cloud.bigquery.jobs import Jobs, Place
from local.cloud.bigquery.problems import problem
from local.cloud.bigquery.service import BigQuery
from local.cloud.call import Call, Response, no_content
from local.cloud.errors import ApiError, invalid_argument
from local.cloud.paging import last_name, page_size, page_token
from local.cloud.related import Related
from local.cloud.resumable import incomplete, json_object, receive

_UPLOAD = "bigquery.upload"
_REQUEST = "bigquery.request"
_QUERY_KEYS = (
    "clustering",
    "createDisposition",
    "defaultDataset",
    "destinationTable",
    "maximumBytesBilled",
    "parameterMode",
    "query",
    "queryParameters",
    "timePartitioning",
    "useLegacySql",
    "useQueryCache",
    "writeDisposition",
)


class JobApi:
    def __init__(self, bq: BigQuery, jobs: Jobs) -> None:
        self._bq = bq
        self._jobs = jobs
        self._uploads = bq.cloud.root / "bigquery" / "uploads"

    def insert(self, call: Call) -> dict[str, Any]:
        return self._jobs.start(call.params["project"], call.object(), call.principal)

    def get(self, call: Call) -> dict[str, Any]:
        return self._own(call, "bigquery.jobs.get")

    def list(self, call: Call) -> dict[str, Any]:
        """In order of creation, the newest first."""
        selects, size = self._selection(call), page_size(call, default=50, most=1000)
        found = (pair for pair in self._jobs.newest(call.params["project"], _place(call)) if selects(pair[1]))
        page = list(islice(found, size + 1))
        items = [_listed(each, full=call.query.get("projection") == "full") for _, each in page[:size]]
        answer: dict[str, Any] = {"kind": "bigquery#jobList", "etag": _etag(items)}
        if len(page) > size:
            answer["nextPageToken"] = page_token("\n".join(map(str, page[size - 1][0])))
        return answer | ({"jobs": items} if items else {})

    def _selection(self, call: Call) -> Callable[[dict[str, Any]], bool]:
        """Whether a job is among those that a list asks for and its caller may see."""
        states = {state.upper() for state in call.query_lists.get("stateFilter", [])}
        all_users = call.flag("allUsers") and call.sees("bigquery.jobs.list", f"projects/{call.params['project']}")
        first, last = call.number("minCreationTime"), call.number("maxCreationTime")

        def selects(job: dict[str, Any]) -> bool:
            created = int(job["statistics"]["creationTime"])
            in_time = (first is None or created >= first) and (last is None or created <= last)
            in_state = not states or job["status"]["state"] in states
            of_parent = job["statistics"].get("parentJobId") == call.query.get("parentJobId")
            return in_time and in_state and of_parent and (all_users or job["user_email"] == call.principal)

        return selects

    def cancel(self, call: Call) -> dict[str, Any]:
        self._own(call, "bigquery.jobs.update")
        job = self._jobs.cancel(call.params["project"], call.params["job"])
        return {"kind": "bigquery#jobCancelResponse", "job": job}

    def delete(self, call: Call) -> Response:
        self._jobs.delete(call.params["project"], call.params["job"])
        return no_content()

    def _own(self, call: Call, permission: str) -> dict[str, Any]:
        """A job that the caller made, or has the permission for."""
        project = call.params["project"]
        job = self._jobs.get(project, call.params["job"])
        if job["user_email"] != call.principal:
            call.require(permission, f"projects/{project}")
        return job

    # Queries

    def query(self, call: Call) -> dict[str, Any]:
        """Run a query and answer with its first rows, or with `jobComplete` false after `timeoutMs`."""
        body, project = call.object(), call.params["project"]
        if not body.get("query"):
            raise problem("required", "Required parameter is missing: query", location="query")
        configuration: dict[str, Any] = {"query": {key: body[key] for key in _QUERY_KEYS if key in body}}
        if body.get("labels"):
            configuration["labels"] = body["labels"]
        if body.get("dryRun"):
            configuration["dryRun"] = True
            return _dry(self._jobs.start(project, {"configuration": configuration}, call.principal))
        request = f"{call.principal}/{body['requestId']}" if body.get("requestId") else None
        job_id = self._of_request(project, request)
        if job_id is None:
            reference = {"location": body["location"]} if body.get("location") else {}
            job = self._jobs.start(project, {"configuration": configuration, "jobReference": reference}, call.principal)
            job_id = job["jobReference"]["jobId"]
            self._remember(project, request, job_id)
        timeout = body.get("timeoutMs")
        call.query = {**call.query, **_page_options(body)}
        return self._answer(call, job_id, 10_000 if timeout is None else int(timeout), "bigquery#queryResponse")

    def results(self, call: Call) -> dict[str, Any]:
        self._own(call, "bigquery.jobs.get")
        timeout = call.number("timeoutMs")
        return self._answer(
            call, call.params["job"], 10_000 if timeout is None else timeout, "bigquery#getQueryResultsResponse"
        )

    def _answer(self, call: Call, job_id: str, timeout_ms: int, kind: str) -> dict[str, Any]:
        project = call.params["project"]
        job = self._jobs.wait(project, job_id, timeout_ms / 1000)
        answer: dict[str, Any] = {
            "kind": kind,
            "jobReference": job["jobReference"],
            "location": job["jobReference"]["location"],
        }
        if job["status"]["state"] != "DONE":
            return answer | {"jobComplete": False}
        if error := job["status"].get("errorResult"):
            raise problem(error["reason"], error["message"], location=error.get("location"))
        statistics = job["statistics"].get("query", {})
        answer |= {
            "jobComplete": True,
            "cacheHit": statistics.get("cacheHit", False),
            "totalBytesProcessed": job["statistics"]["totalBytesProcessed"],
            "etag": job["etag"],
        }
        answer |= {key: statistics[key] for key in ("numDmlAffectedRows", "dmlStats") if key in statistics}
        ref = self._jobs.result(project, job_id)
        if ref is None:
            return answer | {"totalRows": "0", "schema": {}}
        return answer | {"schema": {"fields": self._bq.results.schema(ref)}} | self._bq.results.page(call, ref)

    def _of_request(self, project: str, request: str | None) -> str | None:
        """The job of a request that was sent before: a retried one is not run twice."""
        held = self._bq.cloud.store.get(_REQUEST, f"{project}/{request}") if request else None
        return held["job"] if held else None

    def _remember(self, project: str, request: str | None, job_id: str) -> None:
        if request:
            self._bq.cloud.store.put(_REQUEST, f"{project}/{request}", {"job": job_id}, parent="")

    # Uploads

    def upload(self, call: Call) -> dict[str, Any] | Response:
        """POST: a load job with its data, in one request or in a resumable upload."""
        kind = call.query.get("uploadType", "")
        if call.query.get("upload_id"):
            return self.resume(call)
        self._uploads.mkdir(parents=True, exist_ok=True)
        if kind == "resumable":
            return self._start_upload(call)
        if kind != "multipart":
            raise ApiError(400, f"uploadType {kind!r} is not one of multipart, resumable", location="uploadType")
        related = Related(call.headers.get("content-type", ""), call.stream)
        body = json_object(related.metadata)
        path = self._uploads / secrets.token_hex(16)
        with path.open("wb") as file:
            for chunk in related.media():
                file.write(chunk)
        return self._load(call.params["project"], body, call.principal, path)

    def resume(self, call: Call) -> Response:
        upload = call.query["upload_id"]
        session = self._bq.cloud.store.get(_UPLOAD, upload)
        if session is None or session["project"] != call.params["project"]:
            raise ApiError(404, f"There is no resumable upload {upload!r}: start a new one")
        path = self._uploads / session["file"]
        if not receive(path, call):
            return incomplete(path, call)
        self._bq.cloud.store.delete(_UPLOAD, upload)
        return Response(self._load(session["project"], session["body"], call.principal, path))

    def _start_upload(self, call: Call) -> Response:
        body, project = json_object(call.whole()), call.params["project"]
        upload = secrets.token_urlsafe(24)
        session = {"project": project, "body": body, "file": secrets.token_hex(16)}
        (self._uploads / session["file"]).touch()
        self._bq.cloud.store.put(_UPLOAD, upload, session, parent="")
        location = f"{call.url_base}/upload/bigquery/v2/projects/{project}/jobs?uploadType=resumable&upload_id={upload}"
        return Response(None, 200, {"location": location, "x-guploader-uploadid": upload})

    def _load(self, project: str, body: dict[str, Any], user: str, path: Path) -> dict[str, Any]:
        try:
            if "load" not in (body.get("configuration") or {}):
                raise problem("invalid", "Only load jobs take an uploaded file")
            return self._jobs.start(project, body, user, path)
        except ApiError:
            path.unlink(missing_ok=True)
            raise

    def forget_uploads(self) -> None:
        """At start: files that no session and no job waits for."""
        waiting = {session["file"] for _, session in self._bq.cloud.store.list(_UPLOAD)}
        if self._uploads.exists():
            for path in self._uploads.iterdir():
                if path.name not in waiting:
                    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _etag(items: list[dict[str, Any]]) -> str:
    return base64.b64encode(hashlib.sha256(json.dumps(items, sort_keys=True).encode()).digest()[:16]).decode()


def _place(call: Call) -> Place | None:
    """Where the page before this one ended."""
    token = last_name(call)
    if token is None:
        return None
    created, _, name = token.partition("\n")
    if not created.lstrip("-").isdigit():
        raise invalid_argument([("pageToken", f"{call.query['pageToken']!r} is not a token that a page gave")])
    return int(created), name


def _listed(resource: dict[str, Any], *, full: bool) -> dict[str, Any]:
    keys = ["id", "jobReference", "statistics", "status", "user_email", *(["configuration"] if full else [])]
    item = {"kind": "bigquery#job", "state": resource["status"]["state"], **{key: resource[key] for key in keys}}
    error = resource["status"].get("errorResult")
    return item | ({"errorResult": error} if error else {})


def _page_options(body: dict[str, Any]) -> dict[str, str]:
    options: dict[str, str] = {}
    if body.get("maxResults") is not None:
        options["maxResults"] = str(body["maxResults"])
    if (body.get("formatOptions") or {}).get("useInt64Timestamp"):
        options["formatOptions.useInt64Timestamp"] = "true"
    return options


def _dry(job: dict[str, Any]) -> dict[str, Any]:
    statistics = job["statistics"]["query"]
    return {
        "kind": "bigquery#queryResponse",
        "schema": statistics.get("schema", {}),
        "jobReference": job["jobReference"],
        "totalBytesProcessed": statistics["totalBytesProcessed"],
        "jobComplete": True,
        "cacheHit": False,
    }
