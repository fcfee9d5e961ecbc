"""What data must be before anything is loaded, trained or registered: one list of rules, one report.

Owns: the rules on a file of interactions and its catalog of items, for the raw file before ingestion and for a run's
snapshot alike. Does not own: how events are put in order or duplicates are dropped (events.py).
"""

# pyright: reportAttributeAccessIssue=false

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc  # its functions are made at run time
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from contracts.problems import Refused
from contracts.table_schemas import INTERACTION_COLUMNS
from pipeline import events as ev
from pipeline.event_times import TimeUnit, is_time_type
from pipeline.row_rules import ROW_RULES, Finding, duplicates, too_little

_READABLE = "Write the file again, completely: pyarrow.parquet.write_table or pandas.DataFrame.to_parquet"


class ValidationReport(BaseModel):
    """What was found in one set of data. It may be used if no finding is a refusal."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    subject: str
    interactions: int = 0
    users: int = 0
    items: int = 0
    first_event: str = ""
    last_event: str = ""
    time_unit: TimeUnit | None = None
    dropped_duplicates: int = 0
    findings: tuple[Finding, ...] = ()

    @property
    def refusals(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.verdict == "refused")

    @property
    def accepted(self) -> bool:
        return not self.refusals

    def text(self) -> str:
        """The report in lines for people, refusals first."""
        lines = [f"{self.subject}: {'accepted' if self.accepted else 'REFUSED'}"]
        if self.interactions:
            span = f", {self.first_event} to {self.last_event}" if self.first_event else ""
            lines.append(
                f"  {self.interactions:,} interactions of {self.users:,} users with {self.items:,} items{span}"
            )
        if self.time_unit:
            lines.append(f"  times are {self.time_unit}")
        order = ("refused", "dropped", "warned")
        lines += [f"  {finding}" for finding in sorted(self.findings, key=lambda found: order.index(found.verdict))]
        return "\n".join(lines)

    def require_accepted(self) -> None:
        """Raise `Refused` with every refusal."""
        if not self.accepted:
            raise Refused(self.subject, [finding.as_problem() for finding in self.refusals])


class Checked(NamedTuple):
    """A report and, where the rules could be applied, the canonical events without exact duplicates."""

    report: ValidationReport
    events: pa.Table | None


def check_file(path: Path, *, subject: str, now: datetime | None = None) -> Checked:
    """Every rule on a file of interactions."""
    try:
        schema = pq.read_schema(path)
        findings = list(schema_findings(schema))
        raw = None if findings else ev.read_columns(path)
    except (OSError, pa.ArrowException) as error:
        return Checked(ValidationReport(subject=subject, findings=(unreadable(path, error),)), None)
    if raw is None:
        return Checked(ValidationReport(subject=subject, findings=tuple(findings)), None)
    events, unit = ev.canonicalise(raw)
    del raw
    return check_events(events, subject=subject, unit=unit, now=now)


def check_events(
    events: pa.Table, *, subject: str, unit: TimeUnit, already_dropped: int = 0, now: datetime | None = None
) -> Checked:
    """The rules on rows. `already_dropped` duplicates were dropped while the events were put together, and count."""
    now = now or datetime.now(UTC)
    read = events.num_rows + already_dropped
    findings = [finding for rule in ROW_RULES if (finding := rule(events, unit, now))]
    events, dropped = ev.drop_exact_duplicates(events)
    dropped += already_dropped
    if dropped:
        findings.append(duplicates(dropped, read))
    if shortage := too_little(events):
        findings.append(shortage)
    report = ValidationReport(
        subject=subject,
        interactions=events.num_rows,
        users=len(ev.distinct_ids(events, "user_id")),
        items=len(ev.distinct_ids(events, "item_id")),
        first_event=_date(pc.min(events["timestamp"])) if unit is not TimeUnit.ORDINALS else "",
        last_event=_date(pc.max(events["timestamp"])) if unit is not TimeUnit.ORDINALS else "",
        time_unit=unit,
        dropped_duplicates=dropped,
        findings=tuple(findings),
    )
    return Checked(report, events)


def schema_findings(schema: pa.Schema) -> list[Finding]:
    """Missing, doubled or wrongly typed columns."""
    findings = []
    for name in (*INTERACTION_COLUMNS, ev.RATING):
        count = schema.names.count(name)
        if count == 0 and name != ev.RATING:
            findings.append(
                Finding(
                    rule="missing_column",
                    column=name,
                    says=f"there must be a column {name!r}; the file has {', '.join(schema.names) or 'no columns'}",
                    fix="Rename the column, or map it: python -m train.import_ratings --help",
                )
            )
        elif count > 1:
            findings.append(_doubled(name, count))
        elif count and (fault := _type_fault(name, schema.field(name).type)):
            findings.append(fault)
    return findings


def check_items(path: Path, interaction_items: pa.Array | None = None) -> list[Finding]:
    """The rules on a catalog of items; `interaction_items` are the distinct ids that occur in the interactions."""
    try:
        schema = pq.read_schema(path)
        if "item_id" not in schema.names:
            says = f"there must be a column 'item_id'; the file has {', '.join(schema.names) or 'no columns'}"
            return [
                Finding(
                    rule="missing_column", column="items.item_id", says=says, fix="Rename the id's column to item_id"
                )
            ]
        if (count := schema.names.count("item_id")) > 1:
            return [_doubled("item_id", count, file="items.")]
        if fault := _type_fault("item_id", schema.field("item_id").type, file="items."):
            return [fault]
        with pq.ParquetFile(path) as file:
            # The whole file: a catalog that breaks off in its last column must not reach the trainer.
            ids = ev.id_column(file.read()["item_id"])
    except (OSError, pa.ArrowException) as error:
        return [unreadable(path, error)]
    return _id_findings(ids, interaction_items)


def _doubled(name: str, count: int, file: str = "") -> Finding:
    says = f"{count} columns are called {name!r}"
    return Finding(rule="doubled_column", column=file + name, says=says, fix="Keep one of them")


def unreadable(path: Path, error: Exception) -> Finding:
    """The file is missing, empty, cut off or not parquet."""
    size = path.stat().st_size if path.is_file() else None
    if size is None:
        rule, says, fix = (
            "missing_file",
            f"there is no file {path.name}",
            f"Put {path.name} there, or name another folder",
        )
    elif size == 0:
        rule, says, fix = "empty_file", f"{path.name} has 0 bytes", _READABLE
    else:
        reason = str(error).splitlines()[0].rstrip(".")
        rule, says, fix = (
            "unreadable_file",
            f"{path.name} ({size:,} bytes) is no whole parquet file: {reason}",
            _READABLE,
        )
    return Finding(rule=rule, column=path.name, says=says, fix=fix)


def _type_fault(name: str, kind: pa.DataType, file: str = "") -> Finding | None:
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    is_text = pa.types.is_string(inner) or pa.types.is_large_string(inner)
    wanted: Literal["integers or strings", "numbers or timestamps", "numbers"]
    if name in ("user_id", "item_id"):
        fits, wanted = is_text or pa.types.is_integer(inner), "integers or strings"
    elif name == "timestamp":
        fits, wanted = is_time_type(kind), "numbers or timestamps"
    else:
        fits, wanted = pa.types.is_integer(kind) or pa.types.is_floating(kind), "numbers"
    if fits:
        return None
    says = f"{name} must hold {wanted}, not {kind}"
    return Finding(
        rule="wrong_type", column=file + name, example=str(kind), says=says, fix=f"Cast {name} before writing the file"
    )


def _id_findings(ids: pa.DictionaryArray, interaction_items: pa.Array | None) -> list[Finding]:
    findings = []
    if not len(ids):
        says = "the catalog has no rows"
        findings.append(
            Finding(rule="empty_file", column="items.item_id", says=says, fix="Fill items.parquet, or leave it out")
        )
    if ids.null_count:
        says = "an item must have an id"
        fix = "Drop the rows without item_id"
        findings.append(Finding(rule="null_ids", column="items.item_id", rows=ids.null_count, says=says, fix=fix))
    counts = pc.value_counts(ids.indices.drop_null())
    repeated = counts.filter(pc.greater(counts.field("counts"), 1))
    if len(repeated):
        findings.append(
            Finding(
                rule="repeated_items",
                column="items.item_id",
                rows=pc.sum(repeated.field("counts")).as_py() - len(repeated),
                example=ids.dictionary[repeated.field("values")[0].as_py()].as_py(),
                says="an item must stand in the catalog once",
                fix="Keep one row per item_id",
            )
        )
    if interaction_items is not None:
        unknown = interaction_items.filter(pc.invert(pc.is_in(interaction_items, value_set=ids.dictionary)))
        if len(unknown):
            says = "items of the interactions are not in items.parquet"
            fix = "Nothing must be done: the trainer learns from interactions alone. Add them for a whole catalog"
            example = unknown[0].as_py()
            found = Finding(
                rule="unlisted_items", column="item_id", rows=len(unknown), example=example, says=says, fix=fix
            )
            findings.append(found.model_copy(update={"verdict": "warned"}))
    return findings


def _date(microseconds: pa.Scalar) -> str:
    value = microseconds.as_py()
    return "" if value is None else f"{datetime.fromtimestamp(value / 1e6, UTC):%Y-%m-%d}"
