"""Compute Engine's networks and Service Networking over REST, as their reference pages say."""

import uuid

import pytest


@pytest.fixture
def project(cloud_server):
    """A project with a network, `net`."""
    name = f"acme-{uuid.uuid4().hex[:8]}"
    body = {"name": "net", "autoCreateSubnetworks": False}
    cloud_server.json("POST", f"/compute/v1/projects/{name}/global/networks", body)
    return name


def base(project, scope="global"):
    return f"/compute/v1/projects/{project}/{scope}"


def subnetwork(cloud, project, name="subnet", cidr="10.10.0.0/20", **options):
    body = {"name": name, "network": f"projects/{project}/global/networks/net", "ipCidrRange": cidr}
    return cloud.json("POST", f"{base(project, 'regions/europe-west1')}/subnetworks", body, **options)


def fields_of(error):
    return [each["field"] for each in error["error"]["details"][0]["fieldViolations"]]


def test_an_operation_is_done_and_can_be_read_again(cloud_server, project):
    done = subnetwork(cloud_server, project)
    assert (done["kind"], done["status"], done["operationType"]) == ("compute#operation", "DONE", "insert")
    operations = f"{base(project, 'regions/europe-west1')}/operations"
    assert cloud_server.json("GET", f"{operations}/{done['name']}") == done
    assert cloud_server.json("POST", f"{operations}/{done['name']}/wait") == done
    assert cloud_server.json("GET", operations)["items"] == [done]
    assert done["targetLink"].endswith(f"/projects/{project}/regions/europe-west1/subnetworks/subnet")


def test_a_reference_is_answered_as_a_url_of_the_version_that_is_called(cloud_server, project):
    subnetwork(cloud_server, project)
    for version in ("v1", "beta"):
        path = f"/compute/{version}/projects/{project}/regions/europe-west1/subnetworks/subnet"
        read = cloud_server.json("GET", path)
        root = f"https://www.googleapis.com/compute/{version}/projects/{project}"
        assert read["network"] == f"{root}/global/networks/net"
        assert read["selfLink"] == f"https://www.googleapis.com{path}"
    network = cloud_server.json("GET", f"{base(project)}/networks/net")
    assert [link.rsplit("/", 1)[-1] for link in network["subnetworks"]] == ["subnet"]


def test_a_subnetwork_grows_but_neither_shrinks_nor_overlaps(cloud_server, project):
    subnetwork(cloud_server, project)
    path = f"{base(project, 'regions/europe-west1')}/subnetworks/subnet"
    cloud_server.json("POST", f"{path}/expandIpCidrRange", {"ipCidrRange": "10.10.0.0/19"})
    assert cloud_server.json("GET", path)["ipCidrRange"] == "10.10.0.0/19"
    error = cloud_server.json("POST", f"{path}/expandIpCidrRange", {"ipCidrRange": "10.10.0.0/24"}, status=400)
    assert fields_of(error) == ["ipCidrRange"]
    overlap = subnetwork(cloud_server, project, "other", "10.10.16.0/24", status=400)
    assert "10.10.16.0/24" in overlap["error"]["message"]
    cloud_server.json("POST", f"{path}/setPrivateIpGoogleAccess", {"privateIpGoogleAccess": True})
    assert cloud_server.json("GET", path)["privateIpGoogleAccess"] is True
    cloud_server.json("POST", f"{path}/setPrivateIpGoogleAccess", {})
    assert cloud_server.json("GET", path)["privateIpGoogleAccess"] is False


def test_what_is_used_is_not_deleted(cloud_server, project):
    subnetwork(cloud_server, project)
    network = f"{base(project)}/networks/net"
    error = cloud_server.json("DELETE", network, status=400)["error"]
    assert error["errors"][0]["reason"] == "resourceInUseByAnotherResource"
    cloud_server.json("DELETE", f"{base(project, 'regions/europe-west1')}/subnetworks/subnet")
    cloud_server.json("DELETE", network)
    cloud_server.json("GET", network, status=404)


def test_a_router_s_gateways_are_patched_as_one_list(cloud_server, project):
    routers = f"{base(project, 'regions/europe-west1')}/routers"
    cloud_server.json("POST", routers, {"name": "router", "network": "global/networks/net"})
    nat = {
        "name": "nat",
        "natIpAllocateOption": "AUTO_ONLY",
        "sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS_ALL_IP_RANGES",
    }
    cloud_server.json("PATCH", f"{routers}/router", {"nats": [nat]})
    assert cloud_server.json("GET", f"{routers}/router")["nats"] == [nat]
    error = cloud_server.json(
        "PATCH", f"{routers}/router", {"nats": [nat | {"natIpAllocateOption": "ANY"}]}, status=400
    )
    assert fields_of(error) == ["nats[0].natIpAllocateOption"]
    cloud_server.json("PATCH", f"{routers}/router", {"nats": []})
    assert cloud_server.json("GET", f"{routers}/router")["nats"] == []
    assert "regions/europe-west1" in cloud_server.json("GET", f"{base(project, 'aggregated')}/routers")["items"]


def test_a_firewall_rule_is_made_patched_and_checked(cloud_server, project):
    firewalls = f"{base(project)}/firewalls"
    body = {"name": "fw", "network": "global/networks/net", "allowed": [{"IPProtocol": "tcp", "ports": ["80-443"]}]}
    cloud_server.json("POST", firewalls, body | {"sourceRanges": ["10.0.0.0/8"]})
    read = cloud_server.json("GET", f"{firewalls}/fw")
    assert (read["direction"], read["priority"], read["disabled"]) == ("INGRESS", 1000, False)
    cloud_server.json("PATCH", f"{firewalls}/fw", {"allowed": [{"IPProtocol": "udp", "ports": ["53"]}], "denied": []})
    assert cloud_server.json("GET", f"{firewalls}/fw")["allowed"] == [{"IPProtocol": "udp", "ports": ["53"]}]
    for allowed, field in (
        ([{"IPProtocol": "tcp", "ports": ["443-80"]}], "allowed[0].ports[0]"),
        ([{"IPProtocol": "nope"}], "allowed[0].IPProtocol"),
        ([], "allowed"),
    ):
        error = cloud_server.json("POST", firewalls, body | {"name": "bad", "allowed": allowed}, status=400)
        assert fields_of(error) == [field]


def test_a_private_connection_uses_reserved_ranges(cloud_server, project):
    addresses = f"{base(project)}/addresses"
    body = {"addressType": "INTERNAL", "network": "global/networks/net", "prefixLength": 16, "purpose": "VPC_PEERING"}
    for name in ("one", "two"):
        cloud_server.json("POST", addresses, {"name": name, **body})
    one, two = (cloud_server.json("GET", f"{addresses}/{name}") for name in ("one", "two"))
    assert one["address"] != two["address"]
    number = cloud_server.json("GET", f"/v1/projects/{project}")["projectNumber"]
    network = f"projects/{number}/global/networks/net"
    connections = "/v1/services/servicenetworking.googleapis.com/connections"
    wanted = {"network": network, "reservedPeeringRanges": ["one"]}
    made = cloud_server.json("POST", connections, wanted)
    assert made["response"]["peering"] == "servicenetworking-googleapis-com"
    assert cloud_server.json("GET", f"/servicenetworking/v1/{made['name']}") == made
    assert "UpdateConnection" in cloud_server.json("POST", connections, wanted, status=400)["error"]["message"]
    error = cloud_server.json("POST", connections, wanted | {"reservedPeeringRanges": ["absent"]}, status=400)
    assert fields_of(error) == ["reservedPeeringRanges[0]"]
    more = wanted | {"reservedPeeringRanges": ["one", "two"]}
    cloud_server.json("PATCH", f"{connections}/-?updateMask=reservedPeeringRanges", more)
    [listed] = cloud_server.json("GET", f"{connections}?network={network}")["connections"]
    assert listed["reservedPeeringRanges"] == ["one", "two"]
    gone = {"consumerNetwork": network}
    cloud_server.json("POST", f"{connections}/servicenetworking-googleapis-com", gone)
    assert cloud_server.json("GET", f"{connections}?network={network}") == {}


def test_labels_of_an_address_change_by_fingerprint(cloud_server, project):
    addresses = f"{base(project)}/addresses"
    cloud_server.json("POST", addresses, {"name": "ip"})
    old = cloud_server.json("GET", f"{addresses}/ip")["labelFingerprint"]
    change = {"labels": {"env": "dev"}, "labelFingerprint": old}
    cloud_server.json("POST", f"{addresses}/ip/setLabels", change)
    assert cloud_server.json("GET", f"{addresses}/ip")["labels"] == {"env": "dev"}
    assert cloud_server.json("POST", f"{addresses}/ip/setLabels", change, status=412)["error"]["code"] == 412


def test_regions_are_known_and_others_are_not(cloud_server, project):
    assert cloud_server.json("GET", f"{base(project, 'regions')}/europe-west1")["status"] == "UP"
    cloud_server.json("GET", f"{base(project, 'regions')}/europe-west99", status=404)
    listed = cloud_server.json("GET", f"{base(project, 'regions')}?filter=name%3Deurope-west1")["items"]
    assert "europe-west1" in [each["name"] for each in listed]
    cloud_server.json("POST", f"{base(project)}/networks", {"name": "Net"}, status=400)
    cloud_server.json("POST", f"{base(project)}/networks", {"name": "net"}, status=409)
