"""A warm pool: a Vertex AI persistent resource with one resource pool, guarded against being replaced unawares.

The service treats a persistent resource as immutable and cancels the jobs on one that is deleted, so:

* no labels at all: a label, or its change, replaces the resource (through the provider's effectiveLabels);
* `replace_on_changes` for what the provider would update: it sends PUT where the API has only PATCH, and if that is
  refused the state keeps the new value and the next `up` falsely succeeds. With `delete_before_replace`, because the
  successor has the same name;
* under autoscaling the service moves the replica count, which a refresh would report as a change to undo;
* a new generation has a name of its own, and its predecessor must be declared as retiring beside it: left out, its
  deletion would be planned, which `protect` refuses. A retiring pool is unprotected in place and whatever it is made of
  stays, so that it can go, once its jobs have ended, when it is no longer declared;
* a hibernated pool is not declared at all, which deletes it where it was (`protect` refuses that): nothing bills, and
  jobs run on demand on the same machine and disk;
* the machine, the disk, the count and the network come from what jobs are built from too.

Does not own: which machines exist (infra/machines.py), what a job on it must look like (contracts/pool_spec.py).
"""

from collections.abc import Sequence

import pulumi
import pulumi_gcp as gcp
from pulumi import CustomTimeouts, ResourceOptions

from contracts.pool_spec import PoolSpec
from infra.encryption import Key, usable
from infra.network import Attached, ready

_REPLACED_NOT_UPDATED = ["resourcePools", "displayName"]
_MOVED_BY_AUTOSCALING = ["resourcePools[0].replicaCount"]
_CREATE_MINUTES = {"": 30, "NVIDIA_TESLA_T4": 60, "NVIDIA_TESLA_V100": 60, "NVIDIA_L4": 60}
_SCARCE_MINUTES = 120
_KEPT_UNTIL_DELETED = ["resourcePools"]


class TrainingPool(pulumi.ComponentResource):
    """`protect` refuses every plan that would delete or replace the pool; never that of the `retiring` one.

    `retiring` must exist: one that does not is created like any other resource, which the plan shows.
    """

    def __init__(
        self,
        name: str,
        *,
        spec: PoolSpec,
        retiring: PoolSpec | None,
        location: str,
        protect: bool,
        key: Key | None,
        network: Attached | None,
        after: Sequence[pulumi.Resource] = (),
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("recsys:infra:TrainingPool", name, None, opts)
        self._location, self._key, self._network = location, key, network
        self._after = [*after, *usable(key), *ready(network)]
        self.persistent_resources: list[pulumi.Resource] = []
        if spec.persistent_resource_id:
            moved = _MOVED_BY_AUTOSCALING if spec.autoscaling else None
            self.persistent_resources.append(self._declare(spec, protect=protect, ignore_changes=moved))
        if retiring:
            self._declare(retiring, protect=False, ignore_changes=_KEPT_UNTIL_DELETED)
        self.register_outputs({"persistent_resource_id": spec.persistent_resource_id})

    def _declare(
        self, spec: PoolSpec, *, protect: bool, ignore_changes: list[str] | None
    ) -> gcp.vertex.AiPersistentResource:
        """The pool's own name is part of the logical one, so that successor and predecessor are two resources."""
        return gcp.vertex.AiPersistentResource(
            f"{self.pulumi_resource_name}-{spec.persistent_resource_id}",
            name=spec.persistent_resource_id,
            display_name=spec.persistent_resource_id,
            location=self._location,
            resource_pools=[_resource_pool(spec)],
            resource_runtime_spec=_runtime_spec(),
            encryption_spec=self._key
            and gcp.vertex.AiPersistentResourceEncryptionSpecArgs(kms_key_name=self._key.name),
            network=self._network.network if self._network else None,
            psc_interface_config=gcp.vertex.AiPersistentResourcePscInterfaceConfigArgs(
                network_attachment=self._network.attachment
            )
            if self._network and self._network.attachment
            else None,
            deletion_policy="PREVENT" if protect else "DELETE",
            opts=ResourceOptions(
                parent=self,
                depends_on=self._after,
                protect=protect,
                delete_before_replace=True,
                replace_on_changes=_REPLACED_NOT_UPDATED,
                ignore_changes=ignore_changes,
                custom_timeouts=_timeouts(spec),
            ),
        )


def _resource_pool(spec: PoolSpec) -> gcp.vertex.AiPersistentResourceResourcePoolArgs:
    scaling = spec.autoscaling
    return gcp.vertex.AiPersistentResourceResourcePoolArgs(
        id=spec.pool_id,
        machine_spec=gcp.vertex.AiPersistentResourceResourcePoolMachineSpecArgs(**spec.machine.as_api()),
        disk_spec=gcp.vertex.AiPersistentResourceResourcePoolDiskSpecArgs(**spec.disk.as_api()),
        replica_count=str(spec.replica_count),
        autoscaling_spec=scaling
        and gcp.vertex.AiPersistentResourceResourcePoolAutoscalingSpecArgs(
            min_replica_count=str(scaling.min_replica_count), max_replica_count=str(scaling.max_replica_count)
        ),
    )


def _runtime_spec() -> gcp.vertex.AiPersistentResourceResourceRuntimeSpecArgs:
    """Jobs must name a service account of their own. Cannot be changed later, and pipelines need it."""
    return gcp.vertex.AiPersistentResourceResourceRuntimeSpecArgs(
        service_account_spec=gcp.vertex.AiPersistentResourceResourceRuntimeSpecServiceAccountSpecArgs(
            enable_custom_service_account=True
        )
    )


def _timeouts(spec: PoolSpec) -> CustomTimeouts:
    """The provider gives up after 20 minutes; the scarcer the accelerator, the longer its machines take to be found."""
    minutes = _CREATE_MINUTES.get(spec.machine.accelerator_type, _SCARCE_MINUTES)
    return CustomTimeouts(create=f"{minutes}m", delete="30m")
