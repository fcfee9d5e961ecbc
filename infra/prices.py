"""What a pool costs per day while it exists: list prices in USD, as far as they are known here, and None where they are
not.

Compute Engine's list prices as of 2026-08-20 (Cyclenerd's export of the billing catalogue), which Vertex AI training
sells 1.15 times as dear: its own list has n1-standard-4 in us-central1 at 0.21849885 an hour (read 2026-10-07), Compute
Engine at 0.189999. Covers N1 standard and G2 machines and their boot disks. Covers no committed use or negotiated
discount, no network, no BigQuery, no other machine: add a line with its source rather than guess.
"""

from dataclasses import dataclass

from contracts.pool_spec import PoolSpec
from infra.machines import MACHINES

_VERTEX_PREMIUM = 1.15
_HOURS_PER_DAY = 24
HOURS_PER_MONTH = 730  # a month of the disk list
PRICES_OF = "2026-08-20"


@dataclass(frozen=True)
class _Rates:
    """Compute Engine, USD: an hour of a vCPU with its memory, an hour of an L4, a GB of disk for a month."""

    n1_standard_vcpu: float
    g2_standard_vcpu: float
    l4: float
    disks: dict[str, float]


# Google prices vCPUs, memory and GPUs apart, so sizes follow from one another: N1 from n1-standard-8, G2 from
# g2-standard-4
# and -48 (us-central1) or -8 and -48 (Europe).
_RATES = {
    "us-central1": _Rates(0.379998 / 8, 0.146792016 / 4, 0.560040239, {"pd-ssd": 0.17, "pd-standard": 0.04}),
    "europe-west1": _Rates(0.418014 / 8, 0.161632704 / 4, 0.616660300, {"pd-ssd": 0.17}),
    "europe-west4": _Rates(0.418336 / 8, 0.154285760 / 4, 0.588630286, {"pd-ssd": 0.187}),
}


# Cloud Storage, standard class, USD for a GB and a month (https://cloud.google.com/storage/pricing, read 2026-11-24).
_STORAGE_USD_PER_GB_MONTH = {"us-central1": 0.020, "europe-west1": 0.020, "europe-west4": 0.020}


def storage_usd_per_gb_month(region: str) -> float | None:
    """A GB in a bucket of that region for a month; None where it is not known here."""
    return _STORAGE_USD_PER_GB_MONTH.get(region)


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
        return f"no prices of {region} are known here (known: {', '.join(_RATES)})"
    machine = _machine_usd_per_hour(pool, rates)
    if machine is None:
        asked = f"{pool.machine.machine_type} with {pool.machine.accelerator_type or 'no accelerator'}"
        return f"the price of {asked} is not known here"
    disk = rates.disks.get(pool.disk.boot_disk_type)
    if disk is None:
        return f"the price of {pool.disk.boot_disk_type} in {region} is not known here"
    return _VERTEX_PREMIUM * (machine + disk * pool.disk.boot_disk_size_gb / HOURS_PER_MONTH)


def _machine_usd_per_hour(pool: PoolSpec, rates: _Rates) -> float | None:
    machine_type, l4s = pool.machine.machine_type, pool.machine.accelerator_count
    family, _, vcpus = machine_type.rpartition("-")
    if machine_type in MACHINES and family == "n1-standard" and not l4s:
        return int(vcpus) * rates.n1_standard_vcpu
    if machine_type in MACHINES and family == "g2-standard":
        return int(vcpus) * rates.g2_standard_vcpu + l4s * rates.l4
    return None
