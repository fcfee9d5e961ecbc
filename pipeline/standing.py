"""How a stack stands: each pool, schedule, job and model as Vertex AI has it, held against what the stack declared.

Owns: the findings, and what counts as a difference. Does not own: what was declared (the stack's outputs) nor any
change: a finding names what to do. What nobody may read is told as not read, never as right.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, cast

from google.api_core.exceptions import Forbidden, NotFound

from contracts.pool_spec import PoolSpec
from contracts.stack_outputs import DeclaredSchedule, StackOutputs
from pipeline import custom_jobs as jobs
from pipeline.clients import Clients
from pipeline.model_registry import ModelRegistry

if TYPE_CHECKING:
    from google.cloud.aiplatform_v1.types import PersistentResource, Schedule

Verdict = Literal["as declared", "note", "DIFFERS", "not read"]

_OLDEST_POOL_DAYS = 30  # Google does not patch a pool's machines and asks for another one by then
_TIMEOUT = 60
_ON_THE_WAY = ("PROVISIONING", "REBOOTING", "UPDATING")
_ACTIVE_JOBS = ("JOB_STATE_QUEUED", "JOB_STATE_PENDING", "JOB_STATE_RUNNING")
_ACTIVE_RUNS = ("PIPELINE_STATE_QUEUED", "PIPELINE_STATE_PENDING", "PIPELINE_STATE_RUNNING")
_COUNTS = ("used_replica_count", "replica_count")
_MASK = {"paths": ["name", "state", "create_time", "end_time"]}
_LATER = "let the next one start in its time; where runs overlap, raise maxConcurrentRuns or set allowQueueing"
_ROTATE = "give it another generation with this one as retiringGeneration, and `up`"


@dataclass(frozen=True)
class Finding:
    """`fix` says what to do, "" where there is nothing to do."""

    about: str
    verdict: Verdict
    told: str
    fix: str = ""

    def lines(self) -> list[str]:
        return [f"{self.verdict:<11}  {self.about}: {self.told}", *([f"{'':13}do: {self.fix}"] if self.fix else [])]


def examine(outputs: StackOutputs, clients: Clients, *, now: datetime) -> list[Finding]:
    """Everything that can be read, what the stack declares first."""
    parts: dict[str, Callable[[], Iterator[Finding]]] = {
        "pools": lambda: pools(outputs, clients, now=now),
        "schedules": lambda: schedules(outputs, clients),
        "jobs": lambda: waiting(clients),
        "runs": lambda: last_success(clients, now=now),
        "champion": lambda: champion(outputs, clients),
    }
    found: list[Finding] = []
    for about, part in parts.items():
        try:
            found += part()
        except Forbidden as error:
            found.append(Finding(about, "not read", error.message, "ask as the keeper or the submitter"))
    return found


def pools(outputs: StackOutputs, clients: Clients, *, now: datetime) -> Iterator[Finding]:
    listed = clients.pools.list_persistent_resources(parent=clients.location, timeout=_TIMEOUT)
    there = {_id(pool.name): pool for pool in listed}
    refresh = _refresh(outputs)
    for declared in (*outputs.training_pools, outputs.steps_pool):
        about = f"pool {declared.persistent_resource_id or declared.name}"
        real = there.pop(declared.persistent_resource_id, None)
        if not declared.persistent_resource_id:
            yield Finding(about, "as declared", "hibernated: its jobs run on demand")
        elif real is None:
            yield Finding(about, "DIFFERS", "it is gone", refresh)
        else:
            yield _state(about, real)
            yield from _make(about, declared, real, refresh)
            yield from _age(about, real, now)
    for name, pool in there.items():
        told = f"{pool.state.name}, and none of this stack's current pools: a retiring one, or left over. It bills"
        yield Finding(f"pool {name}", "note", told)


def _state(about: str, real: "PersistentResource") -> Finding:
    state = real.state.name
    if state == "RUNNING":
        used, count = (sum(int(getattr(pool, name)) for pool in real.resource_pools) for name in _COUNTS)
        return Finding(about, "as declared", f"RUNNING, {used} of {count} replica(s) in use")
    if state in _ON_THE_WAY:
        return Finding(about, "note", f"{state}: jobs wait for it")
    reason = f" ({real.error.message})" if real.error.message else ""
    return Finding(about, "DIFFERS", f"{state}{reason}: no job starts on it", f"reboot it; if it stays so, {_ROTATE}")


def _make(about: str, declared: PoolSpec, real: "PersistentResource", refresh: str) -> Iterator[Finding]:
    """Size, machine and disk; of a pool that scales, the bounds."""
    held = real.resource_pools[0]
    scaling = declared.autoscaling
    fewest, most = (scaling.min_replica_count if scaling else declared.replica_count), declared.max_replica_count
    if not fewest <= held.replica_count <= most:
        wanted = f"{fewest} to {most}" if scaling else str(most)
        told = f"it has {held.replica_count} replica(s), declared are {wanted}"
        yield Finding(about, "DIFFERS", told, refresh)
    machine, disk = held.machine_spec, held.disk_spec
    asked = declared.machine.model_dump() | declared.disk.model_dump()
    found = {
        "machine_type": machine.machine_type,
        "accelerator_type": machine.accelerator_type.name if machine.accelerator_count else "",
        "accelerator_count": machine.accelerator_count,
        "boot_disk_type": disk.boot_disk_type,
        "boot_disk_size_gb": disk.boot_disk_size_gb,
    }
    for key, value in asked.items():
        if found[key] != value:
            told = f"its {key} is {found[key]!r}, declared is {value!r}: jobs of the pipeline do not fit it"
            yield Finding(about, "DIFFERS", told, refresh)


def _age(about: str, real: "PersistentResource", now: datetime) -> Iterator[Finding]:
    days = (now - _moment(real.create_time)).days
    if days > _OLDEST_POOL_DAYS:
        told = f"it is {days} days old, and its machines were not patched since"
        yield Finding(about, "note", told, _ROTATE)


def schedules(outputs: StackOutputs, clients: Clients) -> Iterator[Finding]:
    for name, declared in sorted(outputs.schedules.items()):
        about = f"schedule {name}"
        try:
            real = clients.schedules.get_schedule(name=declared.resource, timeout=_TIMEOUT)
        except NotFound:
            yield Finding(about, "DIFFERS", "it is gone", _refresh(outputs))
            continue
        yield _running(about, declared, real)
        yield from _timing(about, declared, real, outputs)
        yield from _last_run(about, real, outputs, clients)


def _running(about: str, declared: DeclaredSchedule, real: "Schedule") -> Finding:
    state, wanted = real.state.name, "PAUSED" if declared.paused else "ACTIVE"
    if state == wanted:
        runs = f", next run {_told(real.next_run_time)}" if state == "ACTIVE" else ""
        return Finding(about, "as declared", f"{state}{runs}")
    if state == "COMPLETED":
        return Finding(about, "note", "COMPLETED: it has reached its end, and starts no run any more")
    since = real.last_pause_time if state == "PAUSED" else real.last_resume_time
    told = f"{state} since {_told(since)}, declared is {wanted}: by hand, which neither plan nor refresh sees"
    other = str(not declared.paused).lower()
    fix = f"set paused: {other} and `up`; to return to {wanted}, back and `up` again (an `up` alone changes nothing)"
    return Finding(about, "DIFFERS", told, fix)


def _timing(about: str, declared: DeclaredSchedule, real: "Schedule", outputs: StackOutputs) -> Iterator[Finding]:
    found = {
        "cron": real.cron.removeprefix("CRON_"),
        "max_concurrent_runs": int(real.max_concurrent_run_count),
        "allow_queueing": bool(real.allow_queueing),
    }
    for key, value in found.items():
        if value != (wanted := getattr(declared, key)):
            told = f"its {key} is {value!r}, declared is {wanted!r}"
            yield Finding(about, "DIFFERS", told, _refresh(outputs))


def _last_run(about: str, real: "Schedule", outputs: StackOutputs, clients: Clients) -> Iterator[Finding]:
    answer = real.last_scheduled_run_response
    if not answer.run_response:
        return
    when = _told(answer.scheduled_run_time)
    if "/pipelineJobs/" not in answer.run_response:
        yield Finding(about, "DIFFERS", f"the run of {when} did not start: {answer.run_response}", _LATER)
        return
    try:
        run = clients.pipelines.get_pipeline_job(name=answer.run_response, timeout=_TIMEOUT)
    except NotFound:
        return
    if run.state.name == "PIPELINE_STATE_FAILED":
        told = f"its last run, of {when}, failed: {run.error.message or 'no reason given'}"
        yield Finding(
            about, "DIFFERS", told, f"python -m pipeline.submit --stack {outputs.stack} --follow {_id(run.name)}"
        )


def waiting(clients: Clients) -> Iterator[Finding]:
    """Jobs and runs that have not ended, by what they run on."""
    jobs_filter = " OR ".join(f'state="{state}"' for state in _ACTIVE_JOBS)
    listed = clients.jobs.list_custom_jobs(
        request={"parent": clients.location, "filter": jobs_filter}, timeout=_TIMEOUT
    )
    by_pool: dict[str, Counter[str]] = {}
    for job in listed:
        where = _id(job.job_spec.persistent_resource_id) or "on demand"
        by_pool.setdefault(where, Counter())["running" if job.state.name == _ACTIVE_JOBS[-1] else "queued"] += 1
    told = [f"{where}: {count['running']} running, {count['queued']} queued" for where, count in by_pool.items()]
    yield Finding("jobs", "as declared", "; ".join(sorted(told)) or "none runs or waits")
    runs_filter = " OR ".join(f'state="{state}"' for state in _ACTIVE_RUNS)
    runs = clients.pipelines.list_pipeline_jobs(
        request={"parent": clients.location, "filter": runs_filter, "read_mask": _MASK}, timeout=_TIMEOUT
    )
    names = [f"{_id(run.name)} ({run.state.name.removeprefix('PIPELINE_STATE_')})" for run in runs]
    yield Finding("runs", "as declared", ", ".join(sorted(names)) or "none goes on")


def last_success(clients: Clients, *, now: datetime) -> Iterator[Finding]:
    wanted = f'pipeline_name="{jobs.PIPELINE}" AND state="PIPELINE_STATE_SUCCEEDED"'
    request = {"parent": clients.location, "filter": wanted, "order_by": "end_time desc", "page_size": 1}
    runs = clients.pipelines.list_pipeline_jobs(request=request | {"read_mask": _MASK}, timeout=_TIMEOUT)
    run = next(iter(runs), None)
    if run is None:
        yield Finding("last successful run", "note", "there is none", "make submit")
        return
    hours = (now - _moment(run.end_time)).total_seconds() / 3600
    yield Finding(
        "last successful run", "as declared", f"{_id(run.name)}, {_told(run.end_time)}, {hours:.1f} hours ago"
    )


def champion(outputs: StackOutputs, clients: Clients) -> Iterator[Finding]:
    found = ModelRegistry(clients, outputs.model_name).champion()
    if found is None:
        yield Finding("champion", "note", f"no version of {outputs.model_name} is one yet", "make submit")
    else:
        about = found.description or "without a description"
        yield Finding("champion", "as declared", f"{outputs.model_name} version {found.id}: {about}, {found.uri}")


def _refresh(outputs: StackOutputs) -> str:
    return f"refresh stack {outputs.stack} (`pulumi refresh`, or `python -m engine refresh`), then `up`"


def _id(name: str) -> str:
    return name.rpartition("/")[2]


def _moment(time: Any) -> datetime:
    """A timestamp of the client library, which its types do not call one."""
    return cast("datetime", time)


def _told(time: Any) -> str:
    return f"{_moment(time):%Y-%m-%d %H:%M} UTC" if time else "an unknown time"
