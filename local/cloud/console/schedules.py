"""Schedules as the console shows them: both Vertex AI's, which start pipelines, and Cloud Scheduler's jobs."""

from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from local.cloud import cron
from local.cloud.clock import parse_rfc3339, rfc3339
from local.cloud.console.words import last
from local.cloud.validation import as_int

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.cloud.app import Cloud

_NEXT = 3
_MOST = 200


def schedules(cloud: "Cloud") -> list[dict[str, Any]]:
    """Those that will run first come first; then the paused and the completed ones."""
    found = [_schedule(each) for each in cloud.vertex.schedules.all()]
    found += [_job(each) for _, each in cloud.store.list("cloudscheduler.jobs", limit=_MOST)]
    return sorted(found, key=lambda each: (not each["next"], each["next"][:1], each["name"]))[:_MOST]


def next_runs(schedule: dict[str, Any]) -> "Iterator[str]":
    """The due times that a schedule has before it, within its end and the number of its runs."""
    due = schedule.get("nextRunTime") if schedule.get("state") == "ACTIVE" else None
    end, most = schedule.get("endTime"), as_int(schedule.get("maxRunCount"))
    left = None if most is None else most - int(schedule.get("startedRunCount", 0))
    moment: datetime | None = parse_rfc3339(due) if due else None
    while moment and (left is None or left > 0) and not (end and moment >= parse_rfc3339(end)):
        yield rfc3339(moment)
        left = None if left is None else left - 1
        moment = cron.parse(schedule["cron"]).next_after(moment)


def _schedule(schedule: dict[str, Any]) -> dict[str, Any]:
    response = schedule.get("lastScheduledRunResponse", {})
    most = schedule.get("maxRunCount")
    return {
        **{"name": schedule["name"], "shown": schedule.get("displayName") or last(schedule["name"])},
        **{"kind": "pipeline", "cron": schedule["cron"], "state": schedule["state"]},
        "next": list(islice(next_runs(schedule), _NEXT)),
        "started": f"{schedule.get('startedRunCount', 0)}{f' of {most}' if most else ''}",
        "last": response.get("scheduledRunTime", ""),
        "answer": last(response.get("runResponse", "")) if response else "",
        "answer_run": response.get("runResponse", "") if "/pipelineJobs/" in response.get("runResponse", "") else "",
        "target": "",
    }


def _job(job: dict[str, Any]) -> dict[str, Any]:
    zone = f"TZ={job['timeZone']} " if job.get("timeZone") else ""
    target = job.get("httpTarget", {}).get("uri") or job.get("pubsubTarget", {}).get("topicName", "")
    due = job.get("scheduleTime", "") if job.get("state", "ENABLED") == "ENABLED" else ""
    code = job.get("status", {}).get("code")
    return {
        **{"name": job["name"], "shown": last(job["name"]), "kind": "scheduler job"},
        **{
            "cron": f"{zone}{job.get('schedule', '')}",
            "state": job.get("state", "ENABLED"),
            "next": [due] if due else [],
        },
        **{"started": "", "last": job.get("lastAttemptTime", ""), "answer_run": "", "target": target},
        "answer": "" if not job.get("lastAttemptTime") else "delivered" if not code else f"failed (code {code})",
    }
