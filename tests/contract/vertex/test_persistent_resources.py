from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.aiplatform_v1.types import PersistentResource
from google.protobuf.field_mask_pb2 import FieldMask

from .conftest import DISK, MACHINE, PARENT, Vertex, violations


def pool(**more: Any) -> dict[str, Any]:
    return {"id": "main", "machine_spec": MACHINE, "disk_spec": DISK, "replica_count": 2, **more}


def resource(*pools: dict[str, Any], **more: Any) -> PersistentResource:
    return PersistentResource(
        display_name="warm",
        resource_pools=list(pools) or [pool()],
        resource_runtime_spec={"service_account_spec": {"enable_custom_service_account": True}},
        **more,
    )


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_a_pool_is_created_read_listed_changed_and_deleted(vertex: Vertex, version: str) -> None:
    client = vertex.client("PersistentResourceService", version)
    name = f"crud-{version}"
    made = client.create_persistent_resource(
        parent=PARENT,
        persistent_resource=type(resource()).to_dict(resource()) if version == "v1beta1" else resource(),
        persistent_resource_id=name,
    ).result()
    assert made.state.name == "RUNNING"
    assert made.resource_pools[0].replica_count == 2
    assert made.name.endswith(f"/persistentResources/{name}")
    assert made.create_time <= made.start_time
    assert client.get_persistent_resource(name=made.name).display_name == "warm"
    assert made.name in [each.name for each in client.list_persistent_resources(parent=PARENT)]
    made.resource_pools[0].replica_count = 3
    made.display_name = "warmer"
    changed = client.update_persistent_resource(
        persistent_resource=made, update_mask=FieldMask(paths=["display_name", "resource_pools.replica_count"])
    ).result()
    assert (changed.display_name, changed.resource_pools[0].replica_count) == ("warmer", 3)
    client.delete_persistent_resource(name=made.name).result()
    with pytest.raises(exceptions.NotFound):
        client.get_persistent_resource(name=made.name)


def test_a_name_that_is_taken_is_refused(vertex: Vertex) -> None:
    client = vertex.client("PersistentResourceService")
    client.create_persistent_resource(parent=PARENT, persistent_resource=resource(), persistent_resource_id="taken")
    with pytest.raises(exceptions.Conflict, match="taken"):
        client.create_persistent_resource(parent=PARENT, persistent_resource=resource(), persistent_resource_id="taken")


@pytest.mark.parametrize(
    ("name", "pools", "field", "value"),
    [
        ("Warm_Pool", [pool()], "persistentResourceId", "Warm_Pool"),
        ("a" * 64, [pool()], "persistentResourceId", "a" * 64),
        ("bad", [], "resourcePools", "at least one"),
        ("bad", [pool(replica_count=0)], "resourcePools[0].replicaCount", "0"),
        ("bad", [pool(machine_spec={})], "resourcePools[0].machineSpec.machineType", "required"),
        (
            "bad",
            [pool(machine_spec={"machine_type": "n9-huge"})],
            "resourcePools[0].machineSpec.machineType",
            "n9-huge",
        ),
        (
            "bad",
            [pool(machine_spec={**MACHINE, "accelerator_type": "NVIDIA_L4", "accelerator_count": 1})],
            "resourcePools[0].machineSpec.acceleratorType",
            "NVIDIA_L4 x1 does not go with n1-standard-8",
        ),
        (
            "bad",
            [pool(machine_spec={"machine_type": "g2-standard-12"})],
            "resourcePools[0].machineSpec.acceleratorType",
            "NVIDIA_L4 x1",
        ),
        (
            "bad",
            [pool(machine_spec={**MACHINE, "accelerator_count": 1})],
            "resourcePools[0].machineSpec.acceleratorType",
            "both",
        ),
        ("bad", [pool(disk_spec={"boot_disk_type": "pd-nope"})], "resourcePools[0].diskSpec.bootDiskType", "pd-nope"),
        ("bad", [pool(disk_spec={"boot_disk_size_gb": 1})], "resourcePools[0].diskSpec.bootDiskSizeGb", "1"),
        (
            "bad",
            [pool(autoscaling_spec={"min_replica_count": 9, "max_replica_count": 4})],
            "resourcePools[0].autoscalingSpec.maxReplicaCount",
            "4",
        ),
        (
            "bad",
            [pool(autoscaling_spec={"min_replica_count": 1})],
            "resourcePools[0].autoscalingSpec.maxReplicaCount",
            "both required",
        ),
        (
            "bad",
            [pool(replica_count=9, autoscaling_spec={"min_replica_count": 1, "max_replica_count": 4})],
            "resourcePools[0].replicaCount",
            "9",
        ),
    ],
)
def test_a_pool_that_google_refuses_is_refused_with_the_field(
    vertex: Vertex, name: str, pools: list[Any], field: str, value: str
) -> None:
    client = vertex.client("PersistentResourceService")
    with pytest.raises(exceptions.BadRequest) as refused:
        client.create_persistent_resource(
            parent=PARENT, persistent_resource=PersistentResource(resource_pools=pools), persistent_resource_id=name
        )
    assert value in violations(refused)[field]


def test_what_does_not_parse_is_refused_with_its_place(vertex: Vertex) -> None:
    path = f"/v1/{PARENT}/persistentResources?persistentResourceId=unparsable"
    body = {
        "resourcePools": [{"machineSpec": {"machineType": "n1-standard-8"}, "replicaCount": "abc", "colour": "red"}]
    }
    error = vertex.cloud.json("POST", path, body, status=400)["error"]
    fields = {each["field"]: each["description"] for each in error["details"][0]["fieldViolations"]}
    assert "abc" in fields["resourcePools[0].replicaCount"]
    assert "colour" in fields["resourcePools[0]"]


def test_machines_and_disks_of_a_pool_never_change(vertex: Vertex) -> None:
    client = vertex.client("PersistentResourceService")
    made = client.create_persistent_resource(
        parent=PARENT, persistent_resource=resource(), persistent_resource_id="immutable"
    ).result()
    made.resource_pools[0].machine_spec.machine_type = "n1-standard-16"
    with pytest.raises(exceptions.BadRequest, match="immutable"):
        client.update_persistent_resource(persistent_resource=made, update_mask=FieldMask(paths=["resource_pools"]))


def test_put_is_the_provider_s_deviation_and_can_be_switched_off(vertex: Vertex) -> None:
    client = vertex.client("PersistentResourceService")
    made = client.create_persistent_resource(
        parent=PARENT, persistent_resource=resource(), persistent_resource_id="deviant"
    ).result()
    path = f"/aiplatform/v1beta1/{made.name}"
    body = {"displayName": "put", "resourcePools": [{**_json_pool(), "replicaCount": "4", "usedReplicaCount": "0"}]}
    assert vertex.cloud.json("PUT", path, body)["response"]["resourcePools"][0]["replicaCount"] == "4"
    vertex.cloud.json("PUT", "/_local/aiplatform/settings", {"persistentResourcePut": False})
    try:
        assert vertex.cloud.json("PUT", path, body, status=404)["error"]["status"] == "NOT_FOUND"
    finally:
        vertex.cloud.json("PUT", "/_local/aiplatform/settings", {"persistentResourcePut": True})


def test_a_reboot_takes_an_autoscaled_pool_to_its_minimum(vertex: Vertex) -> None:
    client = vertex.client("PersistentResourceService")
    scaling = {"min_replica_count": 1, "max_replica_count": 4}
    made = client.create_persistent_resource(
        parent=PARENT, persistent_resource=resource(pool(autoscaling_spec=scaling)), persistent_resource_id="elastic"
    ).result()
    assert made.resource_pools[0].replica_count == 2
    rebooted = client.reboot_persistent_resource(name=made.name).result()
    assert rebooted.state.name == "RUNNING"
    assert rebooted.resource_pools[0].replica_count == 1


def test_numbers_travel_as_strings_and_unset_fields_not_at_all(vertex: Vertex) -> None:
    body = {"resourcePools": [_json_pool()]}
    path = f"/aiplatform/v1beta1/{PARENT}/persistentResources"
    operation = vertex.cloud.json("POST", f"{path}?persistentResourceId=shape", body)
    assert operation["done"] is True
    assert operation["response"]["@type"].endswith(".v1beta1.PersistentResource")
    answer = vertex.cloud.json("GET", f"{path}/shape")
    assert answer["resourcePools"] == [{**_json_pool(), "id": "pool-0", "usedReplicaCount": "0"}]
    assert not {"displayName", "labels", "resourceRuntimeSpec", "network"} & answer.keys()


def _json_pool() -> dict[str, Any]:
    disk = {"bootDiskType": "pd-ssd", "bootDiskSizeGb": 100}
    return {"machineSpec": {"machineType": "n1-standard-8"}, "diskSpec": disk, "replicaCount": "2"}


def test_operations_of_a_pool_can_be_read_again(vertex: Vertex) -> None:
    client = vertex.client("PersistentResourceService")
    elsewhere = PARENT.replace("europe-west1", "europe-west4")  # operations of v1beta1 cannot be read by this client
    operation = client.create_persistent_resource(
        parent=elsewhere, persistent_resource=resource(), persistent_resource_id="operated"
    )
    operation.result()
    name = operation.operation.name
    assert client.get_operation(request={"name": name}).done
    assert name in [each.name for each in client.list_operations(request={"name": elsewhere}).operations]
