"""Bars as SVG, one file for each measure."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from xml.sax.saxutils import escape

from .measures import Measure, Turn

_BAR, _GAP, _LEFT, _WIDTH = 26, 12, 130, 720
_COLORS = {"product": "#2563eb"}


def save_plots(taken: Mapping[Measure, Mapping[str, Sequence[Turn]]], directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for measure, turns in taken.items():
        values = {name: [turn.value for turn in turns[name]] for name in turns}
        path = directory / f"{measure.name}.svg"
        path.write_text(_bars(f"{measure.title}, {measure.unit}", values), encoding="utf-8")


def _bars(title: str, values: Mapping[str, Sequence[float]]) -> str:
    """A bar to the median of each; a thin line from the least to the most."""
    most = max(max(found) for found in values.values()) or 1
    scale = (_WIDTH - _LEFT - 110) / most
    height = 50 + len(values) * (_BAR + _GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}">',
        "<style>text { font: 14px system-ui, sans-serif }</style>",
        f'<rect width="{_WIDTH}" height="{height}" fill="white"/>',
        f'<text x="10" y="26">{escape(title)}</text>',
    ]
    for row, (name, found) in enumerate(values.items()):
        top, middle = 42 + row * (_BAR + _GAP), median(found)
        center, end = top + _BAR / 2, _LEFT + max(found) * scale
        wide = middle * scale
        color = _COLORS.get(name, "#9ca3af")
        parts += [
            f'<text x="{_LEFT - 10}" y="{center + 5}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="{_LEFT}" y="{top}" width="{wide:.1f}" height="{_BAR}" fill="{color}"/>',
            f'<path d="M{_LEFT + min(found) * scale:.1f} {center} H{end:.1f}" stroke="#111827"/>',
            f'<text x="{end + 8:.1f}" y="{center + 5}">{_number(middle)}</text>',
        ]
    return "\n".join([*parts, "</svg>\n"])


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
