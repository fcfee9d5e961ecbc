"""What Vertex AI refuses of a persistent resource's pools, and what it fills in. Pure.

Source: https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.persistentResources
"""

from local.cloud.aiplatform.machines import check_disk, check_machine
from local.cloud.aiplatform.resources import Resource
from local.cloud.errors import invalid_argument
from local.cloud.validation import Violations, as_int

_ID = r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?"
_MUTABLE_OF_POOL = ("replicaCount", "autoscalingSpec")


def most_replicas(pool: Resource) -> int:
    """The most replicas that a resource pool can have."""
    return int(pool.get("autoscalingSpec", {}).get("maxReplicaCount") or pool["replicaCount"])


def check(body: Resource, short: str) -> None:
    """Refuse what Vertex AI's validation of a persistent resource refuses."""
    found = Violations()
    rule = "must start with a letter and hold at most 63 lowercase letters, digits and hyphens, not a hyphen at the end"
    found.matches(_ID, short, "persistentResourceId", rule)
    found.unless(len(body.get("displayName", "")) <= 128, "displayName", "has more than 128 characters")
    found.labels(body.get("labels"))
    pools = body.get("resourcePools") or []
    found.unless(pools, "resourcePools", "at least one resource pool is required")
    ids = [pool.get("id") for pool in pools if pool.get("id")]
    found.unless(len(ids) == len(set(ids)), "resourcePools", f"pool ids must be unique: {', '.join(ids)}")
    for index, pool in enumerate(pools):
        _check_pool(found, pool, f"resourcePools[{index}]")
    account = body.get("resourceRuntimeSpec", {}).get("serviceAccountSpec", {})
    found.unless(
        not account.get("serviceAccount") or account.get("enableCustomServiceAccount"),
        "resourceRuntimeSpec.serviceAccountSpec.serviceAccount",
        f"{account.get('serviceAccount')!r} needs enableCustomServiceAccount to be true",
    )
    found.refuse()


def _check_pool(found: Violations, pool: Resource, at: str) -> None:
    check_machine(found, pool.get("machineSpec"), f"{at}.machineSpec")
    check_disk(found, pool.get("diskSpec"), f"{at}.diskSpec", (pool.get("machineSpec") or {}).get("machineType") or "")
    scaling = pool.get("autoscalingSpec")
    count = as_int(pool.get("replicaCount"))
    if scaling is None:
        found.unless(
            count is not None and count >= 1, f"{at}.replicaCount", f"{pool.get('replicaCount')!r} is not at least 1"
        )
        return
    least, most = as_int(scaling.get("minReplicaCount")), as_int(scaling.get("maxReplicaCount"))
    if least is None or most is None:
        missing = "minReplicaCount" if least is None else "maxReplicaCount"
        found.add(f"{at}.autoscalingSpec.{missing}", "minReplicaCount and maxReplicaCount are both required")
        return
    found.unless(least > 0, f"{at}.autoscalingSpec.minReplicaCount", f"{least} is not greater than 0")
    found.unless(
        least < most, f"{at}.autoscalingSpec.maxReplicaCount", f"{most} is not greater than minReplicaCount, {least}"
    )
    if count is not None:
        found.unless(
            least <= count <= most,
            f"{at}.replicaCount",
            f"{count} is not from {least} to {most}, the autoscaling's limits",
        )


def with_defaults(pool: Resource, index: int) -> Resource:
    made = {key: value for key, value in pool.items() if key != "usedReplicaCount"}
    made.setdefault("id", f"pool-{index}")
    made.setdefault("replicaCount", made.get("autoscalingSpec", {}).get("minReplicaCount"))
    return made


def merged_pools(held: list[Resource], wanted: list[Resource]) -> list[Resource]:
    """The held pools with the wanted ones' counts; pools are told apart by id, or by place where none is given."""
    if len(held) != len(wanted):
        raise invalid_argument(
            [("resourcePools", f"{len(wanted)} pools for the {len(held)} there are: pools are immutable")]
        )
    by_id = {pool["id"]: pool for pool in held}
    merged = []
    for index, pool in enumerate(wanted):
        old = by_id.get(pool.get("id", held[index]["id"]), held[index])
        for key in ("id", "machineSpec", "diskSpec"):
            if key in pool and pool[key] != old.get(key):
                raise invalid_argument(
                    [(f"resourcePools[{index}].{key}", f"{pool[key]!r} is not {old.get(key)!r}: it is immutable")]
                )
        merged.append({**old, **{key: pool[key] for key in _MUTABLE_OF_POOL if key in pool}})
    return merged
