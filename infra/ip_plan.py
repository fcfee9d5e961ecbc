"""Which ranges of addresses Google accepts in a network, and for what.

Pure: each `…_rule` answers with the broken rule in words, or None. Owns no configuration key (infra/network_rules.py).
Sources: https://cloud.google.com/vpc/docs/subnets#prohibited_subnet_ranges,
https://cloud.google.com/vertex-ai/docs/general/private-services-access and …/general/psc-interfaces
"""

import ipaddress
from ipaddress import IPv4Network

PEERING_PREFIX = 16  # what Google recommends for custom training: 63 jobs of up to eight machines at once
INTERFACE_PREFIX = 28
_LARGEST_PREFIX = 8
_SMALLEST_PREFIX = 29
_TAKEN_BY_GOOGLE = 4  # of a subnetwork's range: the first two addresses and the last two
_PRIVATE = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
_RESERVED = {
    "0.0.0.0/8": "is this network itself",
    "127.0.0.0/8": "is each machine itself",
    "169.254.0.0/16": "is link-local, where Google's metadata server answers",
    "192.0.2.0/24": "is for documentation",
    "198.51.100.0/24": "is for documentation",
    "203.0.113.0/24": "is for documentation",
    "199.36.153.4/30": "is restricted.googleapis.com",
    "199.36.153.8/30": "is private.googleapis.com",
    "224.0.0.0/4": "is for multicast",
    "172.17.0.0/16": "is the bridge of Docker on each machine, behind which no container would reach it",
}


def range_rule(text: str) -> str | None:
    """An IPv4 range in CIDR notation without host bits."""
    try:
        network = IPv4Network(text, strict=False)
    except ValueError:
        return "is no range in CIDR notation, such as 10.10.0.0/24"
    if str(network.network_address) != text.partition("/")[0]:
        return f"has host bits set: the range is {network}"
    return None if str(network) == text else f"is written {network}"


def private_rule(network: IPv4Network) -> str | None:
    """Of private addresses (RFC 1918), and none that Google or the machines themselves have taken."""
    for range_, why in _RESERVED.items():
        if network.overlaps(IPv4Network(range_)):
            return f"overlaps {range_}, which {why}"
    if not any(network.subnet_of(private) for private in _PRIVATE):
        return f"is not within the private ranges of RFC 1918, {', '.join(map(str, _PRIVATE))}"
    return None


def subnet_rule(network: IPv4Network) -> str | None:
    return _size_rule(network, _SMALLEST_PREFIX, "a subnetwork has")


def interface_rule(network: IPv4Network) -> str | None:
    return _size_rule(network, INTERFACE_PREFIX, "a subnetwork for Private Service Connect interfaces has")


def peering_rule(network: IPv4Network) -> str | None:
    return _size_rule(network, PEERING_PREFIX, "a range to peer with Vertex AI's training has")


def _size_rule(network: IPv4Network, smallest: int, what: str) -> str | None:
    if _LARGEST_PREFIX <= network.prefixlen <= smallest:
        return None
    return f"{what} /{_LARGEST_PREFIX} to /{smallest}"


def machines_in(network: IPv4Network) -> int:
    """How many machines can have an address of a subnetwork's range."""
    return network.num_addresses - _TAKEN_BY_GOOGLE


def overlap_rule(network: IPv4Network, other: IPv4Network) -> str | None:
    return f"overlaps {other}" if network.overlaps(other) else None


def range_of(text: str) -> IPv4Network | None:
    """None for what is no range."""
    return ipaddress.IPv4Network(text) if range_rule(text) is None else None
