"""What a run needs of the cloud around it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from local.cloud.pipelines.records import TaskRecord
from local.cloud.pipelines.values import Artifact, Values


class JobRefusedError(Exception):
    """The job of a task was not accepted; the text says why."""

    def __init__(self, message: str, code: int = 3) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class JobView:
    """A custom job's state (JOB_STATE_…) and its error, a google.rpc.Status, if it has one."""

    state: str
    error: Mapping[str, Any] | None = None


class Jobs(Protocol):
    """Custom jobs, as a run uses them."""

    def submit(self, body: dict[str, Any], *, task: TaskRecord) -> str:
        """Create the job of a `CustomJob` body (camelCase); its name. Raises JobRefusedError."""
        ...

    def view(self, name: str) -> JobView | None:
        """None where there is no such job."""
        ...

    def cancel(self, name: str) -> None: ...


class Lineage(Protocol):
    """The metadata store, as a run uses it."""

    def artifact(self, artifact: Artifact) -> Artifact:
        """Keep an artifact, with its metadata; returned with the name that it has there."""
        ...

    def find_artifact(self, uri: str, schema_title: str) -> Artifact | None:
        """An artifact that is already known by its URI and type."""
        ...

    def begin(self, record: TaskRecord) -> str:
        """The execution of a task that starts; its name."""
        ...

    def end(self, record: TaskRecord) -> None:
        """Its end, with what it was given and left."""
        ...


@dataclass(frozen=True)
class RunContext:
    """What is the same for all tasks of one run."""

    name: str  # projects/P/locations/L/pipelineJobs/ID
    project_number: str
    root: str  # gs://…, the run's output directory
    parameters: Mapping[str, Any]
    artifacts: Mapping[str, list[Artifact]] = field(default_factory=dict)
    service_account: str = ""
    network: str = ""
    kms_key: str = ""
    persistent_resource: str = ""  # the default runtime's, by id
    labels: Mapping[str, str] = field(default_factory=dict)
    create_time: str = ""
    schedule_time: str = ""
    fail_fast: bool = False

    @property
    def id(self) -> str:
        return self.name.rsplit("/", 1)[-1]

    @property
    def folder(self) -> str:
        """Where the run's tasks write, a gs:// URI."""
        return f"{self.root.rstrip('/')}/{self.project_number}/{self.id}"

    @property
    def project(self) -> str:
        return self.name.split("/")[1]

    @property
    def location(self) -> str:
        return self.name.split("/")[3]


@dataclass(frozen=True)
class Surroundings:
    jobs: Jobs
    lineage: Lineage
    path_of: Callable[[str], Path]  # the file of a gs:// URI
    save: Callable[[TaskRecord], None]
    cached: Callable[[str], Values | None]  # by fingerprint
    keep: Callable[[str, Values], None]
    now: Callable[[], datetime]
