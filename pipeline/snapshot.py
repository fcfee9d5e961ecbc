"""The data of one run, frozen: staging history and logged events united.

Owns: the union, its files and snapshot.json. Does not own: the rules that it must pass (validation.py).
"""

import tempfile
from pathlib import Path

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from contracts.problems import Problem, Refused
from contracts.table_schemas import INTERACTIONS_FILE, ITEMS_FILE
from pipeline import events as ev
from pipeline.artifacts import SNAPSHOT_FILE
from pipeline.event_times import TimeUnit
from pipeline.feedback_log import FeedbackLog
from pipeline.objects import Objects, join
from pipeline.staging import StagedData, Staging
from pipeline.validation import ValidationReport, schema_findings, unreadable


class Snapshot(BaseModel):
    """snapshot.json. `fingerprint` names the events: the same events in the same order have the same."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fingerprint: str
    interactions: int
    users: int
    items: int
    dropped_duplicates: int  # exact duplicates: same user, item, time and rating
    repeated_deliveries: int  # rows of the log whose event key occurred before
    history_rows: int
    recent_rows: int
    time_unit: TimeUnit
    cut_off: str  # the last event of the staging file; the log's events are later
    has_items: bool
    champion_uri: str = ""  # the model to start from and to compare with; "": there is none


def take_snapshot(
    objects: Objects, staging: Staging, log: FeedbackLog, folder: str, *, champion_uri: str = ""
) -> Snapshot:
    """Unite what is staged and what was logged since, in `folder`. Raises `Refused` on unusable staging files."""
    with tempfile.TemporaryDirectory(prefix="recsys-snapshot-") as scratch:
        staged, history = _history(objects, staging, Path(scratch))
        after = _last_event(history)
        recent = log.events_after(*after, workspace=join(folder, "workspace"))
        recent, repeated = ev.drop_key_duplicates(ev.in_order(recent))
        events, dropped = ev.drop_exact_duplicates(_united(history, recent))
        path = Path(scratch) / "snapshot.parquet"
        ev.write_parquet(ev.with_timestamps(events).drop_columns([ev.ORDER]), path)
        objects.upload(path, join(folder, INTERACTIONS_FILE))
        has_items = _copy_items(objects, staging, folder, Path(scratch))
    snapshot = Snapshot(
        fingerprint=ev.fingerprint(events),
        interactions=events.num_rows,
        users=len(ev.distinct_ids(events, "user_id")),
        items=len(ev.distinct_ids(events, "item_id")),
        dropped_duplicates=dropped,
        repeated_deliveries=repeated,
        history_rows=history.num_rows,
        recent_rows=recent.num_rows,
        time_unit=staged.time_unit,
        cut_off=str(pa.scalar(after[0], pa.timestamp("us", tz="UTC"))),
        has_items=has_items,
        champion_uri=champion_uri,
    )
    objects.write_json(join(folder, SNAPSHOT_FILE), snapshot.model_dump_json(indent=2))
    return snapshot


def read_snapshot(objects: Objects, folder: str, scratch: Path) -> tuple[Snapshot, pa.Table, Path | None]:
    """What a folder holds: its description, the canonical events and the file of items, if there is one."""
    snapshot = Snapshot.model_validate(objects.read_json(join(folder, SNAPSHOT_FILE)))
    path = scratch / INTERACTIONS_FILE
    objects.download(join(folder, INTERACTIONS_FILE), path)
    events, _ = ev.canonicalise(ev.read_columns(path))
    items = None
    if snapshot.has_items:
        items = scratch / ITEMS_FILE
        objects.download(join(folder, ITEMS_FILE), items)
    return snapshot, events, items


def _history(objects: Objects, staging: Staging, scratch: Path) -> tuple[StagedData, pa.Table]:
    staged = staging.staged()
    fix = "Bring data into the stack: python -m pipeline.ingest --stack NAME --data FOLDER"
    if staged is None:
        raise _refused(staging.interactions_uri, "there must be staged interactions", fix)
    if staged.is_half_ingested:
        raise _refused(staging.interactions_uri, "its ingestion was interrupted before the log was loaded", fix)
    path = scratch / INTERACTIONS_FILE
    try:
        objects.download(staging.interactions_uri, path, generation=staged.generation)
        findings = tuple(schema_findings(ev.schema_of(path)))
        raw = None if findings else ev.read_columns(path, with_order=bool(staged.data_id))
    except (OSError, pa.ArrowException) as error:
        findings, raw = (unreadable(path, error),), None
    if raw is None:
        ValidationReport(subject=staging.interactions_uri, findings=findings).require_accepted()
        raise RuntimeError(f"findings = {findings!r}: without events there must be a refusal")
    if not raw.num_rows:
        raise _refused(staging.interactions_uri, "the staging file has no rows", fix)
    events, unit = ev.canonicalise(raw)
    path.unlink()
    return staged._replace(time_unit=unit) if not staged.data_id else staged, ev.in_order(events)


def _last_event(events: pa.Table) -> tuple[int, int]:
    last = events.slice(events.num_rows - 1)
    time, order = last["timestamp"][0].as_py(), last[ev.ORDER][0].as_py()
    if time is None:  # nulls sort last: validation refuses them by name, extraction must only come through
        return 0, 0
    return time, order


def _united(history: pa.Table, recent: pa.Table) -> pa.Table:
    """Both, with a rating if either has one; the dictionaries of ids become one."""
    names = list(dict.fromkeys([*history.column_names, *recent.column_names]))
    parts = [_with_columns(part, names) for part in (history, recent)]
    return pa.concat_tables(parts).unify_dictionaries().combine_chunks()


def _with_columns(events: pa.Table, names: list[str]) -> pa.Table:
    if ev.RATING in names and ev.RATING not in events.column_names:
        events = events.append_column(ev.RATING, pa.nulls(events.num_rows, pa.float64()))
    return events.select(names)


def _copy_items(objects: Objects, staging: Staging, folder: str, scratch: Path) -> bool:
    path = scratch / ITEMS_FILE
    try:
        objects.download(staging.items_uri, path)
    except FileNotFoundError:
        return False
    objects.upload(path, join(folder, ITEMS_FILE))
    path.unlink()
    return True


def _refused(uri: str, rule: str, fix: str) -> Refused:
    return Refused("Extraction", [Problem(key="staging", value=uri, rule=rule, fix=fix)])
