"""Series of numbers as small curves.

Owns: reading metrics out of job logs (JSON lines with `metric`, `value` and `step`, as trainers write them), as far as
they have grown since they were last read, and the geometry of a curve. Pictures are without text: it stands beside.
"""

import json
import math
import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from local.cloud.jobs.logs import STREAMS, JobLogs

WIDTH, HEIGHT = 300, 90
_MOST_JOBS = 32
_MOST_POINTS = 4000
_MOST_DRAWN = 240
_MOST_READ = 8 * 1024 * 1024

Point = tuple[float, float]


@dataclass(frozen=True)
class Curve:
    """`points` of the SVG's polyline, and what is told of it beside: ends of both axes and the last value."""

    name: str
    points: str
    first_x: float
    last_x: float
    low: float
    high: float
    last: float
    count: int


@dataclass
class _Read:
    """How far the logs of one job have been read, and what was in them."""

    offsets: dict[Path, int] = field(default_factory=dict)
    series: dict[str, list[Point]] = field(default_factory=dict)


class LoggedMetrics:
    """The metrics in jobs' logs; what was read of the last few jobs is kept."""

    def __init__(self) -> None:
        self._read: OrderedDict[str, _Read] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, job_id: str, logs: JobLogs) -> list[Curve]:
        with self._lock:
            known = self._read.setdefault(job_id, _Read())
            self._read.move_to_end(job_id)
            while len(self._read) > _MOST_JOBS:
                self._read.popitem(last=False)
            for task in logs.tasks():
                for stream in STREAMS:
                    _read_on(logs.folder / task / f"{stream}.log", known)
            return [curve(name, points) for name, points in known.series.items() if points]


def curve(name: str, points: list[Point]) -> Curve:
    """A series as a picture; of a long one evenly many points, and always the last."""
    step = max(1, len(points) // _MOST_DRAWN)
    drawn = points[::step] if (len(points) - 1) % step == 0 else [*points[::step], points[-1]]
    xs, ys = [x for x, _ in drawn], [y for _, y in points]
    low, high = min(ys), max(ys)
    across, up = (xs[-1] - xs[0]) or 1.0, (high - low) or 1.0
    placed = [
        (
            3 + (x - xs[0]) / across * (WIDTH - 6),
            HEIGHT - 5 - (y - low) / up * (HEIGHT - 10) if high > low else HEIGHT / 2,
        )
        for x, y in drawn
    ]
    if len(placed) == 1:
        placed = [(3.0, placed[0][1]), (WIDTH - 3.0, placed[0][1])]
    text = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
    return Curve(name, text, xs[0], xs[-1], low, high, points[-1][1], len(points))


def metrics_in(lines: Iterable[bytes]) -> Iterable[tuple[str, Point]]:
    """The metrics that are written as JSON objects with a name, a finite value and a step."""
    for line in lines:
        if not line.startswith(b"{") or b'"metric"' not in line:
            continue
        try:
            found = json.loads(line)
        except ValueError:
            continue
        name, value, step = found.get("metric"), found.get("value"), found.get("step")
        if isinstance(name, str) and name and _is_finite(value) and _is_finite(step):
            yield name, (float(step), float(value))


def _read_on(path: Path, known: _Read) -> None:
    if not path.exists():
        return
    size, offset = path.stat().st_size, known.offsets.get(path, 0)
    if size < offset:
        offset = 0
    while offset < size:
        with path.open("rb") as file:
            file.seek(offset)
            chunk = file.read(_MOST_READ)
        whole = chunk.rfind(b"\n") + 1 or (len(chunk) if len(chunk) == _MOST_READ else 0)
        if not whole:
            break
        for name, point in metrics_in(chunk[:whole].splitlines()):
            series = known.series.setdefault(name, [])
            series.append(point)
            if len(series) > 2 * _MOST_POINTS:
                del series[1::2]
        offset += whole
    known.offsets[path] = offset


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
