"""Persistent resources as the console shows them: replicas, who waits for them, their age, and what they cost."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from local.cloud.clock import parse_rfc3339
from local.cloud.console import prices
from local.cloud.console.history import History
from local.cloud.console.words import between, last
from local.cloud.jobs.spec import PoolSlot

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_OLD_DAYS = 30
_MOST_DRAWN = 32
_WAITING = ("JOB_STATE_PENDING", "JOB_STATE_QUEUED")


def resources(cloud: "Cloud", history: History, now: datetime) -> list[dict[str, Any]]:
    """Every persistent resource, in order of name."""
    ages = {each["name"]: each for each in cloud.vertex.pools.ages()}
    jobs = history.in_states("aiplatform.CustomJob", *_WAITING, "JOB_STATE_RUNNING", "JOB_STATE_CANCELLING")
    return [_resource(cloud, each, ages[each["name"]], jobs, now) for each in cloud.vertex.pools.all()]


def _resource(
    cloud: "Cloud", resource: dict[str, Any], age: dict[str, Any], jobs: list[dict[str, Any]], now: datetime
) -> dict[str, Any]:
    name = resource["name"]
    jobs = sorted(jobs, key=lambda job: job["createTime"])
    here = [job for job in jobs if _location(job["name"]) == _location(name) and _wants(job) == last(name)]
    pools = [_pool(cloud, name, each) for each in resource["resourcePools"]]
    hourly = [each["usd_per_hour"] for each in pools]
    together = None if None in hourly else sum(hourly)
    exists = (now - parse_rfc3339(resource.get("startTime", resource["createTime"]))).total_seconds() / 3600
    return {
        **{"name": name, "short": last(name), "state": resource["state"], "error": resource.get("error", {})},
        **{"location": name.split("/")[3], "project": name.split("/")[1], "pools": pools},
        **{
            "created": resource["createTime"],
            "age_seconds": between(age["machinesSince"], None, now),
            "too_old": age["tooOld"],
        },
        "age_share": min(1.0, max(0.0, age["ageDays"] / _OLD_DAYS)),
        "recreate_before": age["recreateBefore"],
        "waiting": [job for job in here if job["state"] in _WAITING],
        "running": [job for job in here if job["state"] not in _WAITING],
        "usd_per_day": None if together is None else together * 24,
        "usd_so_far": None if together is None else together * max(exists, 0.0),
    }


def _pool(cloud: "Cloud", resource: str, pool: dict[str, Any]) -> dict[str, Any]:
    used = cloud.vertex.runner.used(PoolSlot(resource, pool["id"]))
    machine, disk, scaling = pool["machineSpec"], pool.get("diskSpec", {}), pool.get("autoscalingSpec")
    count = max(used, int(pool["replicaCount"])) if scaling else int(pool["replicaCount"])
    warm = cloud.vertex.runner.warm_processes()
    each = prices.replica_usd_per_hour(pool)
    return {
        **{"id": pool["id"], "replicas": count, "used": used, "drawn": min(count, _MOST_DRAWN)},
        "machine": machine.get("machineType", ""),
        "accelerator": _accelerator(machine),
        "disk": f"{disk.get('bootDiskSizeGb', 100)} GB {disk.get('bootDiskType', 'pd-ssd')}",
        "scaling": f"{scaling['minReplicaCount']} to {scaling['maxReplicaCount']}" if scaling else "",
        "warm": sum(slot == PoolSlot(resource, pool["id"]) for slot, _ in warm),
        "usd_per_hour": None if each is None else each * count,
    }


def _accelerator(machine: dict[str, Any]) -> str:
    count = int(machine.get("acceleratorCount", 0) or 0)
    return f"{count} × {machine.get('acceleratorType', '').removeprefix('NVIDIA_')}" if count else ""


def _location(name: str) -> str:
    return "/".join(name.split("/")[:4])


def _wants(job: dict[str, Any]) -> str:
    return job["jobSpec"].get("persistentResourceId", "")
