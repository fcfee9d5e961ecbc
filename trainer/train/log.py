"""Structured log: one JSON object per line on stdout, with the fields of the container contract.

Owns: the shape of a line (valid JSON: NaN and infinity are null) and who else hears of a metric. Does not own: what is
measured.
"""

import json
import math
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TextIO

LOG_FIELDS = ("run_id", "request_id", "experiment", "step", "metric", "value")

MetricObserver = Callable[[str, float, int], None]


def now() -> str:
    """The time, RFC 3339 in UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Log:
    """Writes lines for one run. `observers` are told of every metric (name, value, step) after it was written."""

    def __init__(
        self, *, run_id: str, request_id: str, experiment: str, rank: int = 0, stream: TextIO | None = None
    ) -> None:
        self._run: dict[str, Any] = {"run_id": run_id, "request_id": request_id, "experiment": experiment}
        self._tells_all = rank == 0  # other ranks would say the same once more: only what goes wrong is theirs to tell
        if rank:
            self._run["rank"] = rank
        self._stream = stream
        self._lock = threading.Lock()
        self.observers: list[MetricObserver] = []

    def metric(self, name: str, value: float, *, step: int) -> None:
        if self._tells_all:
            self._write("INFO", {"step": step, "metric": name, "value": value})
        for observer in self.observers:
            observer(name, value, step)

    def info(self, message: str, **fields: Any) -> None:
        if self._tells_all:
            self._write("INFO", {"message": message, **fields})

    def warning(self, message: str, **fields: Any) -> None:
        self._write("WARNING", {"message": message, **fields})

    def failure(self, message: str, **fields: Any) -> None:
        self._write("ERROR", {"message": message, **fields})

    def _write(self, severity: str, fields: dict[str, Any]) -> None:
        line = {"time": now(), "severity": severity, **self._run, "step": None, "metric": None, "value": None, **fields}
        with self._lock:
            stream = self._stream or sys.stdout
            stream.write(json.dumps(_finite(line), allow_nan=False) + "\n")
            stream.flush()


def _finite(value: Any) -> Any:
    """`value` with null for each number that JSON has no word for."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value
