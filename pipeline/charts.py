"""Charts as inline SVG: lines, bars and a timeline. Colours are CSS classes, so that a page can be dark or light.

Owns: scales and marks. Does not own: the page and its styles (report_page.py). Pure functions of numbers to text.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

_WIDTH = 640
_LABELS = 150  # the room for row labels, left of bars
_ROW = 26


class Span(NamedTuple):
    """A row of a timeline in seconds; it waits from `created` to `started`. `mark` is a moment within it."""

    name: str
    created: float
    started: float
    ended: float
    state: str
    mark: float | None = None
    mark_name: str = ""


def line_chart(points: Sequence[tuple[float, float]], *, title: str, x_name: str, y_name: str) -> str:
    """One series over x, its last value written at its end."""
    height, left, right, bottom, top = 220, 56, 64, 34, 14
    xs, ys = [x for x, _ in points], [y for _, y in points]
    x_low, x_high = min(0.0, *xs), max(xs) or 1.0
    y_low, y_high = _padded(min(ys), max(ys))
    place = [
        (
            left + (x - x_low) / ((x_high - x_low) or 1) * (_WIDTH - left - right),
            height - bottom - (y - y_low) / (y_high - y_low) * (height - bottom - top),
        )
        for x, y in points
    ]
    grid = []
    for step in range(5):
        value = y_low + (y_high - y_low) * step / 4
        y = height - bottom - (height - bottom - top) * step / 4
        grid.append(f'<line class="grid" x1="{left}" x2="{_WIDTH - right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        grid.append(f'<text class="tick" x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{_short(value)}</text>')
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in place)
    dots = "".join(
        f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="3">'
        f"<title>{_short(a)} {escape(x_name)}: {_short(b)}</title></circle>"
        for (x, y), (a, b) in zip(place, points, strict=True)
    )
    end_x, end_y = place[-1]
    axis = (
        f'<text class="tick" x="{left}" y="{height - 12}">{_short(x_low)}</text>'
        f'<text class="tick" x="{_WIDTH - right}" y="{height - 12}" text-anchor="end">'
        f"{_short(x_high)} {escape(x_name)}</text>"
        f'<text class="value" x="{end_x + 8:.1f}" y="{end_y + 4:.1f}">{_short(ys[-1])}</text>'
    )
    caption = f"{title}: {y_name} from {_short(ys[0])} to {_short(ys[-1])} over {_short(x_high)} {x_name}"
    return _svg(height, caption, "".join(grid) + f'<polyline class="line" points="{path}"/>' + dots + axis)


def bar_chart(values: Mapping[str, float], *, title: str, emphasis: str) -> str:
    """A horizontal bar per name, the one called `emphasis` in the accent colour, each with its value."""
    highest = max([*values.values(), 1e-9])
    room = _WIDTH - _LABELS - 70
    rows = []
    for number, (name, value) in enumerate(values.items()):
        y = number * _ROW
        width = max(value / highest * room, 1)
        style = "bar strong" if name == emphasis else "bar"
        rows.append(
            f'<text class="label" x="{_LABELS - 10}" y="{y + 17}" text-anchor="end">{escape(name)}</text>'
            f'<rect class="{style}" x="{_LABELS}" y="{y + 4}" width="{width:.1f}" height="{_ROW - 8}" rx="3"/>'
            f'<text class="value" x="{_LABELS + width + 8:.1f}" y="{y + 17}">{value:.4f}</text>'
        )
    caption = f"{title}: " + ", ".join(f"{name} {value:.4f}" for name, value in values.items())
    return _svg(len(values) * _ROW + 4, caption, "".join(rows))


def timeline(spans: Sequence[Span], *, title: str) -> str:
    """A row per span on one axis of seconds: waiting thin, running thick, marks as lines."""
    last = max([span.ended for span in spans] + [1e-9])
    room = _WIDTH - _LABELS - 70

    def at(seconds: float) -> float:
        return _LABELS + seconds / last * room

    rows = []
    for number, span in enumerate(spans):
        y, middle = number * _ROW, number * _ROW + _ROW / 2
        width = max(at(span.ended) - at(span.started), 1.5)
        style = "bar failed" if span.state == "FAILED" else "bar strong"
        seconds = span.ended - span.started
        rows.append(
            f'<text class="label" x="{_LABELS - 10}" y="{y + 17}" text-anchor="end">{escape(span.name)}</text>'
            f'<line class="wait" x1="{at(span.created):.1f}" x2="{at(span.started):.1f}" y1="{middle}" y2="{middle}"/>'
            f'<rect class="{style}" x="{at(span.started):.1f}" y="{y + 5}" width="{width:.1f}" height="{_ROW - 10}"'
            ' rx="3">'
            f"<title>{escape(span.name)} {seconds:.1f} s {escape(span.state)}</title></rect>"
            f'<text class="value" x="{at(span.ended) + 8:.1f}" y="{y + 17}">{seconds:.1f} s</text>'
        )
        if span.mark is not None:
            x = at(span.mark)
            rows.append(
                f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{y + 2}" y2="{y + _ROW - 2}">'
                f"<title>{escape(span.mark_name)} at {span.mark:.1f} s</title></line>"
            )
    height = len(spans) * _ROW + 22
    axis = (
        f'<text class="tick" x="{_LABELS}" y="{height - 4}">0</text>'
        f'<text class="tick" x="{at(last):.1f}" y="{height - 4}" text-anchor="end">{last:.0f} s</text>'
    )
    caption = f"{title}: " + ", ".join(f"{span.name} {span.ended - span.started:.1f} s" for span in spans)
    return _svg(height, caption, "".join(rows) + axis)


def _svg(height: float, caption: str, content: str) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height:.0f}" role="img" aria-label="{escape(caption)}">'
        f"<title>{escape(caption)}</title>{content}</svg>"
    )


def _padded(low: float, high: float) -> tuple[float, float]:
    gap = (high - low) or abs(high) or 1.0
    return (max(0.0, low - gap * 0.08) if low >= 0 else low - gap * 0.08), high + gap * 0.08


def _short(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"
