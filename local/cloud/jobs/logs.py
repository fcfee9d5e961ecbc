"""What replicas write: one folder a replica, plain files, and the times at which they grew.

Replicas write their files themselves, so that nothing is lost when the cloud is killed. Cloud Logging wants a time
for each line: `note_growth` records how long the files were at a moment, and a line is as old as the first record
that holds it.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

STREAMS = ("stdout", "stderr")
_SERVICE = "service"  # the task name of what Vertex AI itself logs about a job
_TIMELINE = "timeline"
_SPECIAL_FIELDS = ("severity", "time", "timestamp", "logging.googleapis.com/trace", "logging.googleapis.com/spanId")
_SEVERITIES = ("DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY")


@dataclass(frozen=True)
class LogLine:
    """One line of a replica's output, or of the service's own notes. `number` orders the lines of one stream."""

    task: str
    stream: str
    number: int
    time: datetime
    text: str


class JobLogs:
    """The logs of one job, under its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._sizes: dict[str, list[int]] = {}

    def stream(self, task: str, stream: str) -> Path:
        """The file that a replica's stdout or stderr goes to; its folder is made."""
        (self.folder / task).mkdir(parents=True, exist_ok=True)
        return self.folder / task / f"{stream}.log"

    def note_growth(self, task: str, moment: datetime) -> None:
        """Record how long the task's files are at `moment`, if they have grown since the last record."""
        sizes = [path.stat().st_size if (path := self.stream(task, name)).exists() else 0 for name in STREAMS]
        if sizes != self._sizes.get(task, [0, 0]):
            self._sizes[task] = sizes
            with (self.folder / task / _TIMELINE).open("a") as file:
                file.write(json.dumps([moment.timestamp(), *sizes]) + "\n")

    def say(self, moment: datetime, text: str, *, severity: str = "INFO") -> None:
        """A note of the service itself about the job."""
        with self.stream(_SERVICE, "stdout").open("a") as file:
            file.write(json.dumps({"severity": severity, "message": text}) + "\n")
        self.note_growth(_SERVICE, moment)

    def tail(self, task: str, lines: int = 12) -> list[str]:
        """The last lines of a replica: stderr's if it wrote there, else stdout's."""
        for name in reversed(STREAMS):
            path = self.stream(task, name)
            text = _end_of(path).strip() if path.exists() else ""
            if text:
                return text.splitlines()[-lines:]
        return []

    def lines(self, *, last_bytes: int | None = None) -> list[LogLine]:
        """All lines of all tasks, oldest first; of the same moment, in the order of their stream. With `last_bytes`,
        the whole lines within the end of each stream, whose numbers are then the places in the file at which they end.
        """
        found = [line for task in self.tasks() for name in STREAMS for line in self._read(task, name, last_bytes)]
        return sorted(
            found,
            key=lambda line: (line.time, line.task != _SERVICE, line.task, STREAMS.index(line.stream), line.number),
        )

    def tasks(self) -> list[str]:
        """What has logs: replicas, and the service itself."""
        return sorted(path.name for path in self.folder.iterdir() if path.is_dir()) if self.folder.exists() else []

    def _read(self, task: str, name: str, last_bytes: int | None = None) -> Iterator[LogLine]:
        path = self.folder / task / f"{name}.log"
        if not path.exists():
            return
        column = 1 + STREAMS.index(name)
        records = iter(_timeline(self.folder / task / _TIMELINE))
        last = path.stat().st_mtime
        moment, known = next(((record[0], record[column]) for record in records), (last, 1 << 62))
        position, content = _content(path, last_bytes)
        for index, raw in enumerate(content.splitlines(keepends=True)):
            position += len(raw)
            number = index if last_bytes is None else position
            while known < position:
                moment, known = next(((record[0], record[column]) for record in records), (last, 1 << 62))
            text = raw.decode(errors="replace").rstrip("\r\n")
            if text.strip():
                yield LogLine(task, name, number, datetime.fromtimestamp(moment, UTC), text)


def log_entry(line: LogLine, *, project: str, job_id: str) -> dict[str, Any]:
    """A `LogEntry` as Vertex AI writes it: a JSON object on a line becomes the payload, its special fields the
    entry's own.

    Source: https://cloud.google.com/logging/docs/structured-logging#special-payload-fields
    """
    severity = "ERROR" if line.stream == "stderr" else "INFO"
    stamp = _rfc3339(line.time)
    entry: dict[str, Any] = {
        "insertId": f"{line.task}-{line.stream}-{line.number:09d}",
        "logName": f"projects/{project}/logs/{line.task}",
        "resource": {"type": "ml_job", "labels": {"job_id": job_id, "project_id": project, "task_name": line.task}},
        "labels": {"ml.googleapis.com/job_id": job_id, "ml.googleapis.com/task_name": line.task},
        "timestamp": stamp,
        "receiveTimestamp": stamp,
    }
    payload = _json_object(line.text)
    if payload is None:
        return {**entry, "severity": severity, "textPayload": line.text}
    told = str(payload.get("severity", payload.get("levelname", ""))).upper()
    if moment := _moment(payload.get("time", payload.get("timestamp"))):
        entry["timestamp"] = _rfc3339(moment)
    body = {key: value for key, value in payload.items() if key not in _SPECIAL_FIELDS}
    return {**entry, "severity": told if told in _SEVERITIES else severity, "jsonPayload": body}


def severity_rank(name: str) -> int:
    """A severity's place in Cloud Logging's order; unknown names rank lowest."""
    return _SEVERITIES.index(name.upper()) if name.upper() in _SEVERITIES else 0


def _timeline(path: Path) -> list[list[float]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines() if line.endswith("]")]


def _content(path: Path, last_bytes: int | None) -> tuple[int, bytes]:
    """A file, or the whole lines within its end, and where they begin."""
    with path.open("rb") as file:
        start = 0 if last_bytes is None else max(0, path.stat().st_size - last_bytes)
        file.seek(max(0, start - 1))
        if start:
            start += len(file.readline()) - 1
        return start, file.read()


def _end_of(path: Path, size: int = 8192) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - size))
        return file.read().decode(errors="replace")


def _json_object(text: str) -> Mapping[str, Any] | None:
    if not text.startswith("{"):
        return None
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _moment(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment if moment and moment.tzinfo else None


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
