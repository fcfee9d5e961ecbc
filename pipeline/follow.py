"""Follow a run to its end, a line for each change of a step, and say why it failed.

Owns: polling and the lines. Does not own: what is kept of a run afterwards (report.py).
"""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from contracts.stack_outputs import StackOutputs
from pipeline import clients as cl
from pipeline import custom_jobs as jobs
from pipeline.artifacts import refusal_file
from pipeline.objects import Objects, join

if TYPE_CHECKING:
    from datetime import datetime

    from google.cloud.aiplatform_v1.types import PipelineJob, PipelineTaskDetail
    from rich.console import Console

_ENDED = frozenset({"PIPELINE_STATE_SUCCEEDED", "PIPELINE_STATE_FAILED", "PIPELINE_STATE_CANCELLED"})
_QUIET = frozenset({"STATE_UNSPECIFIED", "PENDING", "CANCEL_PENDING", "NOT_TRIGGERED"})
_STYLES = {"SUCCEEDED": "green", "FAILED": "red", "CANCELLED": "red", "SKIPPED": "dim"}
PATIENCE_SECONDS = 30.0


def follow(
    outputs: StackOutputs,
    name: str,
    *,
    clients: cl.Clients | None = None,
    console: "Console | None" = None,
    patience_seconds: float = PATIENCE_SECONDS,
) -> bool:
    """Wait until a run has ended, telling each change; True if it succeeded.

    `patience_seconds`: how long the service may be out of reach before its client's error is raised.
    """
    from rich.console import Console

    clients = clients or cl.for_submission(outputs)
    console = console or Console(highlight=False, soft_wrap=True)
    told: dict[str, str] = {}
    job, seconds = None, 0.5 if outputs.endpoints.vertex else 10
    with console.status(f"{name.rpartition('/')[2]} is starting") as status:
        for job in _polled(clients, name, seconds=seconds, patience_seconds=patience_seconds):
            elapsed = _elapsed(job)
            for task in tasks(job):
                state = task.state.name
                if told.get(task.task_name) != state and state not in _QUIET:
                    told[task.task_name] = state
                    console.print(f"{elapsed:7.1f} s  {task.task_name:<9} [{_STYLES.get(state, 'default')}]{state}[/]")
            running = [step for step, state in told.items() if state == "RUNNING"]
            status.update(f"{elapsed:.0f} s  {', '.join(running) or 'between steps'}")
    if job is None:
        raise LookupError(f"name = {name!r}: the service returned no such run")
    succeeded = job.state.name == "PIPELINE_STATE_SUCCEEDED"
    style = "green" if succeeded else "red"
    state = job.state.name.removeprefix("PIPELINE_STATE_")
    console.print(f"{_elapsed(job):7.1f} s  {name.rpartition('/')[2]} [{style}]{state}[/]")
    if not succeeded:
        for line in why_failed(outputs, job, clients):
            console.print(line, markup=False)
    return succeeded


def tasks(job: "PipelineJob") -> "list[PipelineTaskDetail]":
    """The steps of a run in their order, without the groups around them; of a retried step the last try."""
    by_step = {task.task_name: task for task in job.job_detail.task_details if task.task_name in jobs.STEPS}
    return [by_step[step] for step in jobs.STEPS if step in by_step]


def custom_job_of(task: "PipelineTaskDetail") -> str:
    """The resource name of the custom job that a step became, or ""."""
    return task.executor_detail.custom_job_detail.job


def why_failed(outputs: StackOutputs, job: "PipelineJob", clients: cl.Clients) -> list[str]:
    """What the service and the failed steps themselves say."""
    lines = [f"The service says: {job.error.message}"] if job.error.message else []
    for task in tasks(job):
        if task.state.name != "FAILED":
            continue
        custom_job = custom_job_of(task)
        reason = task.error.message or (
            clients.jobs.get_custom_job(name=custom_job).error.message if custom_job else ""
        )
        lines.append(f"{task.task_name} failed: {reason or 'no reason given'}")
        lines += _own_words(outputs, job, task.task_name, clients)
        if custom_job:
            lines.append(f"Its job: {custom_job}")
    return lines


def _own_words(outputs: StackOutputs, job: "PipelineJob", step: str, clients: cl.Clients) -> list[str]:
    run_id = job.name.rpartition("/")[2]
    for folder in (jobs.snapshot_uri(outputs, run_id), jobs.model_uri(outputs, run_id)):
        try:
            refusal: dict[str, Any] = Objects(clients.storage).read_json(join(folder, refusal_file(step)))
        except FileNotFoundError:
            continue
        return str(refusal["text"]).splitlines()
    return []


def _polled(clients: cl.Clients, name: str, *, seconds: float, patience_seconds: float) -> "Iterator[PipelineJob]":
    from google.api_core.exceptions import ServerError
    from requests.exceptions import ConnectionError as NoConnection

    last_answer = time.monotonic()
    while True:
        try:
            job = clients.pipelines.get_pipeline_job(name=name, timeout=60)
        except (ServerError, NoConnection):
            if time.monotonic() - last_answer > patience_seconds:
                raise
            time.sleep(seconds)
            continue
        last_answer = time.monotonic()
        yield job
        if job.state.name in _ENDED:
            return
        time.sleep(seconds)


def _elapsed(job: "PipelineJob") -> float:
    """Seconds since the run was created, by this machine's clock until the service tells its end."""
    created = cast("datetime", job.create_time)
    if job.state.name in _ENDED and job.end_time:
        return (cast("datetime", job.end_time) - created).total_seconds()
    return max(0.0, time.time() - created.timestamp())
