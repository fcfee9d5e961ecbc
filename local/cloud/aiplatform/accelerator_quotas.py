"""The accelerators that a project's pools and jobs hold in a region, against its quota.

Owns: counting them and the refusal. Does not own: the limits (quota_limits.py).
Source: https://cloud.google.com/vertex-ai/docs/quotas
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from local.cloud.errors import ApiError
from local.cloud.jobs.spec import FINAL_STATES
from local.cloud.quota_limits import UNLIMITED, effective, metric_of
from local.cloud.store import Store


def refuse_beyond_quota(store: Store, location: str, pools: Iterable[dict[str, Any]]) -> None:
    """`pools` are resource pools or worker pools that are about to be made at `projects/P/locations/L`. Raises
    RESOURCE_EXHAUSTED where they and what is there already hold more accelerators than the quota allows.
    """
    _, project, _, region = location.split("/")
    wanted = accelerators(pools)
    limits = {metric: effective(store, project, metric, region) for metric in wanted}
    if set(limits.values()) <= {UNLIMITED}:
        return
    held = _in_use(store, location) + wanted
    beyond = [metric for metric, limit in limits.items() if limit != UNLIMITED and held[metric] > limit]
    if beyond:
        raise ApiError(429, f"The following quota metrics exceed quota limits: {', '.join(sorted(beyond))}")


def accelerators(pools: Iterable[dict[str, Any]]) -> Counter[str]:
    """How many accelerators of each metric the pools may hold at most."""
    found: Counter[str] = Counter()
    for pool in pools:
        spec = pool.get("machineSpec") or {}
        metric = metric_of(spec.get("acceleratorType", ""))
        most = (pool.get("autoscalingSpec") or {}).get("maxReplicaCount") or pool.get("replicaCount") or 1
        if metric:
            found[metric] += int(most) * int(spec.get("acceleratorCount", 0))
    return found


def _in_use(store: Store, location: str) -> Counter[str]:
    """What persistent resources hold, used or not, and jobs on machines of their own that have not ended."""
    used: Counter[str] = Counter()
    for _, resource in store.list("aiplatform.PersistentResource", location):
        used += accelerators(resource["resourcePools"])
    for _, job in store.list("aiplatform.CustomJob", location):
        spec = job["jobSpec"]
        if job["state"] not in FINAL_STATES and not spec.get("persistentResourceId"):
            used += accelerators(spec["workerPoolSpecs"])
    return used
