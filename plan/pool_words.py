"""A warm pool in a plan: whose jobs are cancelled, what goes back to the market, what it costs from then on."""

from collections.abc import Iterator, Mapping
from typing import Any

from contracts.pool_spec import Autoscaling, DiskSpec, MachineSpec, PoolSpec
from infra.prices import Cost, pool_cost_per_day
from plan.changes import Change
from plan.notes import Note, arrow

_ROTATE = (
    "declare a successor: a new `generation` with the old one as `retiringGeneration`, `up`, and once no job runs on "
    'the old pool `retiringGeneration: ""` and `up` again'
)
_JOBS = "every job on it, running or queued, is cancelled, and a run of the pipeline that needs it fails"


def tell(change: Change) -> Note:
    if change.op == "delete":
        return _deleted(change)
    if change.op == "replace":
        return _replaced(change)
    if change.op == "update":
        return Note(
            f"Pool {_name(change.old)} is changed in place: {', '.join(_differences(change)) or _paths(change)}"
        )
    return Note(f"Pool {_name(change.new)} is created", money=_cost_text(_cost(change.new)))


def _deleted(change: Change) -> Note:
    return Note(
        f"Pool {_name(change.old)} is DELETED",
        capacity=f"{_JOBS}; {_held(change.old)} go back to the market",
        money=f"saves {_cost_text(_cost(change.old))}",
        data="what a cancelled job had not written to its checkpoint is lost",
        instead="wait until no job runs on it; `retiringGeneration` keeps it meanwhile",
    )


def _replaced(change: Change) -> Note:
    why = ", ".join(_differences(change)) or _paths(change)
    return Note(
        f"Pool {_name(change.old)} is REPLACED (deleted, then created): {why}",
        capacity=f"{_JOBS}; {_held(change.old)} go back to the market before {_held(change.new)} are asked for, "
        "and if none are free there is no pool until some are",
        money=f"{_cost_text(_cost(change.old))} becomes {_cost_text(_cost(change.new))}",
        data="what a cancelled job had not written to its checkpoint is lost; models and data stay",
        instead=_ROTATE,
    )


def _differences(change: Change) -> Iterator[str]:
    """What of machine, disk, size and labels the program asks for differently."""
    old, new = _flat(change.old), _flat(change.new)
    return (f"{key} {arrow(old.get(key), new.get(key))}" for key in new | old if old.get(key) != new.get(key))


def _paths(change: Change) -> str:
    return ", ".join(change.paths) or "its options"


def _flat(inputs: Mapping[str, Any]) -> dict[str, Any]:
    pool = _resource_pool(inputs)
    labels = {f"label {name}": value for name, value in (inputs.get("labels") or {}).items()}
    return {
        "machine type": (pool.get("machineSpec") or {}).get("machineType"),
        "accelerator": (pool.get("machineSpec") or {}).get("acceleratorType"),
        "accelerators of a replica": (pool.get("machineSpec") or {}).get("acceleratorCount"),
        "disk type": (pool.get("diskSpec") or {}).get("bootDiskType"),
        "disk size in GB": (pool.get("diskSpec") or {}).get("bootDiskSizeGb"),
        "replicas": pool.get("replicaCount"),
        "fewest replicas": (pool.get("autoscalingSpec") or {}).get("minReplicaCount"),
        "most replicas": (pool.get("autoscalingSpec") or {}).get("maxReplicaCount"),
        "display name": inputs.get("displayName"),
        "location": inputs.get("location"),
        "network": inputs.get("network"),
        "network attachment": (inputs.get("pscInterfaceConfig") or {}).get("networkAttachment"),
        **labels,
    }


def _name(inputs: Mapping[str, Any]) -> str:
    return str(inputs.get("name") or inputs.get("displayName") or "without a name")


def _held(inputs: Mapping[str, Any]) -> str:
    """What the pool holds at least: its accelerators, or machines where it has none."""
    spec = pool_spec(inputs)
    if spec is None:
        return "its machines"
    replicas = spec.autoscaling.min_replica_count if spec.autoscaling else spec.replica_count
    upto = f" to {spec.max_replica_count}" if spec.max_replica_count != replicas else ""
    machine = spec.machine
    if not machine.accelerator_count:
        return f"{replicas}{upto} x {machine.machine_type}"
    each = f", {machine.accelerator_count} a replica" if machine.accelerator_count > 1 else ""
    return f"{replicas * machine.accelerator_count} x {machine.accelerator_type} ({replicas}{upto} replicas{each})"


def _cost(inputs: Mapping[str, Any]) -> Cost:
    spec = pool_spec(inputs)
    if spec is None:
        return Cost(None, None, "its machines are not known yet")
    return pool_cost_per_day(spec, str(inputs.get("location")))


def _cost_text(cost: Cost) -> str:
    if cost.low is None or cost.high is None:
        return f"a price that is not known ({cost.reason})"
    if cost.low == cost.high:
        return f"{cost.low:.2f} USD a day"
    return f"{cost.low:.2f} to {cost.high:.2f} USD a day"


def pool_spec(inputs: Mapping[str, Any]) -> PoolSpec | None:
    """The pool that the provider's inputs describe; None where they lack a part."""
    pool = _resource_pool(inputs)
    machine, disk, scaling = (pool.get(key) or {} for key in ("machineSpec", "diskSpec", "autoscalingSpec"))
    try:
        return PoolSpec(
            name=_name(inputs),
            persistent_resource_id=_name(inputs),
            pool_id=str(pool.get("id") or ""),
            machine=MachineSpec(
                machine_type=machine["machineType"],
                accelerator_type=machine.get("acceleratorType") or "",
                accelerator_count=machine.get("acceleratorCount") or 0,
            ),
            disk=DiskSpec(boot_disk_type=disk["bootDiskType"], boot_disk_size_gb=disk["bootDiskSizeGb"]),
            replica_count=int(pool.get("replicaCount") or scaling["minReplicaCount"]),
            autoscaling=Autoscaling(
                min_replica_count=int(scaling["minReplicaCount"]), max_replica_count=int(scaling["maxReplicaCount"])
            )
            if scaling
            else None,
        )
    except (KeyError, TypeError, ValueError):
        return None


def _resource_pool(inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    """The one resource pool; several are told by the properties that differ alone."""
    pools = inputs.get("resourcePools")
    return pools[0] if isinstance(pools, list) and len(pools) == 1 and isinstance(pools[0], Mapping) else {}
