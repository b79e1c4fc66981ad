"""The times of an event or an occurrence, by their distances on the clock from the start of a plan.

The plan is another event or a series. If a change of the clocks would put a time on the other side
of the start, its distance is in elapsed time.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta, tzinfo
from typing import Any

from ..models import EventDetails, Series
from ..recurrence import Turn
from ..zones import at_wall_clock, wall_clock

# The times of an event and of an occurrence. The first one is the start.
TIMES = (
    "start_time",
    "end_time",
    "registration_opens_at",
    "registration_closes_at",
    "cancellation_closes_at",
)

#: Seconds by the name of a time. None for a time that is not set.
ClockOffsets = Mapping[str, float | None]


def clock_offsets(plan: EventDetails, zone: tzinfo) -> dict[str, float | None]:
    """The distances of a plan's times from its start, on the clock of `zone`."""
    return {
        name: None if moment is None else clock_offset(plan.start_time, moment, zone)
        for name in TIMES[1:]
        for moment in [getattr(plan, name)]
    }


def clock_offset(start: datetime, moment: datetime, zone: tzinfo) -> float:
    """Seconds on the clock, or elapsed seconds where the clock swaps before and after."""
    offset, length = wall_clock(moment, zone) - wall_clock(start, zone), moment - start
    is_same_side = (offset > timedelta()) == (length > timedelta())
    return (offset if is_same_side else length).total_seconds()


def times_after(at: datetime, offsets: ClockOffsets, zone: tzinfo) -> dict[str, Any]:
    """The times, by name, of an occurrence that starts at `at`."""
    times: dict[str, Any] = {"start_time": at}
    local = wall_clock(at, zone)
    for name in TIMES[1:]:
        seconds = offsets.get(name)
        if seconds is None:
            times[name] = None
            continue
        offset = timedelta(seconds=seconds)
        moment = at_wall_clock(local + offset, zone)
        is_same_side = (moment > at) == (offset > timedelta())
        times[name] = moment if is_same_side else at + offset
    return times


def times_at(
    plan: EventDetails, at: datetime, zone: tzinfo, *, planned_in: tzinfo | None = None
) -> dict[str, Any]:
    """The times, by name, of an event that starts at `at`, with the distances of `plan`.

    They are on the clock of `zone` for the event, and of `planned_in` for the plan (by default the
    same zone).
    """
    return times_after(at, clock_offsets(plan, planned_in or zone), zone)


def times_of(series: Series, turn: Turn) -> dict[str, Any]:
    """The times, by name, of an occurrence of the current rule."""
    if turn.nominal == series.nominal_start:
        return {name: getattr(series, name) for name in TIMES}
    return times_after(turn.at, series.clock_offsets, series.rule_zone)
