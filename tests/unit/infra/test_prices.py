import pytest

from contracts.pool_spec import Autoscaling, DiskSpec, MachineSpec, PoolSpec
from infra.prices import pool_cost_per_day


def pool(machine: MachineSpec, *, disk: str = "pd-ssd", replicas: int = 1, most: int = 1) -> PoolSpec:
    return PoolSpec(
        name="p",
        persistent_resource_id="p",
        pool_id="workers",
        machine=machine,
        disk=DiskSpec(boot_disk_type=disk, boot_disk_size_gb=100),
        replica_count=replicas,
        autoscaling=Autoscaling(min_replica_count=replicas, max_replica_count=most) if most > replicas else None,
    )


N1 = MachineSpec(machine_type="n1-standard-4")
G2 = MachineSpec(machine_type="g2-standard-8", accelerator_type="NVIDIA_L4", accelerator_count=1)
DISK_DAY = 1.15 * 0.17 * 100 / 730 * 24


def test_a_machine_costs_what_vertex_ais_own_list_says() -> None:
    cost = pool_cost_per_day(pool(N1), "us-central1")

    assert cost.low == cost.high == pytest.approx(0.21849885 * 24 + DISK_DAY)


def test_built_in_accelerators_are_part_of_the_machines_price() -> None:
    cost = pool_cost_per_day(pool(G2), "us-central1")

    assert cost.low == pytest.approx(1.15 * 0.853624271 * 24 + DISK_DAY)


@pytest.mark.parametrize(
    ("machine", "region", "hour"),
    [
        ("g2-standard-4", "us-central1", 0.706832255),
        ("g2-standard-48", "us-central1", 4.001665148),
        ("g2-standard-8", "europe-west1", 0.939925708),
        ("g2-standard-48", "europe-west4", 4.205950264),
    ],
)
def test_sizes_that_follow_from_others_meet_the_listed_price(machine: str, region: str, hour: float) -> None:
    count = {"g2-standard-48": 4}.get(machine, 1)
    spec = MachineSpec(machine_type=machine, accelerator_type="NVIDIA_L4", accelerator_count=count)
    bare = pool_cost_per_day(pool(spec), region).low
    disk = DISK_DAY * (1.1 if region == "europe-west4" else 1)

    assert bare == pytest.approx(1.15 * hour * 24 + disk, rel=1e-6)


def test_an_autoscaled_pool_costs_between_its_least_and_its_most() -> None:
    one = pool_cost_per_day(pool(G2), "us-central1").low
    cost = pool_cost_per_day(pool(G2, most=4), "us-central1")

    assert one is not None
    assert (cost.low, cost.high) == (one, pytest.approx(4 * one))


@pytest.mark.parametrize(
    ("spec", "region", "words"),
    [
        (pool(N1), "asia-south2", "no prices of asia-south2"),
        (pool(MachineSpec(machine_type="e2-standard-4")), "us-central1", "the price of e2-standard-4"),
        (
            pool(MachineSpec(machine_type="n1-standard-4", accelerator_type="NVIDIA_TESLA_T4", accelerator_count=1)),
            "us-central1",
            "n1-standard-4 with NVIDIA_TESLA_T4",
        ),
        (pool(N1, disk="pd-standard"), "europe-west1", "the price of pd-standard in europe-west1"),
    ],
)
def test_an_unknown_price_is_said_and_not_made_up(spec: PoolSpec, region: str, words: str) -> None:
    cost = pool_cost_per_day(spec, region)

    assert (cost.low, cost.high) == (None, None)
    assert words in cost.reason
