"""Persistent resources: pools of machines that stay.

Owns: their REST methods, their states and the rules for their pools. Does not own: the processes on them (jobs/) or
which jobs may use them (job_rules.py).

PUT is a deviation from the documented API, which has PATCH alone: the Pulumi provider sends it, and whether Vertex AI
takes it is not known. It is on unless the setting `persistentResourcePut` is false.
Source: https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.persistentResources
"""

import time
from typing import TYPE_CHECKING, Any

from local.cloud.aiplatform.machines import check_disk, check_machine
from local.cloud.aiplatform.messages import canonical
from local.cloud.aiplatform.resources import Collection, Resource, done, location_of, proto, without_output_only
from local.cloud.call import Call, Response
from local.cloud.errors import already_exists, failed_precondition, invalid_argument, not_found
from local.cloud.jobs.runner import JobRunner
from local.cloud.jobs.spec import PoolSlot
from local.cloud.masks import mask_paths
from local.cloud.routing import Route
from local.cloud.validation import Violations, as_int

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_ID = r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?"
_MUTABLE_OF_POOL = ("replicaCount", "autoscalingSpec")


class PersistentResources(Collection):
    def __init__(self, cloud: "Cloud", jobs: JobRunner, settings: dict[str, Any]) -> None:
        super().__init__(cloud, "PersistentResource")
        self._jobs = jobs
        self._settings = settings

    def routes(self) -> list[Route]:
        parent = "/v1/{parent=projects/*/locations/*}/persistentResources"
        name = "/v1/{name=projects/*/locations/*/persistentResources/*}"
        may = "aiplatform.persistentResources"
        return [
            Route("POST", parent, self._create, f"{may}.create"),
            Route("GET", parent, self._list, f"{may}.list"),
            Route("GET", name, lambda call: self._shown(self.get(call.params["name"])), f"{may}.get"),
            Route("PATCH", name, self._patch, f"{may}.update"),
            Route("PUT", name, self._put, f"{may}.update"),
            Route("DELETE", name, self._delete, f"{may}.delete"),
            Route("POST", f"{name}:reboot", self._reboot, f"{may}.update"),
        ]

    def limit(self, slot: PoolSlot) -> int:
        """How many replicas jobs may hold on a pool at once; none while the resource is not running."""
        resource = self.find(slot.resource)
        if resource is None or resource["state"] != "RUNNING":
            return 0
        return next((most_replicas(pool) for pool in resource["resourcePools"] if pool["id"] == slot.pool), 0)

    def _create(self, call: Call) -> dict[str, Any]:
        body = canonical("PersistentResource", call.object(), "persistent_resource")
        short = call.query.get("persistentResourceId", "")
        check(body, short)
        name = f"{call.params['parent']}/persistentResources/{short}"
        if self.find(name):
            raise already_exists(f"The PersistentResource '{name}' already exists.")
        pools = [_with_defaults(pool, index) for index, pool in enumerate(body["resourcePools"])]
        wanted = without_output_only(body, "state", "error", "startTime", "resourceRuntime")
        made = {**wanted, "resourcePools": pools, "state": "RUNNING", "resourceRuntime": {"accessUris": {}}}
        with self.cloud.store.transaction():
            self.create(name, made)
            resource = self._shown(self.update(name, lambda each: each.update(startTime=each["createTime"])))
        return done(call, "CreatePersistentResource", resource, "PersistentResource")

    def _list(self, call: Call) -> dict[str, Any]:
        return self.page(call, "persistentResources", render=self._with_use)

    def _patch(self, call: Call) -> dict[str, Any]:
        body = canonical("PersistentResource", call.object(), "persistent_resource")
        paths = mask_paths(call.query.get("updateMask"))
        if not paths:
            raise invalid_argument([("updateMask", "is required")])
        wrong = [".".join(path) for path in paths if path[0] not in {"displayName", "labels", "resourcePools"}]
        if wrong:
            raise invalid_argument([("updateMask", f"{', '.join(wrong)} cannot be changed")])
        resource = self._changed(call.params["name"], {key: body.get(key) for key in {path[0] for path in paths}})
        return done(call, "UpdatePersistentResource", resource, "PersistentResource")

    def _put(self, call: Call) -> dict[str, Any] | Response:
        if not self._settings.get("persistentResourcePut", True):
            raise not_found(f"The requested URL {call.path} was not found: this API has no PUT.")
        body = canonical("PersistentResource", call.object(), "persistent_resource")
        wanted = {key: body.get(key) for key in ("displayName", "labels", "resourcePools")}
        return done(call, "UpdatePersistentResource", self._changed(call.params["name"], wanted), "PersistentResource")

    def _changed(self, name: str, wanted: Resource) -> Resource:
        """Take display name, labels and the counts of the pools from `wanted`; anything else of a pool is immutable."""

        def change(resource: Resource) -> None:
            for key in ("displayName", "labels"):
                if key in wanted:
                    resource.pop(key, None)
                    resource |= {key: wanted[key]} if wanted[key] else {}
            if wanted.get("resourcePools"):
                resource["resourcePools"] = _merged_pools(resource["resourcePools"], wanted["resourcePools"])
            check(resource, resource["name"].rsplit("/", 1)[-1])

        self._require(self.get(name), "RUNNING", "ERROR")
        resource = self.update(name, change)
        self._jobs.look_again()
        return self._shown(resource)

    def _reboot(self, call: Call) -> dict[str, Any]:
        """Source: https://cloud.google.com/vertex-ai/docs/training/persistent-resource-reboot"""
        name = call.params["name"]
        resource = self.get(name)
        self._require(resource, "RUNNING", "ERROR")
        busy = [pool["id"] for pool in resource["resourcePools"] if self._used(resource, pool)]
        if busy:
            raise failed_precondition(
                f"{name} has running jobs on {', '.join(busy)}: cancel them or wait, then reboot."
            )

        def reboot(rebooted: Resource) -> None:
            for pool in rebooted["resourcePools"]:
                if "autoscalingSpec" in pool:
                    pool["replicaCount"] = pool["autoscalingSpec"]["minReplicaCount"]

        self._jobs.release(resource["name"])
        return done(call, "RebootPersistentResource", self._shown(self.update(name, reboot)), "PersistentResource")

    def _delete(self, call: Call) -> dict[str, Any]:
        """The jobs on it are cancelled first; the operation ends when their replicas have."""
        name = self.get(call.params["name"])["name"]
        resource = self.update(name, lambda each: each.update(state="STOPPING"))
        self._jobs.release(name)
        if not any(self._used(resource, pool) for pool in resource["resourcePools"]):
            self.remove(name)
            return done(call, "Delete", None)

        def work(_operation: str) -> dict[str, Any]:
            while any(self._used(resource, pool) for pool in resource["resourcePools"]):
                time.sleep(0.05)
            self.remove(name)
            return {}

        return self.cloud.operations.run(
            location_of(name),
            work,
            response_type="google.protobuf.Empty",
            metadata_type=proto(call, "DeleteOperationMetadata"),
        )

    def _used(self, resource: Resource, pool: Resource) -> int:
        return self._jobs.used(PoolSlot(resource["name"], pool["id"]))

    def _with_use(self, resource: Resource) -> Resource:
        """With the replicas that jobs hold; an autoscaled pool has grown at least to that number."""
        pools = []
        for pool in resource["resourcePools"]:
            used = self._used(resource, pool)
            count = max(used, int(pool["replicaCount"])) if "autoscalingSpec" in pool else int(pool["replicaCount"])
            pools.append({**pool, "replicaCount": str(count), "usedReplicaCount": str(used)})
        return {**resource, "resourcePools": pools}

    def _shown(self, resource: Resource) -> Resource:
        return self.shown(self._with_use(resource))

    def _require(self, resource: Resource, *states: str) -> None:
        if resource["state"] not in states:
            wanted = " or ".join(states)
            raise failed_precondition(f"{resource['name']} is {resource['state']}; it must be {wanted} for this.")


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
    check_disk(found, pool.get("diskSpec"), f"{at}.diskSpec")
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


def _with_defaults(pool: Resource, index: int) -> Resource:
    made = {key: value for key, value in pool.items() if key != "usedReplicaCount"}
    made.setdefault("id", f"pool-{index}")
    made.setdefault("replicaCount", made.get("autoscalingSpec", {}).get("minReplicaCount"))
    return made


def _merged_pools(held: list[Resource], wanted: list[Resource]) -> list[Resource]:
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
