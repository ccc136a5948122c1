"""A bar chart as SVG text: no library, no fonts but the reader's."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

WIDTH = 960
MARGIN = 16
GAP = 32
NAMES = 160  # width of the names left of the bars
VALUES = 92  # width of the text right of the longest bar
BAR, STEP = 16, 22
HEADER = 44  # height of a panel's title and of its axis's label
OWN, OTHER, INK, FAINT = "#0b6e99", "#b8c4cc", "#1f2328", "#6e7781"


class Bar(NamedTuple):
    name: str
    value: float
    text: str  # right of the bar
    strong: bool = False


class Panel(NamedTuple):
    """Bars from zero, with a line across them at `mark`."""

    title: str
    bars: Sequence[Bar]
    mark: float
    mark_text: str


def chart(title: str, rows: Sequence[Sequence[Panel]]) -> str:
    """Panels side by side in rows."""
    parts = [_text(MARGIN, 28, title, size=18, weight="bold")]
    top = 40
    columns = max(len(row) for row in rows)
    for row in rows:
        width = (WIDTH - 2 * MARGIN - GAP * (columns - 1)) / columns
        for i, panel in enumerate(row):
            parts += _panel(panel, MARGIN + i * (width + GAP), top, width)
        top += HEADER + STEP * max(len(panel.bars) for panel in row) + 16
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" width="{WIDTH}" '
        f'height="{top}" font-family="system-ui, sans-serif" font-size="12">'
    )
    background = f'<rect width="{WIDTH}" height="{top}" fill="#ffffff"/>'
    return "\n".join([head, background, *parts, "</svg>"]) + "\n"


def _panel(panel: Panel, left: float, top: float, width: float) -> list[str]:
    zero = left + NAMES
    scale = (width - NAMES - VALUES) / max(panel.mark, *(bar.value for bar in panel.bars))
    mark = zero + panel.mark * scale
    y = top + HEADER
    line = f'x1="{mark:.1f}" x2="{mark:.1f}" y1="{y - 6}" y2="{y + STEP * len(panel.bars)}"'
    parts = [
        _text(left, top + 18, panel.title, size=13, weight="bold"),
        _text(mark, y - 10, panel.mark_text, size=11, anchor="middle", fill=FAINT),
        f'<line {line} stroke="{FAINT}" stroke-dasharray="4 3"/>',
    ]
    for bar in panel.bars:
        length = bar.value * scale
        weight = "bold" if bar.strong else "normal"
        fill = OWN if bar.strong else OTHER
        parts += [
            _text(zero - 8, y + 12, bar.name, anchor="end", weight=weight),
            f'<rect x="{zero:.1f}" y="{y}" width="{length:.1f}" height="{BAR}" fill="{fill}"/>',
            _text(zero + length + 6, y + 12, bar.text, weight=weight),
        ]
        y += STEP
    return parts


def _text(
    x: float,
    y: float,
    text: str,
    *,
    size: int = 12,
    anchor: str = "start",
    weight: str = "normal",
    fill: str = INK,
) -> str:
    style = f'font-size="{size}" text-anchor="{anchor}" font-weight="{weight}" fill="{fill}"'
    halo = 'paint-order="stroke" stroke="#ffffff" stroke-width="4"'  # where a line crosses it
    return f'<text x="{x:.1f}" y="{y:.1f}" {style} {halo}>{escape(text)}</text>'
