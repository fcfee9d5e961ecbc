"""Quality over CPU time as one SVG: a panel for each data set, time on a logarithmic scale.

Owns: scales and marks. Networks and factorisations are lines through their points, ours through its whole runs; a model
in closed form is a level, drawn from what it cost on.
"""

import math
from collections.abc import Sequence
from html import escape
from typing import Any, NamedTuple

from train.metrics import PRIMARY

from tests.bench.train.contestants import FLOOR, OURS
from tests.bench.train.points import chosen
from tests.bench.train.results import newest
from tests.bench.train.table import rows

_WIDTH, _PANEL, _LEFT, _RIGHT, _TOP, _BOTTOM, _LINE = 800, 300, 56, 240, 34, 34, 14
_FIRST_SECONDS = 1.0
_COLOURS = (
    *("#2f6f4f", "#2b6cb0", "#b7791f", "#6b46c1", "#b83280"),
    *("#718096", "#319795", "#975a16", "#4c51bf", "#38a169"),
)
_STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#1f2933}.grid{stroke:#d3dae1}.ours{stroke:#c05621;fill:#c05621}"
    ".head{font-weight:600;font-size:13px}polyline{fill:none;stroke-width:1.6}.ours polyline{stroke-width:3}"
    ".level{stroke-dasharray:4 4}.lead{stroke-width:.7;stroke-opacity:.4}.key{stroke-width:3}"
    "@media(prefers-color-scheme:dark){text{fill:#e4e7eb}.grid{stroke:#3e4c59}.ours{stroke:#ed8936;fill:#ed8936}}"
)


class Line(NamedTuple):
    """(CPU seconds, quality) in order; `level`: it stays at its last value."""

    name: str
    points: list[tuple[float, float]]
    ours: bool = False
    level: bool = False


def lines(results: Sequence[dict[str, Any]]) -> list[Line]:
    """Of one data set. Ours is the mean of seeds at each budget."""
    ours = [(row.seconds, row.quality) for row in rows(results) if row.kind == OURS]
    found = [Line("this trainer", sorted(ours), ours=True)] if ours else []
    for result in results:
        if result["kind"] == FLOOR:
            point = chosen(result["points"])
            found.append(Line(result["contestant"], [(point["cpu_seconds"], point[PRIMARY])], level=True))
        elif result["kind"] != OURS:
            points = [(each["cpu_seconds"], each[PRIMARY]) for each in result["points"]]
            found.append(Line(result["contestant"], points))
    return found


def chart(results: Sequence[dict[str, Any]]) -> str:
    current = newest(list(results))
    sets = sorted({(each["interactions"], each["data"]) for each in current})
    names = [name for name in dict.fromkeys(each["contestant"] for each in current) if name != "this trainer"]
    colours = {name: _COLOURS[place % len(_COLOURS)] for place, name in enumerate(names)}
    panels = []
    for place, (interactions, data) in enumerate(sets):
        found = lines([each for each in current if each["data"] == data and each["interactions"] == interactions])
        heading = f"{data}: {PRIMARY} over CPU-seconds"
        panels.append(f'<g transform="translate(0 {place * _PANEL})">{_panel(found, heading, colours)}</g>')
    caption = "Quality over CPU time of this trainer and others"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_PANEL * len(sets)}" role="img">'
        f"<title>{caption}</title><style>{_STYLE}</style>{''.join(panels)}</svg>\n"
    )


def _panel(found: Sequence[Line], heading: str, colours: dict[str, str]) -> str:
    last = max([10.0, *(x for line in found for x, _ in line.points)])
    most = max([1e-9, *(y for line in found for _, y in line.points)]) * 1.05

    def at(seconds: float, quality: float) -> tuple[float, float]:
        share = math.log(max(seconds, _FIRST_SECONDS) / _FIRST_SECONDS) / math.log(last / _FIRST_SECONDS)
        across = _LEFT + share * (_WIDTH - _LEFT - _RIGHT)
        return across, _PANEL - _BOTTOM - quality / most * (_PANEL - _TOP - _BOTTOM)

    marks = [f'<text class="head" x="12" y="20">{escape(heading)}</text>', *_grid(at, last, most)]
    ends = {}
    for line in found:
        points = [*line.points, (last, line.points[-1][1])] if line.level else line.points
        places = [at(*point) for point in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        shown = f'<polyline points="{path}"{" class=" + chr(34) + "level" + chr(34) if line.level else ""}/>'
        shown += "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>' for x, y in places[: len(line.points)])
        colour = colours.get(line.name, "")
        marks.append(
            f'<g class="ours">{shown}</g>' if line.ours else f'<g stroke="{colour}" fill="{colour}">{shown}</g>'
        )
        ends[line.name] = places[-1]
    return "".join([*marks, *_names(ends, {line.name: line.points[-1][1] for line in found}, colours)])


def _grid(at: Any, last: float, most: float) -> list[str]:
    marks = []
    for power in range(math.ceil(math.log10(last)) + 1):
        for seconds in (10**power, 3 * 10**power):
            if seconds <= last:
                x, y = at(seconds, 0)
                marks.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{y:.1f}"/>')
                marks.append(f'<text x="{x:.1f}" y="{y + 16:.1f}" text-anchor="middle">{seconds}</text>')
    for quarter in range(5):
        x, y = at(_FIRST_SECONDS, most * quarter / 4)
        marks.append(f'<line class="grid" x1="{x:.1f}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        marks.append(f'<text x="{x - 6:.1f}" y="{y + 4:.1f}" text-anchor="end">{most * quarter / 4:.3f}</text>')
    return marks


def _names(ends: dict[str, tuple[float, float]], values: dict[str, float], colours: dict[str, str]) -> list[str]:
    """Each name and last value beside the end of its line, moved down where two would meet."""
    marks, free = [], 0.0
    names = sorted(ends, key=lambda name: ends[name][1])
    room = _PANEL - 6 - _LINE * len(names)
    for place, name in enumerate(names):
        x, y = ends[name]
        free = max(free, min(y, room + _LINE * place))
        label = f"{escape(name)} {values[name]:.4f}"
        right = _WIDTH - _RIGHT + 10
        style = f'style="stroke:{colours[name]}"' if name in colours else 'class="ours"'
        marks.append(f'<g {style}><path class="lead" d="M{x + 4:.1f} {y:.1f}L{right} {free:.1f}"/>')
        marks.append(f'<path class="key" d="M{right} {free:.1f}h10"/></g>')
        marks.append(f'<text x="{right + 15}" y="{free + 4:.1f}">{label}</text>')
        free += _LINE
    return marks
