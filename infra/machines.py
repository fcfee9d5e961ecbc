"""The machines of custom training, with the accelerators and boot disks that they take and the regions that have them.

Pure. A machine that Google adds is one line here. Sources, as of 2026-11-22:
* machines and accelerators: https://cloud.google.com/vertex-ai/docs/training/configure-compute. A persistent resource
  takes every machine of custom training
  (https://cloud.google.com/vertex-ai/docs/training/persistent-resource-overview).
* disks: the API's DiskSpec; Compute Engine offers no pd-standard with G2 and A3.
* regions: Compute Engine's machine types by zone, 2026-08-17. Vertex AI may offer less than that, never more; which
  regions have T4 and V100 GPUs to attach to N1 is not in the table.
"""

from dataclasses import dataclass
from itertools import repeat

_N1_REGIONS = """
    asia-east1 asia-east2 asia-northeast1 asia-northeast2 asia-northeast3 asia-south1 asia-south2 asia-southeast1
    asia-southeast2 australia-southeast1 australia-southeast2 europe-central2 europe-north1 europe-west1
    europe-west2 europe-west3 europe-west4 europe-west6 me-west1 northamerica-northeast1 northamerica-northeast2
    southamerica-east1 us-central1 us-east1 us-east4 us-west1 us-west2 us-west3 us-west4
"""
_N2_REGIONS = f"""
    {_N1_REGIONS} africa-south1 europe-southwest1 europe-west12 europe-west8 europe-west9 me-central1 me-central2
    southamerica-west1 us-east5 us-south1
"""
_E2_REGIONS = f"{_N2_REGIONS} europe-north2"
_C2_REGIONS = """
    asia-east1 asia-east2 asia-northeast1 asia-northeast2 asia-northeast3 asia-south1 asia-south2 asia-southeast1
    australia-southeast1 europe-north1 europe-west1 europe-west2 europe-west3 europe-west4 europe-west6 me-central2
    me-west1 northamerica-northeast1 southamerica-east1 southamerica-west1 us-central1 us-east1 us-east4 us-east5
    us-west1 us-west2 us-west3 us-west4
"""
_G2_REGIONS = """
    asia-east1 asia-northeast1 asia-northeast3 asia-south1 asia-southeast1 europe-west1 europe-west2 europe-west3
    europe-west4 europe-west6 me-central2 northamerica-northeast1 northamerica-northeast2 us-central1 us-east1
    us-east4 us-west1 us-west4
"""
_A2_HIGH_REGIONS = """
    asia-northeast1 asia-northeast3 asia-southeast1 europe-west4 me-west1 us-central1 us-east1 us-west1 us-west3
    us-west4
"""
_A2_MEGA_REGIONS = "asia-southeast1 europe-west4 us-central1"
_A2_ULTRA_REGIONS = "asia-southeast1 europe-west4 us-central1 us-east4 us-east5"
_A3_HIGH_REGIONS = """
    asia-east1 asia-northeast1 asia-northeast3 asia-south1 asia-south2 asia-southeast1 australia-southeast1
    australia-southeast2 europe-north1 europe-west1 europe-west3 europe-west4 europe-west9 us-central1 us-east4
    us-east5 us-west1 us-west4
"""
_A3_MEGA_REGIONS = """
    asia-east1 asia-northeast1 asia-southeast1 australia-southeast1 europe-north1 europe-west1 europe-west3
    europe-west4 us-central1 us-east4 us-east5 us-west1 us-west4
"""

_PERSISTENT = ("pd-ssd", "pd-standard")
_SSD = ("pd-ssd",)
_SSD_OR_HYPERDISK = ("pd-ssd", "hyperdisk-balanced")


@dataclass(frozen=True)
class Machine:
    """`accelerators` maps each accelerator type that can be asked for to the counts that can be asked for."""

    regions: frozenset[str]
    disks: tuple[str, ...]
    accelerators: dict[str, tuple[int, ...]]
    accelerator_required: bool


@dataclass(frozen=True)
class _Family:
    """Machine types `prefix-size`. `counts` are the accelerators built into each size, in the order of `sizes`."""

    prefix: str
    sizes: str
    regions: str
    disks: tuple[str, ...] = _PERSISTENT
    accelerator: str = ""
    counts: tuple[int, ...] = ()

    def machines(self) -> dict[str, Machine]:
        sizes = self.sizes.split()
        return {
            f"{self.prefix}-{size}": Machine(
                regions=frozenset(self.regions.split()),
                disks=self.disks,
                accelerators={self.accelerator: (count,)} if count else self._attachable(size),
                accelerator_required=bool(count),
            )
            for size, count in zip(sizes, self.counts or repeat(0, len(sizes)), strict=True)
        }

    def _attachable(self, size: str) -> dict[str, tuple[int, ...]]:
        """N1 is the one family that GPUs are attached to; the more vCPUs, the more GPUs it wants."""
        if not self.prefix.startswith("n1-"):
            return {}
        vcpus = int(size)
        t4 = (1, 2, 4) if vcpus <= 16 else (2, 4) if vcpus <= 32 else (4,)
        v100 = (1, 2, 4, 8) if vcpus <= 8 else (2, 4, 8) if vcpus <= 16 else (4, 8) if vcpus <= 32 else (8,)
        return {"NVIDIA_TESLA_T4": t4, "NVIDIA_TESLA_V100": v100}


_FAMILIES = (
    _Family("n1-standard", "4 8 16 32 64 96", _N1_REGIONS),
    _Family("n1-highmem", "2 4 8 16 32 64 96", _N1_REGIONS),
    _Family("n1-highcpu", "16 32 64 96", _N1_REGIONS),
    _Family("n2-standard", "4 8 16 32 48 64 80", _N2_REGIONS),
    _Family("n2-highmem", "2 4 8 16 32 48 64 80", _N2_REGIONS),
    _Family("n2-highcpu", "16 32 48 64 80", _N2_REGIONS),
    _Family("e2-standard", "4 8 16 32", _E2_REGIONS),
    _Family("e2-highmem", "2 4 8 16", _E2_REGIONS),
    _Family("e2-highcpu", "16 32", _E2_REGIONS),
    _Family("c2-standard", "4 8 16 30 60", _C2_REGIONS),
    _Family("g2-standard", "4 8 12 16 24 32 48 96", _G2_REGIONS, _SSD, "NVIDIA_L4", (1, 1, 1, 1, 2, 1, 4, 8)),
    _Family("a2-highgpu", "1g 2g 4g 8g", _A2_HIGH_REGIONS, _PERSISTENT, "NVIDIA_TESLA_A100", (1, 2, 4, 8)),
    _Family("a2-megagpu", "16g", _A2_MEGA_REGIONS, _PERSISTENT, "NVIDIA_TESLA_A100", (16,)),
    _Family("a2-ultragpu", "1g 2g 4g 8g", _A2_ULTRA_REGIONS, _PERSISTENT, "NVIDIA_A100_80GB", (1, 2, 4, 8)),
    _Family("a3-highgpu", "1g 2g 4g 8g", _A3_HIGH_REGIONS, _SSD_OR_HYPERDISK, "NVIDIA_H100_80GB", (1, 2, 4, 8)),
    _Family("a3-megagpu", "8g", _A3_MEGA_REGIONS, _SSD_OR_HYPERDISK, "NVIDIA_H100_MEGA_80GB", (8,)),
)

MACHINES: dict[str, Machine] = {name: machine for family in _FAMILIES for name, machine in family.machines().items()}


def machine_rule(machine_type: str) -> str | None:
    """Why `machine_type` cannot train; None where it can. As all rules here: the broken rule in words, or None."""
    if machine_type in MACHINES:
        return None
    family = machine_type.partition("-")[0]
    kin = [name for name in MACHINES if name.startswith(f"{family}-")]
    return f"is no machine type of custom training known here ({', '.join(kin or ['families: n1 n2 e2 c2 g2 a2 a3'])})"


def machine_region_rule(machine_type: str, region: str) -> str | None:
    machine = MACHINES[machine_type]
    return (
        None
        if region in machine.regions
        else f"is not offered in {region} (offered in {', '.join(sorted(machine.regions))})"
    )


def accelerator_rule(machine_type: str, accelerator_type: str, count: int) -> str | None:
    """`accelerator_type` "" with `count` 0 asks for none."""
    machine = MACHINES[machine_type]
    if not accelerator_type and count == 0:
        return (
            f"{machine_type} has accelerators built in: {_offered(machine)}" if machine.accelerator_required else None
        )
    if count in machine.accelerators.get(accelerator_type, ()):
        return None
    return f"{machine_type} takes {_offered(machine) or 'no accelerator'}"


def disk_rule(machine_type: str, disk_type: str) -> str | None:
    disks = MACHINES[machine_type].disks
    return None if disk_type in disks else f"the boot disk of {machine_type} is {' or '.join(disks)}"


def _offered(machine: Machine) -> str:
    return " or ".join(f"{'|'.join(map(str, counts))} x {name}" for name, counts in machine.accelerators.items())
