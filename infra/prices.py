"""What things cost: list prices in USD, as far as they are known here, and None with the reason where they are not.

Vertex AI training sells Compute Engine's machines, accelerators and boot disks 15% dearer, its management fee, and the
local SSDs of A2 and A3 not at all. Checked against its own list (n1-standard-4 in us-central1 at 0.21849885 an hour,
read 2026-10-07) and against a bill (a3-highgpu-8g with a disk of 2,000 GB at 101.543 an hour, 2025-08).

Sources: Compute Engine's list prices, from the billing catalogue's exports of Cyclenerd (PRICES_OF; A2, A3, C2, G2,
disks) and of SkyPilot (N1, N2, E2, T4, V100); https://cloud.google.com/storage/pricing and
https://cloud.google.com/bigquery/pricing, read 2026-11-24. Knows no committed use or negotiated discount, no Spot, no
network, and no other region: add a line with its source rather than guess.
"""

from dataclasses import dataclass, field

from contracts.pool_spec import PoolSpec
from infra.machines import MACHINES

_WITH_FEE = 1.15
_HOURS_PER_DAY = 24
HOURS_PER_MONTH = 730  # a month of the disk list
PRICES_OF = "2026-08-20"

# GB of memory that come with a vCPU, where vCPUs and memory are priced apart.
_GB_PER_VCPU = {
    "n1-standard": 3.75,
    "n1-highmem": 6.5,
    "n1-highcpu": 0.9,
    "n2-standard": 4,
    "n2-highmem": 8,
    "n2-highcpu": 1,
    "e2-standard": 4,
    "e2-highmem": 8,
    "e2-highcpu": 1,
}


@dataclass(frozen=True)
class _Rates:
    """Compute Engine, USD an hour but for `disks`: a GB for a month.

    `parts`: a vCPU and a GB by family. `vcpus`: a vCPU with its memory by kind of machine. `units`: a machine with its
    accelerators but without local SSDs, by kind, for each accelerator. `attached`: an accelerator that is not in units.
    """

    parts: dict[str, tuple[float, float]]
    vcpus: dict[str, float]
    units: dict[str, float]
    attached: dict[str, float]
    disks: dict[str, float] = field(default_factory=dict)


_RATES = {
    "us-central1": _Rates(
        parts={"n1": (0.031611, 0.004237), "n2": (0.031611, 0.004237), "e2": (0.02181159, 0.00292353)},
        vcpus={"c2-standard": 0.835232 / 16, "g2-standard": 0.146792016 / 4},
        units={
            "a2-highgpu": 29.38708 / 8,
            "a2-megagpu": 55.739504 / 16,
            "a2-ultragpu": 5.027702,
            "a3-highgpu": 10.979058,
        },
        attached={"NVIDIA_L4": 0.560040239, "NVIDIA_TESLA_T4": 0.35, "NVIDIA_TESLA_V100": 2.48},
        disks={"pd-ssd": 0.17, "pd-standard": 0.04},
    ),
    "europe-west1": _Rates(
        parts={"n1": (0.034773, 0.004661), "n2": (0.034773, 0.004661), "e2": (0.023992, 0.0032164)},
        vcpus={"c2-standard": 0.9188 / 16, "g2-standard": 0.161632704 / 4},
        units={"a3-highgpu": 12.089039, "a3-megagpu": 101.537112 / 8},
        attached={"NVIDIA_L4": 0.616660300, "NVIDIA_TESLA_T4": 0.35},
        disks={"pd-ssd": 0.17},
    ),
    "europe-west4": _Rates(
        parts={"n1": (0.034802, 0.004664), "n2": (0.034802, 0.004664), "e2": (0.024012, 0.0032185)},
        vcpus={"c2-standard": 0.919488 / 16, "g2-standard": 0.154285760 / 4},
        units={
            "a2-highgpu": 29.983776 / 8,
            "a2-megagpu": 56.62656 / 16,
            "a2-ultragpu": 5.535713,
            "a3-highgpu": 13.977149,
            "a3-megagpu": 117.513544 / 8,
        },
        attached={"NVIDIA_L4": 0.588630286, "NVIDIA_TESLA_T4": 0.3675, "NVIDIA_TESLA_V100": 2.604},
        disks={"pd-ssd": 0.187},
    ),
}


# Cloud Storage, standard class, USD for a GB and a month.
_STORAGE_USD_PER_GB_MONTH = {"us-central1": 0.020, "europe-west1": 0.020, "europe-west4": 0.020}


def storage_usd_per_gb_month(region: str) -> float | None:
    """A GB in a bucket of that region for a month; None where it is not known here."""
    return _STORAGE_USD_PER_GB_MONTH.get(region)


# BigQuery, on demand, USD for a TiB that queries read; the first of a month is free. What a region charges for tables
# is not known here.
_QUERY_USD_PER_TIB = {"us-central1": 6.25, "europe-west1": 7.50, "europe-west4": 7.50}


def query_usd_per_tib(region: str) -> float | None:
    """What queries of tables in that region cost for each TiB that they read; None where it is not known here."""
    return _QUERY_USD_PER_TIB.get(region)


@dataclass(frozen=True)
class Cost:
    """USD a day; `low` and `high` differ under autoscaling. None, with the reason, where a price is not known."""

    low: float | None
    high: float | None
    reason: str = ""


def pool_cost_per_day(pool: PoolSpec, region: str) -> Cost:
    """A pool bills all the time that it runs, idle or not; jobs on it cost nothing more."""
    if not pool.persistent_resource_id:
        return Cost(low=0, high=0)  # hibernated
    hourly = _replica_usd_per_hour(pool, region)
    if isinstance(hourly, str):
        return Cost(low=None, high=None, reason=hourly)
    fewest = pool.autoscaling.min_replica_count if pool.autoscaling else pool.replica_count
    return Cost(
        low=fewest * hourly * _HOURS_PER_DAY,
        high=pool.max_replica_count * hourly * _HOURS_PER_DAY,
    )


def _replica_usd_per_hour(pool: PoolSpec, region: str) -> float | str:
    """One replica with its disk; a text where a price is not known."""
    rates = _RATES.get(region)
    if rates is None:
        return f"no list price of {region} is known here (known: {', '.join(_RATES)})"
    machine = _machine_usd_per_hour(pool, rates)
    if machine is None:
        asked = f"{pool.machine.machine_type} with {pool.machine.accelerator_type or 'no accelerator'}"
        return f"no list price of {asked} in {region} is known here"
    disk = rates.disks.get(pool.disk.boot_disk_type)
    if disk is None:
        return f"no list price of {pool.disk.boot_disk_type} in {region} is known here"
    return _WITH_FEE * (machine + disk * pool.disk.boot_disk_size_gb / HOURS_PER_MONTH)


def _machine_usd_per_hour(pool: PoolSpec, rates: _Rates) -> float | None:
    """A machine with its accelerators, in Compute Engine."""
    machine_type, count = pool.machine.machine_type, pool.machine.accelerator_count
    kind, _, size = machine_type.rpartition("-")
    if machine_type not in MACHINES:
        return None
    if size.endswith("g"):
        unit = rates.units.get(kind)
        return unit and unit * count
    each = _vcpu_usd_per_hour(kind, rates)
    accelerator = rates.attached.get(pool.machine.accelerator_type) if count else 0.0
    return None if each is None or accelerator is None else int(size) * each + count * accelerator


def _vcpu_usd_per_hour(kind: str, rates: _Rates) -> float | None:
    """A vCPU with the memory that comes with it."""
    if kind in _GB_PER_VCPU:
        vcpu, gb = rates.parts[kind.partition("-")[0]]
        return vcpu + gb * _GB_PER_VCPU[kind]
    return rates.vcpus.get(kind)
