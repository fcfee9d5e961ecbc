"""The network: who joins it, what leads out of it, and that pools, jobs and runs are in it."""

from typing import Any

import pytest

from contracts.pool_spec import NetworkAccess
from contracts.stack_outputs import StackOutputs
from infra import permissions
from pipeline.definition import compile_pipeline
from tests.unit.infra.deploy import Deployment, deploy, is_unknown, platform
from tests.unit.pipeline.example import facts, pool

NETWORK, SCHEDULE = "recsys-training:network", "colab/schedule:Schedule"
PEERED = {"pscInterface": False, "peeringRange": "10.32.0.0/16"}
NUMBERED = "projects/1/global/networks/recsys-training"


def networked(stack: str = "dev", **changes: Any) -> Deployment:
    return deploy(stack=stack, config={NETWORK: {"enabled": True, **changes}})


def firewalls(deployment: Deployment) -> dict[str, dict[str, Any]]:
    return {record.inputs["name"]: record.inputs for record in deployment.of_type("Firewall")}


def test_without_a_network_nothing_of_one_is_declared() -> None:
    deployment = deploy()

    assert [record.type for record in deployment.records if "compute/" in record.type or "dns/" in record.type] == []
    assert deployment.outputs["training_pool"]["network"] == {"network": "", "attachment": ""}
    assert "recsysNetworkAgent" not in str([record.inputs for record in deployment.records])


def test_the_subnetwork_reaches_google_privately_and_logs_its_flows() -> None:
    subnetwork = networked(flowLogPercent=25).one("Subnetwork").inputs

    assert subnetwork["ipCidrRange"] == "10.10.0.0/24"
    assert subnetwork["privateIpGoogleAccess"] is True
    assert subnetwork["logConfig"]["flowSampling"] == 0.25
    assert "logConfig" not in networked(flowLogPercent=0).one("Subnetwork").inputs
    assert networked().one("compute/network:Network").inputs["autoCreateSubnetworks"] is False


@pytest.mark.parametrize(("apis", "range_"), [("private", "199.36.153.8/30"), ("restricted", "199.36.153.4/30")])
def test_nothing_leaves_the_network_but_for_googles_apis(apis: str, range_: str) -> None:
    rules = firewalls(networked(googleApis=apis))

    denied, allowed = rules["recsys-training-deny-all"], rules["recsys-training-allow-google"]
    assert len(rules) == 2
    assert {rule["direction"] for rule in rules.values()} == {"EGRESS"}
    assert (denied["denies"], denied["destinationRanges"]) == ([{"protocol": "all"}], ["0.0.0.0/0"])
    assert (allowed["allows"], allowed["destinationRanges"]) == ([{"protocol": "tcp", "ports": ["443"]}], [range_])
    assert allowed["priority"] < denied["priority"]
    assert (denied["logConfig"], "logConfig" in allowed) == ({"metadata": "INCLUDE_ALL_METADATA"}, False)


def test_nat_opens_https_and_is_off_unless_the_file_says_so() -> None:
    opened = firewalls(networked(nat=True))["recsys-training-allow-https"]

    assert networked().of_type("RouterNat") == []
    assert networked(nat=True).one("RouterNat").inputs["natIpAllocateOption"] == "AUTO_ONLY"
    assert (opened["allows"], opened["destinationRanges"]) == ([{"protocol": "tcp", "ports": ["443"]}], ["0.0.0.0/0"])


def test_googles_names_resolve_to_the_addresses_that_the_firewall_lets_through() -> None:
    deployment = networked(googleApis="restricted")
    records = {
        (each.inputs["name"], each.inputs["type"]): each.inputs["rrdatas"] for each in deployment.of_type("RecordSet")
    }
    addresses = ["199.36.153.4", "199.36.153.5", "199.36.153.6", "199.36.153.7"]

    assert {zone.inputs["visibility"] for zone in deployment.of_type("ManagedZone")} == {"private"}
    assert all(zone.inputs["labels"]["environment"] == "dev" for zone in deployment.of_type("ManagedZone"))
    assert records == {
        ("restricted.googleapis.com.", "A"): addresses,
        ("*.googleapis.com.", "CNAME"): ["restricted.googleapis.com."],
        ("pkg.dev.", "A"): addresses,
        ("*.pkg.dev.", "CNAME"): ["pkg.dev."],
    }


def test_an_interface_is_joined_by_an_attachment_that_vertex_ai_lets_itself_into() -> None:
    deployment = networked()
    attachment, role = deployment.one("NetworkAttachment"), permissions.NETWORK_AGENT
    declared = deployment.one("IAMCustomRole", f"identity-{role.role_id}")
    grant = deployment.one("projects/iAMMember:IAMMember", "agents-aiplatform-network")

    assert attachment.inputs["connectionPreference"] == "ACCEPT_MANUAL"
    assert attachment.ignore_changes == ["producerAcceptLists"]
    assert set(declared.inputs["permissions"]) == {
        "compute.networkAttachments.get",
        "compute.networkAttachments.update",
        "compute.regionOperations.get",
    }
    assert grant.inputs["role"].endswith(f"/roles/{role.role_id}")
    assert grant.inputs["member"] == "serviceAccount:service-1@gcp-sa-aiplatform.iam.gserviceaccount.com"
    assert grant.depends_on(declared)
    assert deployment.of_type("Connection") == []


def test_every_pool_and_schedule_has_the_interface_and_waits_for_the_way_in() -> None:
    deployment = networked()
    wanted = {"networkAttachment": "recsys-training"}

    for record in deployment.of_type("AiPersistentResource"):
        assert record.inputs["pscInterfaceConfig"] == wanted
        assert "network" not in record.inputs
        assert {"network-attachment", "agents-aiplatform-network", "network-deny-all"} <= deployment.dependencies(
            record
        )
    for record in deployment.of_type(SCHEDULE):
        assert record.inputs["createPipelineJobRequest"]["pipelineJob"]["pscInterfaceConfig"] == wanted


def test_a_peered_network_has_its_reserved_range_and_is_named_by_its_projects_number() -> None:
    deployment = networked(**PEERED)
    address, connection = deployment.one("GlobalAddress").inputs, deployment.one("Connection")

    assert (address["address"], address["prefixLength"], address["purpose"]) == ("10.32.0.0", 16, "VPC_PEERING")
    assert connection.inputs["service"] == "servicenetworking.googleapis.com"
    for record in deployment.of_type("AiPersistentResource"):
        assert record.inputs["network"] == NUMBERED
        assert "pscInterfaceConfig" not in record.inputs
        assert record.depends_on(connection)
    for record in deployment.of_type(SCHEDULE):
        assert record.inputs["createPipelineJobRequest"]["pipelineJob"]["network"] == NUMBERED
    assert deployment.of_type("NetworkAttachment") == []
    assert "services-servicenetworking" in {record.name for record in deployment.of_type("Service")}


@pytest.mark.parametrize(
    ("changes", "access"),
    [({}, {"network": "", "attachment": "recsys-training"}), (PEERED, {"network": NUMBERED, "attachment": ""})],
)
def test_the_outputs_say_of_each_pool_how_it_is_in_the_network(changes: dict[str, Any], access: dict[str, Any]) -> None:
    outputs = StackOutputs.model_validate(networked(**changes).outputs)

    assert outputs.training_pool.network == outputs.steps_pool.network == NetworkAccess(**access)


def test_a_preview_knows_an_attachment_and_not_yet_the_projects_number() -> None:
    interface = deploy(config={NETWORK: {"enabled": True}}, preview=True)
    peered = deploy(config={NETWORK: {"enabled": True, **PEERED}}, preview=True)

    pool_name = "training-pool-recsys-train-blue"
    known = interface.one("AiPersistentResource", pool_name).inputs["pscInterfaceConfig"]["networkAttachment"]
    assert known == "recsys-training"
    assert is_unknown(peered.one("AiPersistentResource", pool_name).inputs["network"])


def test_prod_protects_what_pools_would_be_replaced_with() -> None:
    without = protected_in(deploy(stack="prod"))

    assert protected_in(networked("prod")) - without == {"network-network", "network-subnetwork", "network-attachment"}
    assert protected_in(networked("prod", **PEERED)) - without == {
        "network-network",
        "network-subnetwork",
        "network-peering-range",
        "network-peering",
    }


def protected_in(deployment: Deployment) -> set[str]:
    return {record.name for record in deployment.records if record.protect}


def test_every_job_of_the_pipeline_is_in_its_pools_network() -> None:
    access = NetworkAccess(attachment="att")
    pools = {
        "training_pool": pool("recsys-train").model_copy(update={"network": access}),
        "steps_pool": pool("recsys-steps").model_copy(update={"network": access}),
    }
    executors = compile_pipeline(facts(**pools))["deploymentSpec"]["executors"]

    assert executors
    assert all('"network_attachment": "att"' in str(executor) for executor in executors.values())
    assert "psc_interface_config" not in str(compile_pipeline(facts()))


def test_the_network_waits_for_its_apis() -> None:
    deployment = networked(**PEERED)

    for kind in ("compute/network:Network", "ManagedZone"):
        for record in deployment.of_type(kind):
            assert {"services-compute", "services-dns"} <= deployment.dependencies(record)
    assert "services-servicenetworking" in deployment.dependencies(deployment.one("compute/network:Network"))


def test_the_local_stack_has_a_network(image_lock: str) -> None:
    deployment = deploy(platform, stack="local", config={"recsys-training:imagesLock": image_lock})

    assert deployment.one("Subnetwork").inputs["ipCidrRange"] == "10.10.0.0/28"
