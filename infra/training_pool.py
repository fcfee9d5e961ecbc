"""A warm pool: a Vertex AI persistent resource with one resource pool, guarded against being replaced unawares.

The service treats a persistent resource as immutable and cancels the jobs on one that is deleted, so:

* no labels at all: a label, or its change, replaces the resource (through the provider's effectiveLabels);
* `replace_on_changes` for what the provider would update: it sends PUT where the API has only PATCH, and if that is
  refused the state keeps the new value and the next `up` falsely succeeds. With `delete_before_replace`, because the
  successor has the same name;
* under autoscaling the service moves the replica count, which a refresh would report as a change to undo;
* the machine, the disk and the count come from the `PoolSpec` that jobs are built from too.

Does not own: which machines exist (infra/machines.py), what a job on it must look like (contracts/pool_spec.py).
"""

from collections.abc import Sequence

import pulumi
import pulumi_gcp as gcp
from pulumi import CustomTimeouts, ResourceOptions

from contracts.pool_spec import PoolSpec

_REPLACED_NOT_UPDATED = ["resourcePools", "displayName"]
_MOVED_BY_AUTOSCALING = ["resourcePools[0].replicaCount"]


class TrainingPool(pulumi.ComponentResource):
    """`protect` refuses every plan that would delete or replace the pool."""

    def __init__(
        self,
        name: str,
        *,
        spec: PoolSpec,
        location: str,
        protect: bool,
        after: Sequence[pulumi.Resource] = (),
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("recsys:infra:TrainingPool", name, None, opts)
        # The pool's own name is part of the logical one: a new generation is created before the old one is deleted.
        self.persistent_resource = gcp.vertex.AiPersistentResource(
            f"{name}-{spec.persistent_resource_id}",
            name=spec.persistent_resource_id,
            display_name=spec.persistent_resource_id,
            location=location,
            resource_pools=[_resource_pool(spec)],
            resource_runtime_spec=_runtime_spec(),
            deletion_policy="PREVENT" if protect else "DELETE",
            opts=ResourceOptions(
                parent=self,
                depends_on=list(after),
                protect=protect,
                delete_before_replace=True,
                replace_on_changes=_REPLACED_NOT_UPDATED,
                ignore_changes=_MOVED_BY_AUTOSCALING if spec.autoscaling else None,
                custom_timeouts=_timeouts(spec),
            ),
        )
        self.register_outputs({"persistent_resource_id": self.persistent_resource.name})


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
    """The provider gives up after 20 minutes; machines with accelerators can take longer to be found."""
    return CustomTimeouts(create="60m" if spec.machine.accelerator_count else "30m", delete="30m")
