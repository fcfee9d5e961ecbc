"""The rules on the rows of a canonical table of events, one function each, and the shape of what a rule finds.

Owns: the thresholds and the words. Does not own: reading, or the rules on files and columns (validation.py).
"""

# pyright: reportAttributeAccessIssue=false

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc  # its functions are made at run time
from pydantic import BaseModel, ConfigDict

from contracts.problems import Problem
from pipeline.event_times import TimeUnit, coarser_units
from pipeline.events import RATING, distinct_ids

MAX_DUPLICATE_SHARE = 0.01
MIN_INTERACTIONS = 100
MIN_USERS = 10
MIN_ITEMS = 10
MIN_EVENTS_PER_USER = 3  # one to test on, one to validate on, one to learn from
MIN_EVENTS_OF_A_STEP = 4  # two are held out, and a step to learn leads from one event to another
_EARLIEST_USUAL = datetime(1990, 1, 1, tzinfo=UTC)
_LATEST_POSSIBLE = datetime(2100, 1, 1, tzinfo=UTC)


class Finding(BaseModel):
    """One rule that did not hold: how many rows, the first of them, what to do."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: str
    column: str
    rows: int = 0
    example: str = ""
    says: str
    fix: str
    verdict: Literal["refused", "dropped", "warned"] = "refused"

    def __str__(self) -> str:
        rows = f" {self.rows:,} row{'s' if self.rows != 1 else ''}" if self.rows else ""
        example = f" (for example {self.example})" if self.example else ""
        return f"{self.verdict} {self.rule} [{self.column}]{rows}{example}: {self.says}. {self.fix}"

    def as_problem(self) -> Problem:
        rows = self.rows or None
        return Problem(key=f"{self.rule} [{self.column}]", value=self.example, rule=self.says, fix=self.fix, rows=rows)


RowRule = Callable[[pa.Table, TimeUnit, datetime], Finding | None]


def no_rows(events: pa.Table, _unit: TimeUnit, _now: datetime) -> Finding | None:
    if events.num_rows:
        return None
    return Finding(rule="empty_file", column="*", says="there are no interactions", fix="Fill the file")


def null_values(column: str, rule: str) -> RowRule:
    missing = Finding(
        rule=rule,
        column=column,
        says=f"each interaction must have a {column}",
        fix="Drop these rows or fill them in",
    )

    def check(events: pa.Table, _unit: TimeUnit, _now: datetime) -> Finding | None:
        return _found(missing, pc.is_null(events[column]), events, shows="row")

    return check


def empty_ids(column: str) -> RowRule:
    blank_id = Finding(rule="empty_ids", column=column, says="an id must not be blank", fix="Drop these rows")

    def check(events: pa.Table, _unit: TimeUnit, _now: datetime) -> Finding | None:
        ids = events[column].combine_chunks()
        blank = pc.indices_nonzero(pc.equal(pc.utf8_trim_whitespace(ids.dictionary), ""))
        if not len(blank):
            return None
        mask = pc.is_in(ids.indices, value_set=blank.cast(ids.indices.type))
        return _found(blank_id, mask, events, shows="row")

    return check


def negative_times(events: pa.Table, _unit: TimeUnit, _now: datetime) -> Finding | None:
    finding = Finding(
        rule="negative_timestamps",
        column="timestamp",
        says="times must not lie before 1970",
        fix="Correct or drop these rows",
    )
    return _found(finding, pc.less(events["timestamp"], 0), events)


def impossible_times(events: pa.Table, _unit: TimeUnit, _now: datetime) -> Finding | None:
    finding = Finding(
        rule="impossible_timestamps",
        column="timestamp",
        says=f"times must lie before {_LATEST_POSSIBLE.year}; most of the column is in another unit",
        fix="Write all times in one unit",
    )
    return _found(finding, pc.greater_equal(events["timestamp"], _microseconds(_LATEST_POSSIBLE)), events)


def mixed_times(events: pa.Table, unit: TimeUnit, _now: datetime) -> Finding | None:
    """Times that are far too early in the column's unit and usual in a coarser one; too late are `impossible_times`."""
    usual = (_microseconds(_EARLIEST_USUAL), _microseconds(_LATEST_POSSIBLE))
    times = events["timestamp"].combine_chunks()
    mask, told = None, ""
    for other, factor in coarser_units(unit):
        low, high = (-(-bound // factor) for bound in usual)
        fits = pc.and_(pc.greater_equal(times, low), pc.less(times, high))
        if pc.any(fits).as_py():
            mask, told = fits if mask is None else pc.or_(mask, fits), other.value
    if mask is None:
        return None
    most = "ordinals" if unit is TimeUnit.ORDINALS else unit.value
    says = f"most of the column is {most}, and these are {told}"
    fix = "Write all times in one unit"
    return _found(Finding(rule="mixed_time_units", column="timestamp", says=says, fix=fix), mask, events)


def future_times(events: pa.Table, _unit: TimeUnit, now: datetime) -> Finding | None:
    finding = Finding(
        rule="future_timestamps",
        column="timestamp",
        says="times lie in the future",
        fix="Check the clock and the time zone of the source",
        verdict="warned",
    )
    times = events["timestamp"]
    late = pc.greater(times, _microseconds(now + timedelta(days=1)))
    return _found(finding, pc.and_(late, pc.less(times, _microseconds(_LATEST_POSSIBLE))), events)


def early_times(events: pa.Table, unit: TimeUnit, _now: datetime) -> Finding | None:
    finding = Finding(
        rule="early_timestamps",
        column="timestamp",
        says=f"times lie before {_EARLIEST_USUAL.year}",
        fix="Check the unit of the times",
        verdict="warned",
    )
    if unit is TimeUnit.ORDINALS:
        return None
    times = events["timestamp"]
    mask = pc.and_(pc.greater_equal(times, 0), pc.less(times, _microseconds(_EARLIEST_USUAL)))
    return _found(finding, mask, events)


def infinite_ratings(events: pa.Table, _unit: TimeUnit, _now: datetime) -> Finding | None:
    finding = Finding(
        rule="infinite_ratings",
        column=RATING,
        says="a rating must be a finite number or null",
        fix="Set these to null",
    )
    if RATING not in events.column_names:
        return None
    return _found(finding, pc.invert(pc.is_finite(events[RATING])), events)


ROW_RULES: tuple[RowRule, ...] = (
    no_rows,
    null_values("user_id", "null_ids"),
    null_values("item_id", "null_ids"),
    empty_ids("user_id"),
    empty_ids("item_id"),
    null_values("timestamp", "null_timestamps"),
    negative_times,
    impossible_times,
    mixed_times,
    future_times,
    early_times,
    infinite_ratings,
)


def duplicates(dropped: int, read: int) -> Finding:
    """Exact duplicates: a few are dropped, many say that the file was put together wrongly."""
    share = dropped / read
    told = f"{share:.2%} of {read:,} rows repeat an earlier row exactly"
    limit = f"{MAX_DUPLICATE_SHARE:.0%}"
    if share < MAX_DUPLICATE_SHARE:
        says, fix = f"{told}; below {limit} they are dropped", "Nothing to do"
        return Finding(rule="exact_duplicates", column="*", rows=dropped, says=says, fix=fix, verdict="dropped")
    says, fix = f"{told}; from {limit} on the file is not trusted", "Remove the repeated rows at their source"
    return Finding(rule="exact_duplicates", column="*", rows=dropped, says=says, fix=fix)


def too_little(events: pa.Table) -> Finding | None:
    """Fewer events than a split and a ranking need, after duplicates were dropped."""
    if not events.num_rows:
        return None
    users = pc.value_counts(events["user_id"].combine_chunks().indices.drop_null()).field("counts")

    def users_with(least: int) -> int:
        return pc.sum(pc.greater_equal(users, least)).as_py() or 0

    found = {
        "interactions": (events.num_rows, MIN_INTERACTIONS),
        f"users with at least {MIN_EVENTS_PER_USER} interactions": (users_with(MIN_EVENTS_PER_USER), MIN_USERS),
        f"users with at least {MIN_EVENTS_OF_A_STEP} interactions, who alone show what follows what": (
            users_with(MIN_EVENTS_OF_A_STEP),
            1,
        ),
        "items": (len(distinct_ids(events, "item_id")), MIN_ITEMS),
    }
    short = [
        f"{count} {what} where at least {least} are needed" for what, (count, least) in found.items() if count < least
    ]
    if not short:
        return None
    return Finding(
        rule="too_little_data", column="*", rows=events.num_rows, says="; ".join(short), fix="Bring more data"
    )


def _found(
    finding: Finding,
    mask: pa.ChunkedArray | pa.Array,
    events: pa.Table,
    *,
    shows: Literal["value", "row"] = "value",
) -> Finding | None:
    """The finding with its rows counted and the first of them as the example; None where the mask holds nowhere."""
    rows = pc.sum(mask).as_py() or 0
    if not rows:
        return None
    first = pc.index(mask, pa.scalar(value=True)).as_py()
    place = f"row {events['event_order'][first].as_py()}"
    if shows == "value":
        value = events[finding.column][first].as_py()
        place = f"{_shown(value) if finding.column == 'timestamp' else value} in {place}"
    return finding.model_copy(update={"rows": rows, "example": place})


def _shown(microseconds: int) -> str:
    if microseconds < 0:
        return f"{microseconds / 1e6:g} s"
    return f"{datetime.fromtimestamp(microseconds / 1e6, UTC):%Y-%m-%d}"


def _microseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1e6)
