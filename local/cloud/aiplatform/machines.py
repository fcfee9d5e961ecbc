"""The machines, accelerators and disks that Vertex AI trains on.

Owns: the tables of https://cloud.google.com/vertex-ai/docs/training/configure-compute as read on 2026-11-22, and the
checks of `MachineSpec` and `DiskSpec` against them; of which boot disks a series takes, those of
https://cloud.google.com/compute/docs/disks#machine_type_support as read on 2026-11-24. Regional availability is
not checked.
"""

from typing import Any

from local.cloud.jobs.spec import MachineSize
from local.cloud.validation import Violations, as_int

DISK_TYPES = ("pd-standard", "pd-ssd", "hyperdisk-balanced")
_DISKS_OF = {
    **dict.fromkeys(("n1", "n2", "e2", "c2", "a2"), ("pd-standard", "pd-ssd")),
    "g2": ("pd-ssd",),
    "a3": ("pd-ssd", "hyperdisk-balanced"),
}
DEFAULT_DISK = {"bootDiskType": "pd-ssd", "bootDiskSizeGb": 100}

_CPU_SIZES = {
    "e2-standard": (4, 8, 16, 32),
    "e2-highmem": (2, 4, 8, 16),
    "e2-highcpu": (16, 32),
    "n4-standard": (2, 4, 8, 16, 32, 48, 64, 80),
    "n4-highmem": (2, 4, 8, 16, 32, 48, 64, 80),
    "n4-highcpu": (2, 4, 8, 16, 32, 48, 64, 80),
    "n2-standard": (4, 8, 16, 32, 48, 64, 80),
    "n2-highmem": (2, 4, 8, 16, 32, 48, 64, 80),
    "n2-highcpu": (16, 32, 48, 64, 80),
    "n1-standard": (4, 8, 16, 32, 64, 96),
    "n1-highmem": (2, 4, 8, 16, 32, 64, 96),
    "n1-highcpu": (16, 32, 64, 96),
    "c2-standard": (4, 8, 16, 30, 60),
    "m1-ultramem": (40, 80, 160),
    "m1-megamem": (96,),
}
_FIXED_GPUS = {
    "a4x-highgpu-4g": ("NVIDIA_GB200", 4),
    "a4-highgpu-8g": ("NVIDIA_B200", 8),
    "a3-ultragpu-8g": ("NVIDIA_H200_141GB", 8),
    "a3-megagpu-8g": ("NVIDIA_H100_MEGA_80GB", 8),
    **{f"a3-highgpu-{count}g": ("NVIDIA_H100_80GB", count) for count in (1, 2, 4, 8)},
    **{f"a2-ultragpu-{count}g": ("NVIDIA_A100_80GB", count) for count in (1, 2, 4, 8)},
    **{f"a2-highgpu-{count}g": ("NVIDIA_TESLA_A100", count) for count in (1, 2, 4, 8)},
    "a2-megagpu-16g": ("NVIDIA_TESLA_A100", 16),
    **{f"g2-standard-{size}": ("NVIDIA_L4", 1) for size in (4, 8, 12, 16, 32)},
    "g2-standard-24": ("NVIDIA_L4", 2),
    "g2-standard-48": ("NVIDIA_L4", 4),
    "g2-standard-96": ("NVIDIA_L4", 8),
    **{f"g4-standard-{48 * count}": ("NVIDIA_RTX_PRO_6000", count) for count in (1, 2, 4, 8)},
}
_TPU_MACHINES = (
    *("ct5lp-hightpu-1t", "ct5lp-hightpu-4t", "ct5lp-hightpu-8t"),
    *("ct6e-standard-1t", "ct6e-standard-4t", "ct6e-standard-8t", "tpu7x-standard-4t"),
)
_CLOUD_TPU = {"TPU_V2", "TPU_V3"}
_N1_GPUS = ("NVIDIA_TESLA_P4", "NVIDIA_TESLA_P100", "NVIDIA_TESLA_T4", "NVIDIA_TESLA_V100")

MACHINE_TYPES = frozenset(
    [f"{family}-{size}" for family, sizes in _CPU_SIZES.items() for size in sizes]
    + [*_FIXED_GPUS, *_TPU_MACHINES, "cloud-tpu"]
)


_GIB_A_CPU = {
    **{"e2-standard": 4.0, "e2-highmem": 8.0, "e2-highcpu": 1.0, "n4-standard": 4.0, "n4-highmem": 8.0},
    **{"n4-highcpu": 2.0, "n2-standard": 4.0, "n2-highmem": 8.0, "n2-highcpu": 1.0, "n1-standard": 3.75},
    **{"n1-highmem": 6.5, "n1-highcpu": 0.9, "c2-standard": 4.0, "m1-ultramem": 24.025, "m1-megamem": 14.933},
    "g2-standard": 4.0,
}


def machine_size(machine: str) -> MachineSize:
    """What a machine type has of processors and memory, as Compute Engine documents it; nothing of types that this
    table does not know.
    """
    family, _, cpus = machine.rpartition("-")
    if family not in _GIB_A_CPU or not cpus.isdigit():
        return MachineSize()
    return MachineSize(int(cpus), int(int(cpus) * _GIB_A_CPU[family] * (1 << 30)))


def check_machine(found: Violations, spec: dict[str, Any] | None, at: str) -> None:
    """Note what is wrong with a `MachineSpec`."""
    machine = (spec or {}).get("machineType")
    if not machine:
        found.add(f"{at}.machineType", "is required")
        return
    if machine not in MACHINE_TYPES:
        found.add(f"{at}.machineType", f"{machine!r} is not supported for training")
        return
    accelerator = (spec or {}).get("acceleratorType", "ACCELERATOR_TYPE_UNSPECIFIED")
    count = as_int((spec or {}).get("acceleratorCount", 0)) or 0
    if (accelerator != "ACCELERATOR_TYPE_UNSPECIFIED") != (count != 0):
        rule = "both acceleratorType and acceleratorCount should be specified or none"
        found.add(f"{at}.acceleratorType", f"{accelerator!r} with a count of {count}: {rule}")
        return
    allowed = _accelerators(machine)
    if count and (accelerator, count) not in allowed:
        rule = ", ".join(f"{kind} x{number}" for kind, number in allowed) or "no accelerators"
        found.add(f"{at}.acceleratorType", f"{accelerator} x{count} does not go with {machine}, which takes {rule}")
    elif not count and (machine in _FIXED_GPUS or machine == "cloud-tpu"):
        needed = ", ".join(f"{kind} x{number}" for kind, number in allowed)
        found.add(f"{at}.acceleratorType", f"machine type {machine} must be used with {needed}")
    if machine in _TPU_MACHINES and not (spec or {}).get("tpuTopology"):
        found.add(f"{at}.tpuTopology", f"machine type {machine} needs a TPU topology")


def check_disk(found: Violations, spec: dict[str, Any] | None, at: str, machine: str = "") -> None:
    """Note what is wrong with a `DiskSpec`, also for the machine type; none at all is the default disk."""
    if not spec:
        return
    disk = spec.get("bootDiskType")
    if disk:
        found.one_of(DISK_TYPES, disk, f"{at}.bootDiskType")
        taken = _DISKS_OF.get(machine.partition("-")[0], DISK_TYPES)
        if disk in DISK_TYPES and disk not in taken:
            found.add(f"{at}.bootDiskType", f"{disk!r} does not go with {machine}, which takes {' or '.join(taken)}")
    if spec.get("bootDiskSizeGb"):
        found.within(100, 64000, spec["bootDiskSizeGb"], f"{at}.bootDiskSizeGb")


def same_machine(job: dict[str, Any], pool: dict[str, Any]) -> list[str]:
    """The fields of machine and disk in which a worker pool differs from a resource pool; both default alike."""
    differs = []
    for name in ("machineType", "acceleratorType", "acceleratorCount", "tpuTopology"):
        if _plain(job.get("machineSpec", {}).get(name)) != _plain(pool.get("machineSpec", {}).get(name)):
            differs.append(f"machineSpec.{name}")
    for name, default in DEFAULT_DISK.items():
        if (job.get("diskSpec", {}).get(name) or default) != (pool.get("diskSpec", {}).get(name) or default):
            differs.append(f"diskSpec.{name}")
    return differs


def _plain(value: Any) -> Any:
    return None if value in ("", 0, "ACCELERATOR_TYPE_UNSPECIFIED") else value


def _accelerators(machine: str) -> list[tuple[str, int]]:
    """Which accelerators, in which number, go with a machine type."""
    if machine in _FIXED_GPUS:
        return [_FIXED_GPUS[machine]]
    if machine == "cloud-tpu":
        return [(kind, count) for kind in sorted(_CLOUD_TPU) for count in (8, *range(32, 2049, 32))]
    if not machine.startswith("n1-"):
        return []
    family, _, size = machine.rpartition("-")
    cores = int(size)
    usual = (1, 2, 4) if cores <= 16 else (2, 4) if cores <= 32 else (4,)
    v100 = (1, 2, 4, 8) if cores <= 8 else (2, 4, 8) if cores <= 16 else (4, 8) if cores <= 32 else (8,)
    many_cores = cores > 64 or (cores == 64 and family != "n1-highcpu")
    counts = dict.fromkeys(_N1_GPUS, usual) | {"NVIDIA_TESLA_V100": v100}
    if many_cores:
        del counts["NVIDIA_TESLA_P100"]
    return [(gpu, count) for gpu, allowed in counts.items() for count in allowed]
