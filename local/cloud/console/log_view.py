"""The end of a job's logs as lines to read."""

import json
from dataclasses import dataclass
from typing import Any

from local.cloud.console.words import number, plain
from local.cloud.jobs.logs import JobLogs, LogLine

_TAIL_BYTES = 64 * 1024
_MOST_LINES = 200
_MOST_LETTERS = 2000
_LEFT_OUT = ("severity", "time", "timestamp", "message", "metric", "value", "step", "levelname")
_GRAVE = ("ERROR", "CRITICAL", "ALERT", "EMERGENCY")


@dataclass(frozen=True)
class Line:
    """`tone` is bad or warn for what is grave, else ""."""

    key: str
    time: str
    task: str
    text: str
    tone: str


@dataclass(frozen=True)
class LogTail:
    """`files` are the whole logs: replica and stream, with the size of each."""

    lines: list[Line]
    is_cut: bool
    files: list[tuple[str, str, int]]
    tasks: int


def tail(logs: JobLogs) -> LogTail:
    found = logs.lines(last_bytes=_TAIL_BYTES)
    paths = [(task, name, logs.folder / task / f"{name}.log") for task in logs.tasks() for name in ("stdout", "stderr")]
    files = [(task, name, path.stat().st_size) for task, name, path in paths if path.exists() and path.stat().st_size]
    is_cut = len(found) > _MOST_LINES or any(size > _TAIL_BYTES for _, _, size in files)
    return LogTail([_line(each) for each in found[-_MOST_LINES:]], is_cut, files, len({task for task, _, _ in files}))


def _line(line: LogLine) -> Line:
    text, tone = _readable(line.text)
    key = f"{line.task}/{line.stream}/{line.number}"
    return Line(key, f"{line.time:%H:%M:%S}", line.task, text[:_MOST_LETTERS], tone)


def _readable(text: str) -> tuple[str, str]:
    """A JSON line as a sentence: its message or metric, then its other fields that say something."""
    if not text.startswith("{"):
        return text, ""
    try:
        found: Any = json.loads(text)
    except ValueError:
        return text, ""
    if not isinstance(found, dict):
        return text, ""
    severity = str(found.get("severity", "")).upper()
    tone = "bad" if severity in _GRAVE else "warn" if severity == "WARNING" else ""
    parts = [str(found["message"])] if found.get("message") else []
    if found.get("metric"):
        step = f"step {number(found['step'])}" if found.get("step") is not None else ""
        parts.append(f"{step}  {found['metric']} = {number(found.get('value'))}".strip())
    rest = {key: value for key, value in found.items() if key not in _LEFT_OUT and value not in (None, "", {}, [])}
    if not found.get("metric"):
        parts += [
            f"{key}={plain(value)}" for key, value in rest.items() if key not in ("run_id", "experiment", "request_id")
        ]
    return ("  ".join(parts) or text), tone
