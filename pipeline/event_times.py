"""The unit of a column of event times, found from its values, and the times in microseconds.

Owns: seconds, milliseconds, microseconds and nanoseconds since 1970, and ordinals (places in a sequence without a
calendar). Does not own: whether the times make sense (validation.py).
"""

# pyright: reportAttributeAccessIssue=false

from enum import StrEnum

import pyarrow as pa
import pyarrow.compute as pc  # its functions are made at run time

MICROSECOND = pa.timestamp("us", tz="UTC")
_LAST_SECOND = 253_402_300_799  # 9999-12-31: what Arrow, Python and BigQuery can still print


class TimeUnit(StrEnum):
    SECONDS = "seconds"
    MILLISECONDS = "milliseconds"
    MICROSECONDS = "microseconds"
    NANOSECONDS = "nanoseconds"
    ORDINALS = "ordinals"
    TIMESTAMPS = "timestamps"

    def __str__(self) -> str:
        told = {
            TimeUnit.ORDINALS: "ordinals (an order without a calendar, kept as seconds from 1970)",
            TimeUnit.TIMESTAMPS: "timestamps (their type names the unit; without a time zone they are UTC)",
        }
        return told.get(self, f"{self.value} since 1970")


# A column's median below the bound has the unit: 1e8 seconds is 1973, and each unit is a thousandth of the one before.
_BOUNDS = (
    (1e8, TimeUnit.ORDINALS),
    (1e11, TimeUnit.SECONDS),
    (1e14, TimeUnit.MILLISECONDS),
    (1e17, TimeUnit.MICROSECONDS),
)
_PER_SECOND = {
    TimeUnit.ORDINALS: 1,
    TimeUnit.SECONDS: 1,
    TimeUnit.MILLISECONDS: 10**3,
    TimeUnit.MICROSECONDS: 10**6,
    TimeUnit.NANOSECONDS: 10**9,
}


def is_time_type(kind: pa.DataType) -> bool:
    """Whether a column of this type can hold event times."""
    return (
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_timestamp(kind) or pa.types.is_date(kind)
    )


def detect_unit(values: pa.ChunkedArray) -> TimeUnit:
    """The unit of most values: the median decides, so that a few wrong ones do not move all others."""
    if pa.types.is_temporal(values.type):
        return TimeUnit.TIMESTAMPS
    median = pc.approximate_median(values).as_py()
    if median is None or median != median:  # noqa: PLR0124 -- not a number
        return TimeUnit.SECONDS
    return next((unit for bound, unit in _BOUNDS if median < bound), TimeUnit.NANOSECONDS)


def coarser_units(unit: TimeUnit) -> list[tuple[TimeUnit, int]]:
    """The units that a number of `unit` may have been meant in where it is far too small, and how many times they are
    longer. Ordinals are kept as seconds and may be mistaken for them alone.
    """
    if unit is TimeUnit.ORDINALS:
        return [(TimeUnit.SECONDS, 1)]
    counted = (TimeUnit.SECONDS, TimeUnit.MILLISECONDS, TimeUnit.MICROSECONDS)
    here = _PER_SECOND.get(unit, 0)
    return [(other, here // _PER_SECOND[other]) for other in counted if _PER_SECOND[other] < here]


def to_microseconds(values: pa.ChunkedArray, unit: TimeUnit) -> pa.ChunkedArray:
    """Int64 microseconds since 1970, before the year 10000; not-a-number becomes null, negative values stay."""
    if unit is TimeUnit.TIMESTAMPS:
        return _from_temporal(values)
    per_second = _PER_SECOND[unit]
    if pa.types.is_floating(values.type):
        values = pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
        scaled = pc.multiply(_between(values.cast(pa.float64()), float(_LAST_SECOND * per_second)), 10**6 / per_second)
        return pc.round(scaled).cast(pa.int64())
    if pa.types.is_uint64(values.type):
        values = pc.min_element_wise(values, pa.scalar(2**63 - 1, pa.uint64()), skip_nulls=False)
    whole = _between(values.cast(pa.int64()), min(_LAST_SECOND * per_second, 2**63 - 1))
    if per_second > 10**6:
        return pc.divide(whole, per_second // 10**6)
    return pc.multiply(whole, 10**6 // per_second)


def _from_temporal(values: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_date(values.type):
        values = values.cast(pa.timestamp("s"), safe=False)
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[values.type.unit]
    counts = values.cast(pa.int64())
    unit = next(unit for unit, count in _PER_SECOND.items() if count == per_second and unit is not TimeUnit.ORDINALS)
    return to_microseconds(counts, unit)


def _between(values: pa.ChunkedArray, bound: float) -> pa.ChunkedArray:
    limit = pa.scalar(bound, values.type)
    low = pa.scalar(-bound, values.type)
    return pc.max_element_wise(pc.min_element_wise(values, limit, skip_nulls=False), low, skip_nulls=False)
