"""Cloud Logging's view of what jobs wrote: `entries:list`.

Owns: that one method, over the logs of custom jobs and the entries that clients wrote (logging/).
Source: https://cloud.google.com/logging/docs/reference/v2/rest/v2/entries/list
"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from local.cloud import filters
from local.cloud.aiplatform.custom_jobs import CustomJobs
from local.cloud.call import Call
from local.cloud.errors import invalid_argument
from local.cloud.jobs.logs import log_entry, severity_rank
from local.cloud.jobs.runner import JobRunner
from local.cloud.paging import page_token
from local.cloud.routing import Route, Service

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_JOB = re.compile(r"""resource\.labels\.(?:"?job_id"?)\s*=\s*"?(\d+)"?""")
_SEVERITY = re.compile(r"""severity\s*(>=|>|<=|<|=|!=)\s*"?([A-Za-z]+)"?""")
_MOST = 1000


class LogEntries:
    def __init__(self, cloud: "Cloud", jobs: CustomJobs, runner: JobRunner) -> None:
        self._cloud = cloud
        self._jobs = jobs
        self._runner = runner

    def service(self) -> Service:
        route = Route("POST", "/v2/entries:list", self._list, "logging.logEntries.list")
        return Service("logging-entries", [route], prefixes=("/logging",))

    def _list(self, call: Call) -> dict[str, Any]:
        body = call.object()
        names = body.get("resourceNames") or [""]
        if wrong := [name for name in names if not str(name).startswith("projects/")]:
            rule = "is no resource of a project: at least one, such as projects/my-project, is required, and no other"
            raise invalid_argument([("resourceNames", f"{wrong[0]!r} {rule}")])
        projects = {self._cloud.projects.with_id(name).split("/")[1] for name in names}
        text = body.get("filter", "")
        selects = filters.compiled(_by_rank(text))
        found = [entry for entry in self._entries(projects, text) if selects({**entry, **_ranked(entry)})]
        order = body.get("orderBy", "timestamp asc")
        found.sort(key=lambda entry: entry["timestamp"], reverse=order.strip().endswith("desc"))
        return _page(found, body)

    def _entries(self, projects: set[str], text: str) -> Iterator[dict[str, Any]]:
        """All entries of the projects; of the jobs that the filter names, where it names any."""
        named = set(_JOB.findall(text))
        if not named:
            yield from self._cloud.logging.written.of(projects)
        for job in self._jobs.all():
            _, project, _, _, _, short = job["name"].split("/")
            if project in projects and (not named or short in named):
                for line in self._runner.logs(short).lines():
                    yield log_entry(line, project=project, job_id=short)


def _page(found: list[dict[str, Any]], body: dict[str, Any]) -> dict[str, Any]:
    size = min(int(body.get("pageSize") or 50), _MOST)
    token = body.get("pageToken")
    names = [
        f"{entry['logName']} {entry['insertId']} {entry['resource'].get('labels', {}).get('job_id', '')}"
        for entry in found
    ]
    tokens = [page_token(name) for name in names]
    if token and token not in tokens:
        raise invalid_argument([("pageToken", f"{token!r} is not a token that a page of this list gave")])
    start = tokens.index(token) + 1 if token else 0
    page = found[start : start + size]
    answer: dict[str, Any] = {"entries": page} if page else {}
    if start + size < len(found):
        answer["nextPageToken"] = tokens[start + size - 1]
    return answer


def _by_rank(text: str) -> str:
    """The filter with severities as numbers, so that they compare in their own order."""
    return _SEVERITY.sub(lambda found: f"severityRank{found[1]}{severity_rank(found[2])}", text)


def _ranked(entry: dict[str, Any]) -> dict[str, Any]:
    return {"severityRank": severity_rank(entry.get("severity", "DEFAULT"))}
