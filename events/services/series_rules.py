"""Replacing the rule of a series: its coming occurrences get times of the new rule."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from ..models import Event, Series
from ..recurrence import (
    MAX_OCCURRENCES,
    InvalidRecurrence,
    Rule,
    Schedule,
    Turn,
    match_turns,
)
from ..zones import at_wall_clock, wall_clock
from .editing import check_times
from .planned_times import times_after
from .series import check_lengths, set_filled_to
from .series_moving import (
    Anchor,
    Edit,
    Effects,
    TimeChange,
    forget_former_rules,
    rule_of,
    set_times,
)

# Turns of the last days are matched as well: the new time of an event of today may be past.
_LOOK_BACK = timedelta(days=3)


@dataclass(frozen=True)
class NewRule:
    """A rule, the nominal days and instants that it excludes, and the zone that it is in."""

    rule: Rule
    excluded: frozenset[date]
    zone: ZoneInfo


def change_rule(
    edit: Edit,
    new: NewRule,
    change: TimeChange | None,
    *,
    keeps_clock: bool,
) -> Effects:
    """Applies a rule from the anchor on.

    An event gets the turn of its nominal start, else one of its day, else the next free one. Events
    without a turn are dropped. Cancelled, deleted and hand-edited events keep their nominal start,
    where no other event is created. Raises `InvalidRecurrence`.
    """
    series, anchor = edit.series, edit.anchor
    candidates = [
        event
        for event in edit.events
        if event.nominal_start is not None
        and (event.rule_number == series.rule_number if anchor.is_whole else anchor.reaches(event))
    ]
    nominal = {
        event.pk: _nominal_in(series, event, new.zone, keeps_clock=keeps_clock)
        for event in candidates
    }
    _set_rule(series, anchor, new, change)
    check_times(series, set(), edit.now)
    check_lengths(series)
    coming, passed = _turns(series, edit.now)

    live = [event for event in candidates if event.pk in edit.reached]
    fixed = [event for event in candidates if event.pk not in edit.reached]
    taken = {nominal[event.pk] for event in fixed}
    matches = match_turns(
        [nominal[event.pk] for event in live],
        [turn for turn in coming if turn.nominal not in taken],
        [turn for turn in passed if turn.nominal not in taken],
    )

    effects = Effects()
    for event, turn in zip(live, matches, strict=True):
        if turn is None:
            effects.dropped.append(event)
            continue
        event.nominal_start, event.rule_number = turn.nominal, series.rule_number
        effects.renumbered.append(event)
        set_times(series, event, edit.now)
    for event in fixed:
        # Two events may have the same time in the new zone. The second one leaves the rule.
        is_first = nominal[event.pk] in taken
        taken.discard(nominal[event.pk])
        event.nominal_start = nominal[event.pk] if is_first else None
        event.rule_number = series.rule_number
        effects.renumbered.append(event)
    effects.missing = _missing(coming, [*fixed, *live], effects.dropped, series)
    forget_former_rules(series, [event for event in edit.events if event not in effects.dropped])
    return effects


def _nominal_in(series: Series, event: Event, zone: ZoneInfo, *, keeps_clock: bool) -> datetime:
    """The nominal start of an event in the zone of the new rule."""
    assert event.nominal_start is not None  # noqa: S101  # it is an occurrence of the rule
    old_zone, _ = rule_of(series, event.rule_number)
    if keeps_clock or old_zone == zone:
        return event.nominal_start
    return wall_clock(at_wall_clock(event.nominal_start, old_zone), zone)


def _set_rule(series: Series, anchor: Anchor, new: NewRule, change: TimeChange | None) -> None:
    """Sets the rule from the anchor on. A rule with occurrences before it becomes a former one."""
    zone = new.zone
    old_zone, offsets = rule_of(series, anchor.rule_number)
    if not anchor.is_whole:
        former = {"timezone": old_zone.key, "offsets": offsets}
        series.former_rules = {**series.former_rules, str(anchor.rule_number): former}
    nominal, start = anchor.turn
    times: dict[str, Any] = dict(anchor.times)
    if change is not None:
        nominal, start = nominal + change.shift, change.start
        offsets = {**offsets, **change.offsets}
        times = times_after(start, offsets, zone) | dict(change.given)
    elif old_zone != zone:  # the offsets apply to the clock of the new zone
        times = times_after(start, offsets, zone)
    if (change.zone if change and change.zone else old_zone) != zone:
        nominal = wall_clock(start, zone)
    series.rule_number += 1
    series.clock_offsets = dict(offsets)
    for name, moment in times.items():
        setattr(series, name, moment)
    series.schedule = Schedule(new.rule, nominal, zone, zone, first_at=start, excluded=new.excluded)


def _turns(series: Series, now: datetime) -> tuple[list[Turn], list[Turn]]:
    """The coming turns and those of the last days. Several may have the same instant."""
    schedule = series.schedule
    schedule.check()
    set_filled_to(series, now)
    turns = schedule.turns(now, series.filled_to)
    coming = [turn for turn in islice(turns, 10 * MAX_OCCURRENCES) if not schedule.excludes(turn)]
    if schedule.rule.is_endless and not coming:
        coming = schedule.planned(now, series.filled_to)
        if not coming:
            raise InvalidRecurrence("The rule gives no further occurrence.")
    passed = schedule.turns(now - _LOOK_BACK, now)
    return coming, [turn for turn in passed if not schedule.excludes(turn)]


def _missing(
    coming: list[Turn], events: list[Event], dropped: list[Event], series: Series
) -> list[Turn]:
    """The turns without an event. Of several with the same instant, the first one."""
    dropped_ids = {event.pk for event in dropped}
    existing = {event.nominal_start for event in events if event.pk not in dropped_ids}
    instants = {series.turn_at(nominal).at for nominal in existing if nominal is not None}
    missing = []
    for turn in coming:
        if turn.nominal not in existing and turn.at not in instants:
            instants.add(turn.at)
            missing.append(turn)
    return missing
