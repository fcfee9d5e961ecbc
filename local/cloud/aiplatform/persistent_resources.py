"""Persistent resources: pools of machines that stay.

Owns: their REST methods, their states and the rules for their pools. Does not own: the processes on them (jobs/) or
which jobs may use them (job_rules.py).

PUT is a deviation from the documented API, which has PATCH alone: the Pulumi provider sends it, and whether Vertex AI
takes it is not known. It is on unless the setting `persistentResourcePut` is false.
Source: https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.persistentResources
"""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from local.cloud.aiplatform.accelerator_quotas import refuse_beyond_quota
from local.cloud.aiplatform.messages import canonical
from local.cloud.aiplatform.networks import may_attach
from local.cloud.aiplatform.pool_changes import Change, PoolChanges
from local.cloud.aiplatform.pool_rules import check, merged_pools, most_replicas, with_defaults
from local.cloud.aiplatform.resources import Collection, Resource, done, without_output_only
from local.cloud.aiplatform.settings import SettingsStore
from local.cloud.call import Call, Response
from local.cloud.clock import parse_rfc3339, rfc3339
from local.cloud.errors import ApiError, already_exists, failed_precondition, invalid_argument, not_found
from local.cloud.iam.enforcement import act_as
from local.cloud.jobs.runner import JobRunner
from local.cloud.jobs.spec import PoolSlot
from local.cloud.masks import mask_paths
from local.cloud.routing import Route

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_MACHINES = "aiplatform.PersistentResource.machines"
_RECOMMENDED_AGE = timedelta(days=30)
_SCALING_SECONDS = 1.0


class PersistentResources(Collection):
    """Times that a change takes pass by the cloud's clock."""

    def __init__(self, cloud: "Cloud", jobs: JobRunner, settings: SettingsStore) -> None:
        super().__init__(cloud, "PersistentResource")
        self._jobs = jobs
        self._settings = settings
        self._changes = PoolChanges(cloud, may_end=self._may_end, end=self._ended)
        self._idle_since: dict[PoolSlot, datetime] = {}
        cloud.on_start.append(lambda: cloud.background.every(_SCALING_SECONDS, self.scale, "autoscaling"))
        cloud.on_clock_jump.append(self.scale)

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
        account = body.get("resourceRuntimeSpec", {}).get("serviceAccountSpec", {}).get("serviceAccount", "")
        act_as(self.cloud, call.caller, account)
        may_attach(self.cloud, call.params["parent"], body, at="")
        name = f"{call.params['parent']}/persistentResources/{short}"
        if self.find(name):
            raise already_exists(f"The PersistentResource '{name}' already exists.")
        pools = [with_defaults(pool, index) for index, pool in enumerate(body["resourcePools"])]
        wanted = without_output_only(body, "state", "error", "startTime", "resourceRuntime")
        made = {**wanted, "resourcePools": pools, "state": "PROVISIONING", "resourceRuntime": {"accessUris": {}}}
        with self.cloud.store.transaction():
            refuse_beyond_quota(self.cloud.store, call.params["parent"], pools)
            self.create(name, made)
            return self._changes.begin(call, name, "Create", self._settings.now.pool_provisioning_seconds)

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
        return self._update(call, {key: body.get(key) for key in {path[0] for path in paths}})

    def _put(self, call: Call) -> dict[str, Any] | Response:
        if not self._settings.now.persistent_resource_put:
            raise not_found(f"The requested URL {call.path} was not found: this API has no PUT.")
        body = canonical("PersistentResource", call.object(), "persistent_resource")
        wanted = {key: body.get(key) for key in ("displayName", "labels", "resourcePools")}
        return self._update(call, wanted)

    def _update(self, call: Call, wanted: Resource) -> dict[str, Any]:
        """Take display name, labels and the counts of the pools from `wanted`; anything else of a pool is immutable."""

        def change(resource: Resource) -> None:
            for key in ("displayName", "labels"):
                if key in wanted:
                    resource.pop(key, None)
                    resource |= {key: wanted[key]} if wanted[key] else {}
            if wanted.get("resourcePools"):
                resource["resourcePools"] = merged_pools(resource["resourcePools"], wanted["resourcePools"])
            check(resource, resource["name"].rsplit("/", 1)[-1])

        before = self.get(call.params["name"])
        self._require(before, "RUNNING", "ERROR")
        after = self.update(before["name"], change)
        grows = _machines(after) > _machines(before)
        seconds = self._settings.now.pool_provisioning_seconds if grows else 0.0
        if seconds:
            self.update(before["name"], lambda each: each.update(state="UPDATING"))
            return self._changes.begin(call, before["name"], "Update", seconds)
        self.cloud.store.when_committed(self._jobs.look_again)
        return done(call, "UpdatePersistentResource", self._shown(after), "PersistentResource")

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

        self.update(resource["name"], lambda each: each.update(state="REBOOTING"))
        self._jobs.cool(resource["name"])
        return self._changes.begin(call, resource["name"], "Reboot", self._settings.now.pool_provisioning_seconds)

    def _delete(self, call: Call) -> dict[str, Any]:
        """The jobs on it are cancelled first; the operation ends when their replicas have."""
        resource = self.get(call.params["name"])
        if resource["state"] == "REBOOTING":
            raise failed_precondition(f"{resource['name']} is REBOOTING: it can be deleted when that is over.")
        name = self.update(resource["name"], lambda each: each.update(state="STOPPING"))["name"]
        self._jobs.release(name)
        return self._changes.begin(call, name, "Delete", 0.0)

    # How a change ends

    def _may_end(self, change: Change) -> bool:
        resource = self.find(change.name)
        busy = resource and any(self._used(resource, pool) for pool in resource["resourcePools"])
        return change.verb != "Delete" or not busy

    def _ended(self, change: Change) -> Resource | None:
        if change.verb == "Delete":
            self.remove(change.name)
            self.cloud.store.delete(_MACHINES, change.name)
            return None
        resource, now = self.get(change.name), self.cloud.clock.timestamp()
        machines = {pool["machineSpec"].get("machineType", "") for pool in resource["resourcePools"]}
        location = change.name.split("/")[3]
        if change.verb != "Update":
            if self.cloud.faults.is_stocked_out(location, machines):
                refused = ApiError(429, f"Resources are insufficient in region: {location}.")
                error = refused.rpc_status()
                self.update(change.name, lambda each: each.update(state="ERROR", error=error))
                raise refused
            self.cloud.store.put(_MACHINES, change.name, {"since": now})
        resource = self.update(change.name, lambda each: _run(each, now, rebooted=change.verb == "Reboot"))
        self.cloud.store.when_committed(self._jobs.look_again)
        return self._shown(resource)

    def scale(self) -> None:
        """Let autoscaled pools follow their use: grow with it at once, shrink to it, or to the minimum, after a while
        of less.
        """
        now, patience = self.cloud.clock.now(), timedelta(seconds=self._settings.now.scale_down_seconds)
        for resource in self.all():
            for pool in resource["resourcePools"]:
                if resource["state"] == "RUNNING" and "autoscalingSpec" in pool:
                    self._scale(PoolSlot(resource["name"], pool["id"]), pool, now, patience)

    def _scale(self, slot: PoolSlot, pool: Resource, now: datetime, patience: timedelta) -> None:
        used, count = self._jobs.used(slot), int(pool["replicaCount"])
        wanted = max(used, int(pool["autoscalingSpec"]["minReplicaCount"]))
        if wanted >= count:
            self._idle_since.pop(slot, None)
        if wanted > count or (wanted < count and now - self._idle_since.setdefault(slot, now) >= patience):
            self._idle_since.pop(slot, None)

            def change(resource: Resource) -> None:
                each = next(each for each in resource["resourcePools"] if each["id"] == slot.pool)
                each["replicaCount"] = str(wanted)

            self.update(slot.resource, change)

    def ages(self) -> list[dict[str, Any]]:
        """Each resource with the age of its machines, which nothing patches: Google recommends to make a resource anew
        at least every 30 days. Rebooting makes its machines anew, too.
        """
        told = []
        for resource in self.all():
            since = (self.cloud.store.get(_MACHINES, resource["name"]) or {}).get("since", resource["createTime"])
            age = self.cloud.clock.now() - parse_rfc3339(since)
            told.append(
                {
                    **{"name": resource["name"], "state": resource["state"], "machinesSince": since},
                    "recreateBefore": rfc3339(parse_rfc3339(since) + _RECOMMENDED_AGE),
                    "ageDays": round(age.total_seconds() / 86400, 3),
                    "tooOld": age > _RECOMMENDED_AGE,
                }
            )
        return told

    def grows_for(self, slot: PoolSlot, count: int) -> bool:
        """Whether a job that wants so many replicas more makes an autoscaled pool grow."""
        resource = self.find(slot.resource)
        pool = next((each for each in resource["resourcePools"] if each["id"] == slot.pool), None) if resource else None
        return pool is not None and self._jobs.used(slot) + count > int(pool["replicaCount"])

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


def _machines(resource: Resource) -> int:
    return sum(int(pool["replicaCount"]) for pool in resource["resourcePools"])


def _run(resource: Resource, now: str, *, rebooted: bool) -> None:
    resource["state"] = "RUNNING"
    resource.setdefault("startTime", now)
    resource.pop("error", None)
    for pool in resource["resourcePools"] if rebooted else ():
        if "autoscalingSpec" in pool:
            pool["replicaCount"] = pool["autoscalingSpec"]["minReplicaCount"]
