import pytest
from google.cloud.aiplatform_v1.types import AcceleratorType

from infra import limits, machines

PAIRS_THAT_EXIST = [
    ("n1-standard-4", "", 0),
    ("n1-standard-4", "NVIDIA_TESLA_T4", 1),
    ("n1-standard-32", "NVIDIA_TESLA_T4", 2),
    ("n1-highmem-8", "NVIDIA_TESLA_V100", 8),
    ("e2-standard-4", "", 0),
    ("g2-standard-8", "NVIDIA_L4", 1),
    ("g2-standard-24", "NVIDIA_L4", 2),
    ("g2-standard-96", "NVIDIA_L4", 8),
    ("a2-highgpu-4g", "NVIDIA_TESLA_A100", 4),
    ("a2-ultragpu-2g", "NVIDIA_A100_80GB", 2),
    ("a3-highgpu-8g", "NVIDIA_H100_80GB", 8),
]
PAIRS_THAT_DO_NOT = [
    ("n1-standard-32", "NVIDIA_TESLA_T4", 1),
    ("n1-standard-96", "NVIDIA_TESLA_V100", 4),
    ("n1-standard-4", "NVIDIA_L4", 1),
    ("n1-standard-4", "NVIDIA_TESLA_T4", 0),
    ("e2-standard-4", "NVIDIA_TESLA_T4", 1),
    ("g2-standard-8", "", 0),
    ("g2-standard-8", "NVIDIA_L4", 2),
    ("g2-standard-24", "NVIDIA_L4", 1),
    ("a2-highgpu-1g", "NVIDIA_A100_80GB", 1),
    ("a3-highgpu-8g", "NVIDIA_NOPE", 8),
]


@pytest.mark.parametrize(("machine", "accelerator", "count"), PAIRS_THAT_EXIST)
def test_a_pair_of_machine_and_accelerator_that_exists_is_accepted(machine: str, accelerator: str, count: int) -> None:
    assert machines.accelerator_rule(machine, accelerator, count) is None


@pytest.mark.parametrize(("machine", "accelerator", "count"), PAIRS_THAT_DO_NOT)
def test_a_pair_of_machine_and_accelerator_that_does_not_exist_is_told(
    machine: str, accelerator: str, count: int
) -> None:
    assert machine in str(machines.accelerator_rule(machine, accelerator, count))


def test_an_unknown_machine_is_told_with_its_kin() -> None:
    rule = machines.machine_rule("g2-standard-6")

    assert rule is not None
    assert "g2-standard-8" in rule
    assert "n1-standard-4" not in rule


def test_every_accelerator_of_the_table_is_one_of_the_apis() -> None:
    named = {name for machine in machines.MACHINES.values() for name in machine.accelerators}

    assert named <= set(AcceleratorType.__members__)


def test_every_region_of_a_machine_is_one_of_vertex_ai() -> None:
    for name, machine in machines.MACHINES.items():
        assert machine.regions, name
        assert machine.regions <= limits.VERTEX_REGIONS, name


@pytest.mark.parametrize(
    ("machine", "disk", "accepted"),
    [
        ("n1-standard-4", "pd-standard", True),
        ("g2-standard-8", "pd-ssd", True),
        ("g2-standard-8", "pd-standard", False),
        ("a3-highgpu-8g", "hyperdisk-balanced", True),
        ("n1-standard-4", "hyperdisk-balanced", False),
        ("n1-standard-4", "pd-nope", False),
    ],
)
def test_a_machine_boots_from_the_disks_that_it_takes(machine: str, disk: str, *, accepted: bool) -> None:
    assert (machines.disk_rule(machine, disk) is None) == accepted


@pytest.mark.parametrize(
    ("machine", "region", "offered"),
    [
        ("g2-standard-8", "us-central1", True),
        ("g2-standard-8", "me-west1", False),
        ("a2-highgpu-1g", "europe-west1", False),
    ],
)
def test_a_machine_is_offered_only_in_its_regions(machine: str, region: str, *, offered: bool) -> None:
    assert (machines.machine_region_rule(machine, region) is None) == offered
