"""Ranges of addresses: what Google accepts, and what is refused with its value."""

from ipaddress import IPv4Network
from typing import Any

import pytest

from infra import ip_plan
from tests.unit.infra.test_settings import load, refusal

NETWORK, TRAINING = "recsys-training:network", "recsys-training:trainingPool"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"subnetRange": "10.10.0.1/24"}, "subnetRange = '10.10.0.1/24': has host bits set: the range is 10.10.0.0/24"),
        ({"subnetRange": "ten"}, "subnetRange = 'ten': is no range in CIDR notation"),
        ({"subnetRange": "10.10.0.0"}, "subnetRange = '10.10.0.0': is written 10.10.0.0/32"),
        ({"subnetRange": "fd00::/64"}, "subnetRange = 'fd00::/64': is no range in CIDR notation"),
        ({"subnetRange": "8.8.8.0/24"}, "subnetRange = '8.8.8.0/24': is not within the private ranges of RFC 1918"),
        ({"subnetRange": "100.64.0.0/24"}, "'100.64.0.0/24': is not within the private ranges of RFC 1918"),
        ({"subnetRange": "199.36.153.8/30"}, "'199.36.153.8/30': overlaps 199.36.153.8/30, which is private.google"),
        ({"subnetRange": "169.254.0.0/24"}, "'169.254.0.0/24': overlaps 169.254.0.0/16, which is link-local"),
        ({"subnetRange": "172.17.4.0/24"}, "'172.17.4.0/24': overlaps 172.17.0.0/16, which is the bridge of Docker"),
        (
            {"subnetRange": "10.10.0.0/29"},
            "'10.10.0.0/29': a subnetwork for Private Service Connect interfaces has /8 ",
        ),
        (
            {"subnetRange": "10.10.0.0/30", "pscInterface": False, "peeringRange": "10.32.0.0/16"},
            "'10.10.0.0/30': a subnetwork has /8 to /29",
        ),
        (
            {"pscInterface": False, "peeringRange": "10.32.0.0/17"},
            "peeringRange = '10.32.0.0/17': a range to peer with Vertex AI's training has /8 to /16",
        ),
        (
            {"pscInterface": False, "peeringRange": "10.10.0.0/16"},
            "peeringRange = '10.10.0.0/16': overlaps 10.10.0.0/24, the subnetwork's range",
        ),
        ({"peeringRange": "10.32.0.0/16"}, "pscInterface, peeringRange = (True, '10.32.0.0/16'): pools have an inter"),
        ({"pscInterface": False}, "pscInterface, peeringRange = (False, ''): pools have an interface"),
        ({"googleApis": "all"}, "googleApis = 'all': must be one of private, restricted"),
        ({"flowLogPercent": 101}, "flowLogPercent = 101: must be 0 to 100"),
    ],
)
def test_a_network_that_google_would_not_have_is_refused(changes: dict[str, Any], words: str) -> None:
    assert words in refusal(**{NETWORK: {"enabled": True, **changes}})


def test_a_subnetwork_has_an_address_for_each_replica() -> None:
    pool = {"replicas": 12, "minReplicas": 12, "maxReplicas": 12}
    told = refusal(**{NETWORK: {"subnetRange": "10.10.0.0/28"}, TRAINING: pool})
    assert "subnetRange = '10.10.0.0/28': has addresses for 12 machines, and the pools have up to 13 replicas" in told

    assert ("the network is off" in told) is (not load().network.enabled)

    eleven = {"replicas": 11, "minReplicas": 11, "maxReplicas": 11}
    load(**{NETWORK: {"subnetRange": "10.10.0.0/28"}, TRAINING: eleven})
    retiring = eleven | {"retiringGeneration": "green"}
    assert "up to 23 replicas" in refusal(**{NETWORK: {"subnetRange": "10.10.0.0/28"}, TRAINING: retiring})


def test_machines_that_vertex_ai_peers_with_nobody_are_refused() -> None:
    machine = {"machineType": "a3-megagpu-8g", "acceleratorType": "NVIDIA_H100_MEGA_80GB", "acceleratorCount": 8}
    peered = {"pscInterface": False, "peeringRange": "10.32.0.0/16"}
    told = refusal(**{NETWORK: peered, TRAINING: machine | {"bootDiskType": "pd-ssd"}})
    assert "peeringRange = '10.32.0.0/16': Vertex AI peers no machine with NVIDIA_H100_MEGA_80GB" in told


def test_all_that_is_wrong_with_a_network_is_told_at_once() -> None:
    wrong = {"subnetRange": "8.8.8.8/24", "peeringRange": "ten", "googleApis": "", "flowLogPercent": -1}
    told = refusal(**{NETWORK: wrong})
    assert all(f"network.{key} = {value!r}" in told for key, value in wrong.items())


@pytest.mark.parametrize("text", ["10.0.0.0/8", "172.16.0.0/16", "192.168.0.0/16", "172.31.255.240/28"])
def test_private_ranges_are_taken(text: str) -> None:
    assert ip_plan.range_rule(text) is None
    assert ip_plan.private_rule(IPv4Network(text)) is None


def test_google_keeps_four_addresses_of_each_subnetwork() -> None:
    assert ip_plan.machines_in(IPv4Network("10.0.0.0/28")) == 12
