"""One job: what it is asked to do and how it ended.

Source: https://cloud.google.com/bigquery/docs/reference/rest/v2/Job
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local.cloud.bigquery.references import TableRef
from local.cloud.errors import ApiError

if TYPE_CHECKING:
    import duckdb


@dataclass(slots=True)
class Job:
    """A running job. `media` is what was uploaded with it; `cursor` is its session on the engine, to be interrupted."""

    name: str
    project: str
    job_id: str
    location: str
    user: str
    configuration: dict[str, Any]
    media: Path | None = None
    cancelled: bool = False
    cursor: "duckdb.DuckDBPyConnection | None" = None
    child: "Job | None" = None  # the statement of a script that is being carried out

    def interrupt(self) -> None:
        running = self.child or self
        if running.cursor is not None:
            running.cursor.interrupt()

    @property
    def dry_run(self) -> bool:
        return bool(self.configuration.get("dryRun"))


@dataclass(slots=True)
class Outcome:
    """`statistics` are the job's own (`{"query": {…}}`); `result` is where a query's rows are."""

    statistics: dict[str, Any] = field(default_factory=dict)
    result: TableRef | None = None
    configuration: dict[str, Any] = field(default_factory=dict)  # what the service filled in
    total_bytes: int = 0
    children: "list[tuple[Job, Outcome, ApiError | None]]" = field(default_factory=list)  # of a script

    def body(self) -> dict[str, Any]:
        """For the store."""
        return {
            "statistics": self.statistics,
            "result": self.result.api() if self.result else None,
            "configuration": self.configuration,
            "total_bytes": self.total_bytes,
        }


def child_name(parent: str, number: int) -> str:
    """The name of the job that is a script's statement."""
    digest = hashlib.sha256(parent.encode()).hexdigest()[:32]
    return f"{parent.rpartition('/')[0]}/script_job_{digest}_{number}"


def ddl_outcome(kind: str, operation: str, target: dict[str, Any]) -> Outcome:
    """Of a statement that defines."""
    return Outcome({"query": {"statementType": kind, "ddlOperationPerformed": operation, **target}})
