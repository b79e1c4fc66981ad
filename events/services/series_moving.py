"""Moving a series: each occurrence moves by the same difference on the clock."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count, islice
from typing import Any
from zoneinfo import ZoneInfo

from config.errors import FieldError, ValidationFailed

from ..models import Event, Series
from ..recurrence import MAX_OCCURRENCES, Schedule, Turn
from ..zones import at_wall_clock, wall_clock
from .editing import check_times
from .planned_times import TIMES, ClockOffsets, clock_offset, times_after, times_of
from .series import check_lengths, set_filled_to


@dataclass(frozen=True)
class Anchor:
    """The occurrence that an edit has the times of. The edit applies to it and to later ones.

    With `is_whole` it is the first occurrence, and the edit applies to all.
    """

    rule_number: int
    turn: Turn
    times: Mapping[str, datetime | None]
    is_whole: bool = False

    def reaches(self, event: Event) -> bool:
        """Whether an event is this one or later. Rule numbers are in the order of their turns."""
        if self.is_whole:
            return True
        if event.nominal_start is None:
            return event.start_time >= self.turn.at
        return (event.rule_number, event.nominal_start) >= (self.rule_number, self.turn.nominal)

    def reaches_turn(self, series: Series, turn: Turn) -> bool:
        key = (series.rule_number, turn.nominal)
        return self.is_whole or key >= (self.rule_number, self.turn.nominal)


@dataclass(frozen=True)
class TimeChange:
    """A change of times. `shift` is the difference of starts on the clock.

    `start` is the new start of the anchor. `zone` is the new zone of all rules that the edit
    applies to. With None each rule keeps its zone. `offsets` has the new clock offsets, and `given`
    the times of the edit, by name.
    """

    shift: timedelta
    start: datetime
    zone: ZoneInfo | None
    offsets: ClockOffsets
    given: Mapping[str, datetime | None]


@dataclass(frozen=True)
class Edit:
    """An edit of a series, with its coming events, locked.

    `reached` has the ids of the events that the edit applies to.
    """

    series: Series
    anchor: Anchor
    events: list[Event]
    reached: set[int]
    now: datetime

    @property
    def current(self) -> list[tuple[datetime, Event]]:
        """The events of the current rule, with their nominal starts."""
        return [
            (event.nominal_start, event)
            for event in self.events
            if event.rule_number == self.series.rule_number and event.nominal_start is not None
        ]


@dataclass
class Effects:
    """The effects of an edit on occurrences, beside their new times."""

    dropped: list[Event] = field(default_factory=list)
    renumbered: list[Event] = field(default_factory=list)
    missing: list[Turn] = field(default_factory=list)

    def add(self, other: "Effects") -> None:
        self.dropped += other.dropped
        self.renumbered += other.renumbered
        self.missing += other.missing


def rule_of(series: Series, number: int) -> tuple[ZoneInfo, ClockOffsets]:
    """The zone and the clock offsets of a current or former rule of a series."""
    former = series.former_rules.get(str(number))
    if number == series.rule_number or former is None:
        return series.rule_zone, series.clock_offsets
    return ZoneInfo(former["timezone"]), former["offsets"]


def change_times(
    series: Series,
    changes: dict[str, Any],
    anchor: Anchor,
    now: datetime,
    *,
    keep_local_time: bool,
) -> TimeChange | None:
    """The change of times, or None. Another zone alone changes no instant."""
    rule_zone, _ = rule_of(series, anchor.rule_number)
    new_name = changes.get("timezone", series.timezone)
    is_new_zone = new_name != series.timezone
    keeps_clock = keep_local_time and is_new_zone
    given = {
        name: changes[name]
        for name in TIMES
        if name in changes and changes[name] != anchor.times[name]
    }
    if not (given or keeps_clock):
        return None
    zone = None
    if keeps_clock or (is_new_zone and "start_time" in given):
        zone = ZoneInfo(new_name)
    clocks = zone or rule_zone
    nominal, start = anchor.turn
    if "start_time" in given:
        start = given["start_time"]
        nominal = wall_clock(start, clocks)
        if start <= now < anchor.turn.at:
            error = FieldError("start_time", "in_the_past", "Choose a start in the future.")
            raise ValidationFailed(error)
    elif keeps_clock:
        if rule_zone.key != series.timezone:
            nominal = wall_clock(start, ZoneInfo(series.timezone))
        start = at_wall_clock(nominal, clocks)
    offsets = {
        name: None if moment is None else clock_offset(start, moment, clocks)
        for name, moment in given.items()
        if name != "start_time"
    }
    return TimeChange(nominal - anchor.turn.nominal, start, zone, offsets, given)


def move_series(edit: Edit, change: TimeChange) -> Effects:
    """Moves a series and its events from the anchor on. No event is dropped.

    The nominal start of every coming event moves, so that cancelled, deleted and hand-edited events
    stay occurrences of the rule. An event whose new start would be past keeps its times.
    """
    series, anchor = edit.series, edit.anchor
    old = series.schedule
    is_inside = not anchor.is_whole and anchor.rule_number == series.rule_number
    rest = old.from_turn(anchor.turn.nominal) if is_inside else old
    if rest is None:  # later than all turns
        return Effects()
    numbers = _renumber(series, anchor, change)
    _move_rule(edit, change, rest)
    check_times(series, set(), edit.now)
    check_lengths(series)

    effects = Effects()
    for event in edit.events:
        if event.nominal_start is None or not anchor.reaches(event):
            continue
        event.nominal_start += change.shift
        event.rule_number = numbers.get(event.rule_number, series.rule_number)
        effects.renumbered.append(event)
        if event.pk in edit.reached:
            set_times(series, event, edit.now)
    effects.missing = _missing(edit, rest, change.shift)
    forget_former_rules(series, edit.events)
    return effects


def _renumber(series: Series, anchor: Anchor, change: TimeChange) -> dict[int, int]:
    """Gives new numbers, in order, to the rules that the edit applies to. Returns new by old ones.

    Events before the anchor keep the old number, and so their nominal starts, zone and lengths.
    Such events may exist even before the first turn, edited by hand before the rule was changed.
    """
    former = {int(number): rule for number, rule in series.former_rules.items()}
    reached = sorted(
        number
        for number in {*former, series.rule_number}
        if anchor.is_whole or number >= anchor.rule_number
    )
    numbers = dict(zip(reached, count(series.rule_number + 1), strict=False))
    for number in reached:
        if number == series.rule_number:
            continue
        rule = former[number]
        if anchor.is_whole or number > anchor.rule_number:
            del former[number]
        former[numbers[number]] = {
            "timezone": change.zone.key if change.zone else rule["timezone"],
            "offsets": {**rule["offsets"], **change.offsets},
        }
    if not anchor.is_whole and anchor.rule_number == series.rule_number:
        former[series.rule_number] = {
            "timezone": series.rule_timezone,
            "offsets": series.clock_offsets,
        }
    series.former_rules = {str(number): rule for number, rule in former.items()}
    series.rule_number = numbers[series.rule_number]
    return numbers


def _move_rule(edit: Edit, change: TimeChange, rest: Schedule) -> None:
    """Sets the moved rest of the rule, and the times of its first occurrence."""
    series, anchor = edit.series, edit.anchor
    zone = change.zone or rest.zone
    is_anchor = anchor.is_whole or rest.nominal_start == anchor.turn.nominal
    nominal = rest.nominal_start + change.shift
    start = change.start if is_anchor else at_wall_clock(nominal, zone)
    series.clock_offsets = {**series.clock_offsets, **change.offsets}
    times = times_after(start, series.clock_offsets, zone)
    if is_anchor:
        times |= change.given
    for name, moment in times.items():
        setattr(series, name, moment)
    series.schedule = rest.moved(change.shift, zone, start)
    set_filled_to(series, edit.now)


def set_times(series: Series, event: Event, now: datetime) -> None:
    """Sets the times of an event by its nominal start, unless its start would be past."""
    assert event.nominal_start is not None  # noqa: S101  # it is an occurrence of the rule
    if event.rule_number == series.rule_number:
        times = times_of(series, series.turn_at(event.nominal_start))
    else:
        zone, offsets = rule_of(series, event.rule_number)
        times = times_after(at_wall_clock(event.nominal_start, zone), offsets, zone)
    if times["start_time"] > now:
        for name, moment in times.items():
            setattr(event, name, moment)


def _missing(edit: Edit, old: Schedule, shift: timedelta) -> list[Turn]:
    """The coming turns of the moved rule that no event has, if they were coming before it moved.

    There are two causes: an endless rule now reaches further into the year ahead, or a change of
    the clocks had put two turns at one instant.
    """
    schedule = edit.series.schedule
    existing = {nominal for nominal, _ in edit.current}
    instants = {schedule.turn_at(nominal).at for nominal in existing}
    missing = []
    for turn in islice(schedule.turns(edit.now, edit.series.filled_to), 2 * MAX_OCCURRENCES):
        was_to_come = old.turn_at(turn.nominal - shift).at > edit.now
        is_free = turn.nominal not in existing and turn.at not in instants
        if was_to_come and is_free and not schedule.excludes(turn):
            instants.add(turn.at)
            missing.append(turn)
    return missing


def forget_former_rules(series: Series, events: list[Event]) -> None:
    used = {str(event.rule_number) for event in events if event.nominal_start is not None}
    series.former_rules = {
        number: rule for number, rule in series.former_rules.items() if number in used
    }
