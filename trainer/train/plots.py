"""Plots of a model card as inline SVG. Colours are CSS classes, so that a page can be dark or light.

Owns: scales and marks. Does not own: the page and its styles (card_page.py). Pure functions of numbers to text.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

_WIDTH, _LABELS, _ROW, _END = 640, 170, 26, 70


class Bar(NamedTuple):
    """A value with its interval, if one was measured, and another value to mark beside it."""

    name: str
    value: float
    interval: Sequence[float] | None = None
    mark: float | None = None
    strong: bool = False


def curve(points: Sequence[tuple[float, float]], *, title: str, x_name: str) -> str:
    """One series from x = 0, its best value written."""
    height, left, right, top, bottom = 200, 60, 20, 14, 30
    x_high = max(x for x, _ in points) or 1.0
    y_high = max(y for _, y in points) or 1.0

    def at(x: float, y: float) -> tuple[float, float]:
        across = left + x / x_high * (_WIDTH - left - right)
        return across, height - bottom - y / y_high * (height - top - bottom)

    marks = []
    for step in range(5):
        _, y = at(0, y_high * step / 4)
        marks.append(f'<line class="grid" x1="{left}" x2="{_WIDTH - right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        marks.append(_text(left - 8, y + 4, f"{y_high * step / 4:.3f}", kind="tick", anchor="end"))
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*point) for point in points))
    marks.append(f'<polyline class="line" points="{path}"/>')
    marks += [f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in (at(*point) for point in points)]
    marks.append(_text(_WIDTH - right, height - 10, f"{x_high:.0f} {x_name}", kind="tick", anchor="end"))
    return _svg(height, f"{title}: up to {y_high:.4f} within {x_high:.0f} {x_name}", marks)


def bars(rows: Sequence[Bar], *, title: str) -> str:
    """A bar for each row with its interval as a line and a mark for what it is compared with."""
    reach = [row.interval[1] if row.interval else row.value for row in rows] + [row.mark or 0.0 for row in rows]
    scale = (_WIDTH - _LABELS - _END) / max([*reach, 1e-9])
    marks = []
    for number, row in enumerate(rows):
        y, width = number * _ROW, max(row.value * scale, 1.0)
        style = "bar strong" if row.strong else "bar"
        marks.append(_text(_LABELS - 10, y + 17, row.name, anchor="end"))
        marks.append(
            f'<rect class="{style}" x="{_LABELS}" y="{y + 5}" width="{width:.1f}" height="{_ROW - 10}" rx="2"/>'
        )
        end = width
        if row.interval:
            low, high = (_LABELS + each * scale for each in row.interval)
            marks.append(f'<line class="whisker" x1="{low:.1f}" x2="{high:.1f}" y1="{y + 13}" y2="{y + 13}"/>')
            end = max(end, high - _LABELS)
        if row.mark is not None:
            x = _LABELS + row.mark * scale
            marks.append(f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{y + 2}" y2="{y + _ROW - 2}"/>')
            end = max(end, x - _LABELS)
        marks.append(_text(_LABELS + end + 8, y + 17, f"{row.value:.4f}", kind="value"))
    told = ", ".join(f"{row.name} {row.value:.4f}" for row in rows)
    return _svg(len(rows) * _ROW + 4, f"{title}: {told}", marks)


def shares(rows: Mapping[str, Mapping[str, float]], *, title: str) -> str:
    """A bar for each row that its parts divide, in the order of the parts."""
    room = _WIDTH - _LABELS - 20
    names = list(next(iter(rows.values())))
    marks = []
    for number, (name, parts) in enumerate(rows.items()):
        x, y = float(_LABELS), number * _ROW
        marks.append(_text(_LABELS - 10, y + 17, name, anchor="end"))
        for place, (part, share) in enumerate(parts.items()):
            marks.append(
                f'<rect class="part{place}" x="{x:.1f}" y="{y + 4}" width="{share * room:.1f}" height="{_ROW - 8}">'
                f"<title>{escape(name)}, {escape(part)}: {share:.1%}</title></rect>"
            )
            if share > 0.08:
                marks.append(_text(x + share * room / 2, y + 17, f"{share:.0%}", kind="inside", anchor="middle"))
            x += share * room
    y, x = len(rows) * _ROW + 6, float(_LABELS)
    for place, part in enumerate(names):
        marks.append(f'<rect class="part{place}" x="{x}" y="{y + 4}" width="12" height="12"/>')
        marks.append(_text(x + 18, y + 15, part, kind="tick"))
        x += 90
    told = "; ".join(
        f"{name} " + ", ".join(f"{part} {share:.0%}" for part, share in parts.items()) for name, parts in rows.items()
    )
    return _svg(y + 22, f"{title}: {told}", marks)


def _text(x: float, y: float, text: str, *, kind: str = "label", anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(height: float, caption: str, marks: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height:.0f}" role="img" aria-label="{escape(caption)}">'
        f"<title>{escape(caption)}</title>{''.join(marks)}</svg>"
    )
