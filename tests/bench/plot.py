"""Measured times as an SVG: a row of dots for each kind, its median as a bar and a number, on a logarithmic scale."""

import math
import statistics
from collections.abc import Mapping, Sequence
from html import escape

_WIDTH, _ROW, _LEFT, _RIGHT, _TOP = 720, 44, 190, 90, 44
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1f2933}.grid{stroke:#d3dae1}.dot{fill:#2b6cb0;fill-opacity:.35}"
    ".median{stroke:#c05621;stroke-width:3}@media(prefers-color-scheme:dark){text{fill:#e4e7eb}.grid{stroke:#3e4c59}"
    ".dot{fill:#90cdf4;fill-opacity:.45}.median{stroke:#fbd38d}}"
)


def strip_chart(seconds: Mapping[str, Sequence[float]], *, title: str) -> str:
    """All values must be positive; they are shown in milliseconds."""
    values = [value * 1000 for found in seconds.values() for value in found]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    high += high == low

    def across(millis: float) -> float:
        return _LEFT + (math.log10(millis) - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT)

    height = _TOP + _ROW * len(seconds) + 30
    marks = []
    for power in range(low, high + 1):
        x = across(10.0**power)
        marks.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{height - 26}"/>')
        marks.append(f'<text x="{x:.1f}" y="{height - 8}" text-anchor="middle">{10**power:g}</text>')
    for row, (name, found) in enumerate(seconds.items()):
        y, median = _TOP + _ROW * (row + 0.5), statistics.median(found) * 1000
        marks.append(f'<text x="{_LEFT - 12}" y="{y + 4:.1f}" text-anchor="end">{escape(name)}</text>')
        marks += [f'<circle class="dot" cx="{across(each * 1000):.1f}" cy="{y:.1f}" r="5"/>' for each in found]
        x = across(median)
        marks.append(f'<line class="median" x1="{x:.1f}" x2="{x:.1f}" y1="{y - 14:.1f}" y2="{y + 14:.1f}"/>')
        marks.append(f'<text x="{_WIDTH - _RIGHT + 12}" y="{y + 4:.1f}">{median:,.0f} ms</text>')
    heading = f'<text x="12" y="24" font-weight="600">{escape(title)}</text>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style>{heading}{''.join(marks)}</svg>\n"
    )
