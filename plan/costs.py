"""What the planned stack costs a month, line by line: pools that bill while they exist, what is stored, what a job more
or less changes.

Prices are infra/prices.py's, list prices with a date. What has no price there is said to have none, not left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from contracts.pool_spec import PoolSpec
from infra.prices import HOURS_PER_MONTH, PRICES_OF, pool_cost_per_day, query_usd_per_tib, storage_usd_per_gb_month
from plan.changes import BUCKET, DATASET, POOL, Change
from plan.pool_words import pool_spec

_HOURS_PER_DAY = 24
_MINUTES_PER_DAY = 24 * 60
_STORED_GB = 100  # what the lines on storage are told for: nobody knows what will be stored
_COLD_START_MINUTES = 10  # assumed until it is measured: machines found, image pulled


@dataclass(frozen=True)
class Line:
    """`low` and `high` in USD a month, None where no price is known; `note` says what they stand for."""

    what: str
    low: float | None
    high: float | None
    note: str


def lines(resources: Sequence[Change], *, max_minutes: float | None) -> list[Line]:
    """`max_minutes` is how long one training may take; None where the outputs do not tell it."""
    found: list[Line] = []
    for resource in resources:
        if resource.type == POOL:
            found.append(_pool(resource, max_minutes))
        elif resource.type == BUCKET:
            found.append(_bucket(resource))
        elif resource.type == DATASET:
            found.append(_dataset(resource))
    return found


def text(found: Sequence[Line]) -> list[str]:
    """The lines as they are printed, with what the known ones come to."""
    pools = [line for line in found if line.low is not None and line.high is not None]
    total = sum(line.low or 0 for line in pools), sum(line.high or 0 for line in pools)
    rows = [(line.what, _usd(line.low, line.high), line.note) for line in found]
    rows.append(("together", _usd(*total), f"list prices of {PRICES_OF}; queries, tables and network come on top"))
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return [f"  {what.ljust(widths[0])}  {usd.rjust(widths[1])}  {note}".rstrip() for what, usd, note in rows]


def _pool(resource: Change, max_minutes: float | None) -> Line:
    name, region = str(resource.new.get("name")), str(resource.new.get("location"))
    spec = pool_spec(resource.new)
    if spec is None:
        return Line(f"pool {name}", None, None, "its machines are not known yet")
    cost = pool_cost_per_day(spec, region)
    if cost.low is None or cost.high is None:
        return Line(f"pool {name}", None, None, cost.reason)
    low, high = (usd / _HOURS_PER_DAY * HOURS_PER_MONTH for usd in (cost.low, cost.high))
    return Line(f"pool {name}", low, high, _pool_note(spec, cost.low, max_minutes))


def _pool_note(spec: PoolSpec, usd_per_day: float, max_minutes: float | None) -> str:
    """Where a job on demand costs the same: the same machine at the same price, from its start to its end."""
    always = "billed idle or not"
    if spec.autoscaling:
        always += f", {spec.autoscaling.min_replica_count} to {spec.autoscaling.max_replica_count} replicas"
    if not spec.machine.accelerator_count or not max_minutes:
        return always
    fewest = spec.autoscaling.min_replica_count if spec.autoscaling else spec.replica_count
    cold_minutes = max_minutes + _COLD_START_MINUTES
    even = fewest * _MINUTES_PER_DAY / cold_minutes
    each = usd_per_day / even
    return (
        f"{always}; on demand each training of {max_minutes:g} min and about {_COLD_START_MINUTES} min of cold start "
        f"costs {each:.2f} USD: cheaper below {even:.0f} jobs a day"
    )


def _bucket(resource: Change) -> Line:
    region = str(resource.new.get("location")).lower()
    price = storage_usd_per_gb_month(region)
    name = f"bucket {resource.new.get('name')}"
    if price is None:
        return Line(name, None, None, f"no list price of storage in {region} is known here")
    return Line(name, price * _STORED_GB, price * _STORED_GB, f"for each {_STORED_GB} GB, old versions count too")


def _dataset(resource: Change) -> Line:
    region = str(resource.new.get("location")).lower()
    price = query_usd_per_tib(region)
    stored = f"no list price of tables in {region} is known here"
    read = f"queries {price:.2f} USD for each TiB that they read, after the first of a month; " if price else ""
    return Line(f"dataset {resource.new.get('datasetId')}", None, None, read + stored)


def _usd(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return "not known"
    return f"{low:,.2f} USD" if low == high else f"{low:,.2f} to {high:,.2f} USD"
