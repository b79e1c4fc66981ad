"""Charts of the admin: numbers of people by day, as bars that a template draws in SVG."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

# In the chart's units of length.
WIDTH, HEIGHT = 600, 120
_FILLED = 0.8  # the rest of a bar's place is a gap
_WIDEST = 16
MAX_BARS = 60
_LABELS = 5


@dataclass(frozen=True, slots=True)
class Bar:
    """The people of one day, or of several days from `day` on. Not every bar has a label."""

    day: date
    people: int
    x: float
    y: float
    width: float
    height: float
    has_label: bool


@dataclass(frozen=True, slots=True)
class Chart:
    bars: list[Bar]
    is_daily: bool
    top: int

    @property
    def total(self) -> int:
        return sum(bar.people for bar in self.bars)


def chart_of(counts: Sequence[tuple[date, int]]) -> Chart:
    """The chart of numbers by day, in their order. Above `MAX_BARS`, a bar has several days."""
    per_bar = -(-len(counts) // MAX_BARS) or 1
    groups = [counts[begin : begin + per_bar] for begin in range(0, len(counts), per_bar)]
    people = [sum(number for _, number in group) for group in groups]
    top = _round_above(max(people, default=0))
    step, labelled = WIDTH / max(1, len(groups)), -(-len(groups) // _LABELS)
    bars = []
    for number, (group, total) in enumerate(zip(groups, people, strict=True)):
        height = round(HEIGHT * total / top, 1)
        bars.append(
            Bar(
                day=group[0][0],
                people=total,
                x=round(number * step, 1),
                y=HEIGHT - height,
                width=min(_WIDEST, round(step * _FILLED, 1)),
                height=height,
                has_label=number % labelled == 0,
            )
        )
    return Chart(bars, per_bar == 1, top)


def _round_above(number: int) -> int:
    """The next of 1, 2, 5, 10, 20, 25, 50, 100 … from `number` on."""
    if number <= 1:
        return 1
    power = 10 ** math.floor(math.log10(number))
    return int(next(top for step in (1, 2, 2.5, 5, 10) if (top := step * power) >= number))
