"""What a pool costs while it exists: list prices in USD an hour, us-central1, of the machines that the table knows.

Sources: Compute Engine's list prices as of 2026-08-20; Vertex AI training sells them 1.15 times as dear (its own list
has n1-standard-4 in us-central1 at 0.21849885 an hour, read 2026-10-07). Covers N1, N2, E2 and G2 machines with
L4, T4 and V100 GPUs and their boot disks, whole or not at all. Knows no other region, discount, network or storage.
"""

from typing import Any

NOTE = "list price, us-central1, 2026-08-20"

_TRAINING = 1.15
_HOURS_PER_MONTH = 730
# A vCPU and a GB of memory, and how many GB come with a vCPU.
_PARTS = {"n1": (0.031611, 0.004237), "n2": (0.031611, 0.004237), "e2": (0.02181159, 0.00292353)}
_GB = {
    "n1": {"standard": 3.75, "highmem": 6.5, "highcpu": 0.9},
    "n2": {"standard": 4.0, "highmem": 8.0, "highcpu": 1.0},
    "e2": {"standard": 4.0, "highmem": 8.0, "highcpu": 1.0},
}
_VCPU_HOUR = {
    f"{series}-{kind}": vcpu + gigabyte * _GB[series][kind]
    for series, (vcpu, gigabyte) in _PARTS.items()
    for kind in _GB[series]
} | {"g2-standard": 0.146792016 / 4}
_ACCELERATOR_HOUR = {"NVIDIA_L4": 0.560040239, "NVIDIA_TESLA_T4": 0.35, "NVIDIA_TESLA_V100": 2.48}
_GB_MONTH = {"pd-ssd": 0.17, "pd-standard": 0.04}


def replica_usd_per_hour(pool: dict[str, Any]) -> float | None:
    """One replica of a `ResourcePool` with its disk; None where the table lacks a part of it."""
    machine, disk = pool.get("machineSpec", {}), pool.get("diskSpec", {})
    family, _, cpus = machine.get("machineType", "").rpartition("-")
    accelerators = int(machine.get("acceleratorCount", 0) or 0)
    each = _ACCELERATOR_HOUR.get(machine.get("acceleratorType", "")) if accelerators else 0.0
    gigabyte = _GB_MONTH.get(disk.get("bootDiskType") or "pd-ssd")
    if family not in _VCPU_HOUR or not cpus.isdigit() or each is None or gigabyte is None:
        return None
    boot_disk = gigabyte * int(disk.get("bootDiskSizeGb") or 100) / _HOURS_PER_MONTH
    return _TRAINING * (int(cpus) * _VCPU_HOUR[family] + accelerators * each + boot_disk)
