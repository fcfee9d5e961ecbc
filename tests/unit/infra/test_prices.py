import pytest

from contracts.pool_spec import Autoscaling, DiskSpec, MachineSpec, PoolSpec
from infra.machines import MACHINES
from infra.prices import pool_cost_per_day, query_usd_per_tib


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


def with_gpus(machine: str, kind: str, count: int) -> MachineSpec:
    return MachineSpec(machine_type=machine, accelerator_type=kind, accelerator_count=count)


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


@pytest.mark.parametrize(
    ("machine", "region", "hour"),
    [
        (MachineSpec(machine_type="n1-highcpu-32"), "us-central1", 1.13358),
        (MachineSpec(machine_type="n1-highmem-96"), "europe-west4", 6.25133),
        (MachineSpec(machine_type="n2-highcpu-80"), "us-central1", 2.86784),
        (MachineSpec(machine_type="e2-standard-32"), "us-central1", 1.07218),
        (MachineSpec(machine_type="e2-standard-4"), "europe-west1", 1.17945 / 8),
        (MachineSpec(machine_type="c2-standard-30"), "europe-west4", 1.72404),
        (with_gpus("n1-standard-8", "NVIDIA_TESLA_T4", 2), "us-central1", 0.379998 + 2 * 0.35),
        (with_gpus("n1-standard-8", "NVIDIA_TESLA_V100", 1), "europe-west4", 0.418336 + 2.604),
        (with_gpus("a2-highgpu-4g", "NVIDIA_TESLA_A100", 4), "us-central1", 14.69354),
        (with_gpus("a2-megagpu-16g", "NVIDIA_TESLA_A100", 16), "europe-west4", 56.62656),
        (with_gpus("a2-ultragpu-8g", "NVIDIA_A100_80GB", 8), "us-central1", 40.5503831 - 3000 * 0.08 / 730),
        (with_gpus("a3-highgpu-4g", "NVIDIA_H100_80GB", 4), "us-central1", 44.2449999 - 3000 * 0.08 / 730),
        (with_gpus("a3-megagpu-8g", "NVIDIA_H100_MEGA_80GB", 8), "europe-west1", 102.1946466 - 6000 * 0.08 / 730),
    ],
)
def test_every_family_meets_compute_engines_list_less_its_local_ssds(
    machine: MachineSpec, region: str, hour: float
) -> None:
    disk = DISK_DAY * (1.1 if region == "europe-west4" else 1)

    assert pool_cost_per_day(pool(machine), region).low == pytest.approx(1.15 * hour * 24 + disk, rel=2e-5)


def test_eight_h100s_cost_what_vertex_ai_billed() -> None:
    billed = 8 * 11.2660332 + 208 * 0.0293227 + 1872 * 0.0025534
    h100s = with_gpus("a3-highgpu-8g", "NVIDIA_H100_80GB", 8)

    assert pool_cost_per_day(pool(h100s), "us-central1").low == pytest.approx(billed * 24 + DISK_DAY, rel=1e-6)


def test_every_machine_has_a_price_in_some_region_that_offers_it() -> None:
    for name, machine in MACHINES.items():
        kind, counts = next(iter(machine.accelerators.items()), ("", (0,)))
        asked = with_gpus(name, kind, counts[0]) if machine.accelerator_required else MachineSpec(machine_type=name)
        known = [region for region in machine.regions if pool_cost_per_day(pool(asked), region).low is not None]
        assert known, name


def test_queries_are_priced_by_the_tib() -> None:
    assert (query_usd_per_tib("us-central1"), query_usd_per_tib("europe-west4")) == (6.25, 7.50)
    assert query_usd_per_tib("mars-north1") is None


def test_an_autoscaled_pool_costs_between_its_least_and_its_most() -> None:
    one = pool_cost_per_day(pool(G2), "us-central1").low
    cost = pool_cost_per_day(pool(G2, most=4), "us-central1")

    assert one is not None
    assert (cost.low, cost.high) == (one, pytest.approx(4 * one))


@pytest.mark.parametrize(
    ("spec", "region", "words"),
    [
        (pool(N1), "asia-south2", "no list price of asia-south2"),
        (pool(MachineSpec(machine_type="m9-huge-4")), "us-central1", "no list price of m9-huge-4"),
        (
            pool(MachineSpec(machine_type="n1-standard-4", accelerator_type="NVIDIA_TESLA_V100", accelerator_count=1)),
            "europe-west1",
            "n1-standard-4 with NVIDIA_TESLA_V100 in europe-west1",
        ),
        (
            pool(with_gpus("a3-megagpu-8g", "NVIDIA_H100_MEGA_80GB", 8)),
            "us-central1",
            "a3-megagpu-8g with NVIDIA_H100_MEGA_80GB in us-central1",
        ),
        (pool(N1, disk="pd-standard"), "europe-west1", "no list price of pd-standard in europe-west1"),
    ],
)
def test_an_unknown_price_is_said_and_not_made_up(spec: PoolSpec, region: str, words: str) -> None:
    cost = pool_cost_per_day(spec, region)

    assert (cost.low, cost.high) == (None, None)
    assert words in cost.reason
