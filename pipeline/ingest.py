"""Bring a data set into a stack: `python -m pipeline.ingest --stack NAME --data FOLDER`.

Owns: the order of the steps, so that bad data touches nothing, the same data is never loaded twice, other data replaces
it, and an interrupted ingestion is finished by running it again. Does not own: the rules (validation.py), the files
(staging.py), the log (feedback_log.py).

The load job's id is made of the data and of the staging object's generation, which is new for each change of data:
running again meets the same job, and going back to earlier data starts another.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
from google.api_core.exceptions import PreconditionFailed
from pydantic import BaseModel, ConfigDict

from contracts.problems import Problem, Refused
from contracts.stack_outputs import StackOutputs
from contracts.table_schemas import INTERACTIONS_FILE, ITEMS_FILE
from pipeline import clients as cl
from pipeline import events as ev
from pipeline import stack_reader
from pipeline.command import ExitCode, run, say
from pipeline.event_times import TimeUnit
from pipeline.feedback_log import FeedbackLog, TableState, rows_to_load
from pipeline.objects import ABSENT, Objects
from pipeline.staging import StagedData, Staging, data_id, split_by_order
from pipeline.validation import ValidationReport, check_file, check_items

RECENT_FRACTION = 0.1


class Ingestion(BaseModel):
    """What an ingestion did, or refused to do."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    report: ValidationReport
    accepted: bool
    fingerprint: str = ""
    history_rows: int = 0
    log_rows: int = 0
    staged: bool = False
    loaded: bool = False

    def text(self) -> str:
        if not self.accepted:
            return f"{self.report.text()}\nNothing was loaded."
        done = {
            (True, True): "staged and loaded",
            (False, True): "an interrupted ingestion was finished: the log is loaded",
            (False, False): "this data is there already: nothing was loaded twice",
        }.get((self.staged, self.loaded), "staged; the log held its part already")
        parts = f"{self.history_rows:,} in the staging file, {self.log_rows:,} in the log"
        return f"{self.report.text()}\n{done} ({parts}; fingerprint {self.fingerprint[:12]})"


def check(data: Path, recent_fraction: float) -> tuple[ValidationReport, pa.Table | None]:
    """The rules on the raw files; the events are None where they were refused."""
    folder = data if data.is_dir() else data.parent
    interactions = data / INTERACTIONS_FILE if data.is_dir() or not data.exists() else data
    items = folder / ITEMS_FILE
    report, events = check_file(interactions, subject=str(data))
    if items.is_file():
        known = None if events is None else ev.distinct_ids(events, "item_id")
        report = report.model_copy(update={"findings": (*report.findings, *check_items(items, known))})
    if not report.accepted or events is None:
        return report, None
    if not 0 < recent_fraction < 1:
        rule = "the log's share must lie between 0 and 1"
        problem = Problem(key="--recent-fraction", value=recent_fraction, rule=rule, fix=f"Default: {RECENT_FRACTION}")
        raise Refused("Ingestion", [problem])
    return report, ev.in_order(events)


def ingest(
    outputs: StackOutputs, data: Path, *, recent_fraction: float = RECENT_FRACTION, replace_foreign: bool = False
) -> Ingestion:
    """Validate, stage, load. Refused data comes back as such; a log that others wrote to raises `Refused`."""
    report, events = check(data, recent_fraction)
    if events is None:
        return Ingestion(report=report, accepted=False)
    clients = cl.for_submission(outputs)
    items = (data if data.is_dir() else data.parent) / ITEMS_FILE
    with tempfile.TemporaryDirectory(prefix="recsys-ingest-") as folder:
        return _Ingest(outputs, clients, Path(folder)).into_stack(
            report,
            events,
            items if items.is_file() else None,
            recent_fraction=recent_fraction,
            replace_foreign=replace_foreign,
        )


class _Ingest:
    """One ingestion into one stack."""

    def __init__(self, outputs: StackOutputs, clients: cl.Clients, folder: Path) -> None:
        self._objects = Objects(clients.storage)
        self._staging = Staging(self._objects, outputs.staging_prefix)
        self._log = FeedbackLog(clients, outputs.feedback_table)
        self._folder = folder

    def into_stack(
        self,
        report: ValidationReport,
        events: pa.Table,
        items: Path | None,
        *,
        recent_fraction: float,
        replace_foreign: bool,
    ) -> Ingestion:
        fingerprint = ev.fingerprint(events)
        data = data_id(fingerprint, items, recent_fraction)
        history, recent = split_by_order(events, recent_fraction)
        before, table = self._staging.staged(), self._log.state()
        done = Ingestion(
            report=report,
            accepted=True,
            fingerprint=fingerprint,
            history_rows=history.num_rows,
            log_rows=recent.num_rows,
        )
        staged = before if before is not None and before.data_id == data else None
        if staged is not None and staged.loaded_by == _job_id(staged, table):
            return done
        if not replace_foreign:
            _refuse_foreign_rows(before, table)
        is_new = staged is None
        if staged is None:
            staged = self._stage(
                history,
                items,
                data=data,
                unit=report.time_unit or TimeUnit.TIMESTAMPS,
                log_rows=recent.num_rows,
                replaces_generation=before.generation if before else ABSENT,
            )
        job_id = _job_id(staged, table)
        loaded = self._load(recent, job_id, table)
        self._staging.mark_loaded(staged, job_id)
        return done.model_copy(update={"staged": is_new, "loaded": loaded})

    def _stage(self, history: pa.Table, items: Path | None, **known: Any) -> StagedData:
        try:
            return self._staging.put(history, _with_string_ids(items, self._folder), folder=self._folder, **known)
        except PreconditionFailed:
            rule = "somebody else changed the staging files meanwhile"
            problem = Problem(
                key="staging", value=self._staging.interactions_uri, rule=rule, fix="Run the ingestion again"
            )
            raise Refused("Ingestion", [problem]) from None

    def _load(self, recent: pa.Table, job_id: str, table: TableState) -> bool:
        path = self._folder / "recent.parquet"
        ev.write_parquet(rows_to_load(recent, logged_at_us=time.time_ns() // 1000), path)
        uri = self._staging.scratch_uri(f"{job_id}.parquet")
        self._objects.upload(path, uri)
        try:
            return self._log.replace(uri, job_id, location=table.location)
        finally:
            self._objects.delete(uri)


def _job_id(staged: StagedData, table: TableState) -> str:
    """The load that belongs to this staging object and this table; a table that was made anew needs a load anew."""
    return f"recsys-ingest-{staged.data_id[:16]}-{staged.generation}-{table.created_ms}"


def _refuse_foreign_rows(before: StagedData | None, table: TableState) -> None:
    """Rows that no ingestion brought are a live log: only on explicit demand are they thrown away."""
    if before is not None and before.is_half_ingested:
        return
    foreign = table.rows - (before.log_rows if before is not None else 0)
    if foreign > 0:
        rule = "the feedback table holds rows that no ingestion brought, and loading would delete them"
        fix = "Pass --replace to delete them, or leave the live log as it is"
        raise Refused(
            "Ingestion", [Problem(key="feedback", value=f"{table.rows} rows", rule=rule, fix=fix, rows=foreign)]
        )


def _with_string_ids(items: Path | None, folder: Path) -> Path | None:
    """A copy of the catalog whose ids are strings, as those of the interactions are."""
    if items is None:
        return None
    import pyarrow.parquet as pq

    with pq.ParquetFile(items) as file:
        table = file.read()
    place = table.column_names.index("item_id")
    path = folder / ITEMS_FILE
    ids = ev.id_column(table["item_id"]).cast(pa.string())
    pq.write_table(table.set_column(place, "item_id", ids), path, compression="zstd")
    return path


def main() -> ExitCode:
    parser = argparse.ArgumentParser(prog="python -m pipeline.ingest", description="Bring a data set into a stack.")
    parser.add_argument("--stack", required=True, help="the stack's name")
    parser.add_argument(
        "--data", required=True, type=Path, help=f"a folder with {INTERACTIONS_FILE} and optional {ITEMS_FILE}"
    )
    parser.add_argument("--outputs", type=Path, help="the stack's outputs as JSON; default: from the stack's state")
    parser.add_argument("--json", type=Path, help="write what was found and done to this file")
    parser.add_argument(
        "--recent-fraction", type=float, default=RECENT_FRACTION, help="the last part, which becomes the log's"
    )
    parser.add_argument("--replace", action="store_true", help="delete rows of the log that no ingestion brought")
    arguments = parser.parse_args()
    outputs = stack_reader.read(arguments.stack, outputs_file=arguments.outputs)
    done = ingest(outputs, arguments.data, recent_fraction=arguments.recent_fraction, replace_foreign=arguments.replace)
    if arguments.json:
        arguments.json.write_text(done.model_dump_json(indent=2) + "\n")
    say(done.text())
    return ExitCode.DONE if done.accepted else ExitCode.REFUSED


if __name__ == "__main__":
    run(main)
