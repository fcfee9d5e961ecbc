"""The commands under `/_local/faults` and `/_local/clock`. All need the operator's token.

GET lists, POST adds a fault or lets one happen, DELETE clears one or all, PUT …/faults/seed begins the draws anew.
"""

import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from local.cloud.admin import by_operator
from local.cloud.call import Call
from local.cloud.clock import parse_rfc3339, rfc3339
from local.cloud.errors import ApiError, failed_precondition, invalid_argument, not_found
from local.cloud.faults.kinds import ClockJump, CorruptObject, KillReplica, Preempt, read
from local.cloud.jobs.restarts import Cause
from local.cloud.routing import Route, Service
from local.cloud.storage.naming import split_uri
from local.cloud.validation import as_int

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_PREEMPTION_SECONDS = 0.5


def service(cloud: "Cloud") -> Service:
    cloud.on_start.append(
        lambda: cloud.background.every(_PREEMPTION_SECONDS, lambda: _preempt_due(cloud), "pre-emptions")
    )
    routes = [
        Route("GET", "/faults", by_operator(lambda call: call.cloud.faults.shown())),
        Route("POST", "/faults", by_operator(_add)),
        Route("DELETE", "/faults", by_operator(_clear)),
        Route("DELETE", "/faults/{id}", by_operator(_clear)),
        Route("PUT", "/faults/seed", by_operator(_sow)),
        Route("GET", "/clock", by_operator(lambda call: _clock(call.cloud))),
        Route("POST", "/clock:jump", by_operator(_jump)),
    ]
    return Service("local-faults", routes, prefixes=("/_local",), bare=False)


def _add(call: Call) -> dict[str, Any]:
    return let_happen(call.cloud, call.object())


def let_happen(cloud: "Cloud", body: dict[str, Any]) -> dict[str, Any]:
    """Add the fault that a body describes, or do at once what happens once."""
    fault = read(body)
    if isinstance(fault, ClockJump):
        return _move(cloud, fault)
    if isinstance(fault, KillReplica):
        return _kill(cloud, fault)
    if isinstance(fault, CorruptObject):
        return _corrupt(cloud, fault)
    if isinstance(fault, Preempt) and fault.every_seconds is None:
        return {"kind": fault.kind, "jobs": preempt(cloud, fault)}
    return cloud.faults.add(fault)


def _clear(call: Call) -> dict[str, Any]:
    call.cloud.faults.clear(call.params.get("id", ""))
    return {}


def _sow(call: Call) -> dict[str, Any]:
    seed = as_int(call.object().get("seed"))
    if seed is None:
        raise invalid_argument([("seed", f"{call.object().get('seed')!r} is not an integer")])
    call.cloud.faults.sow(seed)
    return call.cloud.faults.shown()


def _jump(call: Call) -> dict[str, Any]:
    fault = read({**call.object(), "kind": "clock-jump"})
    return _move(call.cloud, fault) if isinstance(fault, ClockJump) else {}


def _move(cloud: "Cloud", jump: ClockJump) -> dict[str, Any]:
    """What has become due by a jump has been started when this returns."""
    by = parse_rfc3339(jump.to) - cloud.clock.now() if jump.to else timedelta(seconds=jump.seconds or 0)
    cloud.move_clock(by)
    return _clock(cloud)


def _clock(cloud: "Cloud") -> dict[str, Any]:
    return {"now": rfc3339(cloud.clock.now()), "aheadSeconds": cloud.clock.ahead.total_seconds()}


def preempt(cloud: "Cloud", fault: Preempt) -> list[str]:
    """Pre-empt a Spot job, or all that run; their names."""
    if fault.job != "*":
        job = _job(cloud, fault.job)
        strategy = job["jobSpec"].get("scheduling", {}).get("strategy", "STANDARD")
        if strategy != "SPOT":
            raise failed_precondition(f"{job['name']} is {strategy}: only a job of strategy SPOT can be pre-empted")
        jobs = [job]
    else:
        running = [job for job in cloud.vertex.jobs.all() if job["state"] == "JOB_STATE_RUNNING"]
        jobs = [job for job in running if job["jobSpec"].get("scheduling", {}).get("strategy") == "SPOT"]
    for job in jobs:
        cloud.vertex.runner.take_away(job["name"], Cause.PREEMPTED)
    return [job["name"] for job in jobs]


def _preempt_due(cloud: "Cloud") -> None:
    for fault in cloud.faults.due_preemptions():
        try:
            preempt(cloud, fault)
        except ApiError:
            continue  # the job that it is for does not run now


def _kill(cloud: "Cloud", fault: KillReplica) -> dict[str, Any]:
    job = _job(cloud, fault.job)
    if fault.task not in (tasks := cloud.vertex.runner.tasks(job["name"])):
        running = ", ".join(tasks) or "nothing"
        raise failed_precondition(f"replica {fault.task!r} of {job['name']} does not run now: {running} does")
    cloud.vertex.runner.take_away(job["name"], Cause.MACHINE_LOST, fault.task)
    return {"kind": fault.kind, "job": job["name"], "task": fault.task}


def _job(cloud: "Cloud", short: str) -> dict[str, Any]:
    found = [job for job in cloud.vertex.jobs.all() if job["name"].rsplit("/", 1)[-1] == short.rsplit("/", 1)[-1]]
    if not found:
        raise not_found(f"There is no custom job {short!r}")
    if found[0]["state"] != "JOB_STATE_RUNNING":
        raise failed_precondition(f"{found[0]['name']} is {found[0]['state']}: it must be JOB_STATE_RUNNING for this")
    return found[0]


def _corrupt(cloud: "Cloud", fault: CorruptObject) -> dict[str, Any]:
    bucket, name = split_uri(fault.uri)
    record, descriptor = cloud.objects.open(bucket, name)
    os.close(descriptor)
    if record.size == 0:
        raise failed_precondition(f"{fault.uri} is empty: it has no byte to change")
    position = int(cloud.faults.draw(f"{fault.uri}#{record.generation}") * record.size)
    path = cloud.objects.content_path(record)
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(position)
        byte = file.read(1)[0]
        file.seek(position)
        file.write(bytes([byte ^ 0xFF]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    return {"kind": fault.kind, "uri": fault.uri, "generation": str(record.generation), "position": position}
