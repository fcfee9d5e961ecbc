"""What a stack's network must satisfy beyond its types, each rule with the key that breaks it and the way out.

Pure. Ties configuration keys to the IP plan (infra/ip_plan.py) and to the pools whose machines need addresses in it.
Checked whether or not the network is switched on, so that switching it on is no surprise.
"""

from collections.abc import Iterator, Sequence

from contracts.problems import Problem
from infra import ip_plan, limits
from infra.stack_config import NetworkSettings, PoolSettings, config_key

GOOGLE_APIS = ("private", "restricted")
_KEY = config_key("network")
_OFF = "; the network is off, and checked for the day when it is not"
_ONE_WAY = 'Set pscInterface: true and peeringRange: "", or pscInterface: false and a peeringRange'
_NO_PEERING = ("NVIDIA_H100_MEGA_80GB", "NVIDIA_H200_141GB", "NVIDIA_B200")


def network_problems(network: NetworkSettings) -> Iterator[Problem]:
    yield from _ranges(network)
    if network.psc_interface == bool(network.peering_range):
        asked = (network.psc_interface, network.peering_range)
        rule = "pools have an interface in the subnetwork or are peered with the network: one of both"
        yield Problem(key=f"{_KEY}.pscInterface, peeringRange", value=asked, rule=rule, fix=_ONE_WAY)
    if network.google_apis not in GOOGLE_APIS:
        fix = "restricted has only what VPC Service Controls protect, private has all"
        rule = f"must be one of {', '.join(GOOGLE_APIS)}"
        yield Problem(key=f"{_KEY}.googleApis", value=network.google_apis, rule=rule, fix=f"Choose one: {fix}")
    if not 0 <= network.flow_log_percent <= 100:
        rule, fix = "must be 0 to 100", "Set which share of the flows is logged, 0 for none"
        yield Problem(key=f"{_KEY}.flowLogPercent", value=network.flow_log_percent, rule=rule, fix=fix)


def _ranges(network: NetworkSettings) -> Iterator[Problem]:
    subnet, peering = ip_plan.range_of(network.subnet_range), ip_plan.range_of(network.peering_range)
    subnet_size = ip_plan.interface_rule if network.psc_interface else ip_plan.subnet_rule
    given = [("subnetRange", network.subnet_range, subnet, subnet_size)]
    if network.peering_range:
        given.append(("peeringRange", network.peering_range, peering, ip_plan.peering_rule))
    for name, text, range_, size in given:
        rules = [ip_plan.private_rule(range_), size(range_)] if range_ else [ip_plan.range_rule(text)]
        for rule in filter(None, rules):
            yield Problem(key=f"{_KEY}.{name}", value=text, rule=rule, fix="Set a range of your IP plan that is free")
    overlap = ip_plan.overlap_rule(peering, subnet) if peering and subnet else None
    if overlap:
        rule = f"{overlap}, the subnetwork's range: a network has each address once"
        yield Problem(key=f"{_KEY}.peeringRange", value=network.peering_range, rule=rule, fix="Move one of both")


def room_problems(
    network: NetworkSettings, training: PoolSettings, further: Sequence[PoolSettings], steps: PoolSettings
) -> Iterator[Problem]:
    """Every replica has an interface with an address of the subnetwork, those of a retiring pool, too."""
    subnet = ip_plan.range_of(network.subnet_range)
    if subnet is None or not network.psc_interface or ip_plan.interface_rule(subnet):
        return
    pools = (training, *further, steps)
    if any(limits.replicas_rule(pool.replicas, pool.min_replicas, pool.max_replicas) for pool in pools):
        return
    needed = sum(pool.max_replicas * (2 if pool.retiring_generation else 1) for pool in pools)
    if needed > ip_plan.machines_in(subnet):
        rule = f"has addresses for {ip_plan.machines_in(subnet)} machines, and the pools have up to {needed} replicas"
        fix = "Set a larger range, or lower maxReplicas" + _OFF * (not network.enabled)
        yield Problem(key=f"{_KEY}.subnetRange", value=network.subnet_range, rule=rule, fix=fix)


def accelerator_problems(
    network: NetworkSettings, training: PoolSettings, further: Sequence[PoolSettings], steps: PoolSettings
) -> Iterator[Problem]:
    """Source: https://cloud.google.com/vertex-ai/docs/training/using-private-ip"""
    held = [(config_key("training_pool"), training), (config_key("steps_pool"), steps)]
    held += [(f"{config_key('further_training_pools')}[{index}]", pool) for index, pool in enumerate(further)]
    for key, pool in held:
        if network.peering_range and pool.accelerator_type in _NO_PEERING:
            rule = f"Vertex AI peers no machine with {pool.accelerator_type}, which {key} has"
            yield Problem(key=f"{_KEY}.peeringRange", value=network.peering_range, rule=rule, fix=_ONE_WAY)
