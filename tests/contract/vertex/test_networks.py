"""A persistent resource or a job in a network of the project: what must be there, and what the service agent needs."""

import uuid
from typing import Any

import pytest

from tests.contract.cloud_process import CloudProcess

REGION = "us-central1"
ROLE = {"includedPermissions": ["compute.networkAttachments.get", "compute.networkAttachments.update"]}


@pytest.fixture
def project(cloud_server: CloudProcess) -> str:
    """A project with a network, `net`, and a subnetwork, `subnet`."""
    name = f"acme-{uuid.uuid4().hex[:8]}"
    compute = f"/compute/v1/projects/{name}"
    cloud_server.json("POST", f"{compute}/global/networks", {"name": "net", "autoCreateSubnetworks": False})
    subnetwork = {"name": "subnet", "network": "global/networks/net", "ipCidrRange": "10.10.0.0/28"}
    cloud_server.json("POST", f"{compute}/regions/{REGION}/subnetworks", subnetwork)
    return name


def attach(cloud: CloudProcess, project: str) -> None:
    body = {
        "name": "attachment",
        "subnetworks": [f"regions/{REGION}/subnetworks/subnet"],
        "connectionPreference": "ACCEPT_AUTOMATIC",
    }
    cloud.json("POST", f"/compute/v1/projects/{project}/regions/{REGION}/networkAttachments", body)


def let_the_agent(cloud: CloudProcess, project: str) -> None:
    cloud.json("POST", f"/iam/v1/projects/{project}/roles", {"roleId": "attacher", "role": ROLE})
    number = cloud.json("GET", f"/crm/v1/projects/{project}")["projectNumber"]
    agent = f"serviceAccount:service-{number}@gcp-sa-aiplatform.iam.gserviceaccount.com"
    cloud.grant(project, {f"projects/{project}/roles/attacher": [agent]})


def create(cloud: CloudProcess, project: str, status: int = 200, **network: Any) -> Any:
    pool = {"machineSpec": {"machineType": "n1-standard-4"}, "replicaCount": "1"}
    path = f"/v1/projects/{project}/locations/{REGION}/persistentResources?persistentResourceId=warm"
    return cloud.json("POST", path, {"resourcePools": [pool], **network}, status=status)


def run(cloud: CloudProcess, project: str, status: int = 200, **spec: Any) -> Any:
    pool = {"machineSpec": {"machineType": "n1-standard-4"}, "replicaCount": "1", "containerSpec": {"imageUri": "i"}}
    body = {"displayName": "x", "jobSpec": {"workerPoolSpecs": [pool], **spec}}
    return cloud.json("POST", f"/v1/projects/{project}/locations/{REGION}/customJobs", body, status=status)


def fields_of(error: Any) -> list[str]:
    return [each["field"] for each in error["error"]["details"][0]["fieldViolations"]]


def interface(name: str = "attachment") -> dict[str, Any]:
    return {"pscInterfaceConfig": {"networkAttachment": name}}


def test_an_interface_needs_an_attachment_and_the_agents_right_to_join_it(
    cloud_server: CloudProcess, project: str
) -> None:
    error = create(cloud_server, project, 400, **interface())
    assert fields_of(error) == ["pscInterfaceConfig.networkAttachment"]
    assert "'attachment'" in error["error"]["details"][0]["fieldViolations"][0]["description"]
    attach(cloud_server, project)
    denied = create(cloud_server, project, 403, **interface())
    assert "compute.networkAttachments.get" in denied["error"]["message"]
    let_the_agent(cloud_server, project)
    create(cloud_server, project, **interface())
    job = run(cloud_server, project, **interface())
    assert job["jobSpec"]["pscInterfaceConfig"] == {"networkAttachment": "attachment"}


def test_an_attachment_may_be_named_in_full(cloud_server: CloudProcess, project: str) -> None:
    attach(cloud_server, project)
    let_the_agent(cloud_server, project)
    number = cloud_server.json("GET", f"/crm/v1/projects/{project}")["projectNumber"]
    name = f"projects/{number}/regions/{REGION}/networkAttachments/attachment"
    run(cloud_server, project, **interface(name))
    error = run(cloud_server, project, 400, **interface("projects/x/networkAttachments/attachment"))
    assert fields_of(error) == ["jobSpec.pscInterfaceConfig.networkAttachment"]


def test_a_peered_network_is_connected_to_googles_services(cloud_server: CloudProcess, project: str) -> None:
    number = cloud_server.json("GET", f"/crm/v1/projects/{project}")["projectNumber"]
    network = f"projects/{number}/global/networks/net"
    assert fields_of(create(cloud_server, project, 400, network=network)) == ["network"]
    range_ = {"addressType": "INTERNAL", "network": "global/networks/net", "prefixLength": 16, "purpose": "VPC_PEERING"}
    cloud_server.json("POST", f"/compute/v1/projects/{project}/global/addresses", {"name": "range", **range_})
    connections = "/v1/services/servicenetworking.googleapis.com/connections"
    cloud_server.json("POST", connections, {"network": network, "reservedPeeringRanges": ["range"]})
    create(cloud_server, project, network=network)
    run(cloud_server, project, network=network)
    assert fields_of(run(cloud_server, project, 400, network="net")) == ["jobSpec.network"]


def test_a_resource_has_one_way_into_a_network(cloud_server: CloudProcess, project: str) -> None:
    error = create(cloud_server, project, 400, network=f"projects/{project}/global/networks/net", **interface())
    assert fields_of(error) == ["pscInterfaceConfig.networkAttachment"]
    assert "not both" in error["error"]["details"][0]["fieldViolations"][0]["description"]
