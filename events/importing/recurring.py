"""The events of a calendar's entry that recurs."""

from dataclasses import dataclass
from datetime import date, datetime

from ..models import Event, Series
from ..recurrence import (
    MAX_OCCURRENCES,
    InvalidRecurrence,
    Recurrence,
    Turn,
    parse_exclusion,
    parse_rule,
)
from ..services.editing import times_at
from ..services.series import (
    SHARED,
    check_lengths,
    new_series,
    occurrences_of,
    plan_occurrences,
)
from ..zones import at_wall_clock, wall_clock
from .calendars import CalendarRow


@dataclass(frozen=True, slots=True)
class Recurring:
    """A series, none for an entry that only lists its dates, and the events to be."""

    series: Series | None
    events: list[Event]


def recurring(
    row: CalendarRow, first: Event, changed: list[tuple[CalendarRow, Event]], now: datetime
) -> Recurring:
    """What an entry with RRULE or RDATE stands for; `first` is its event without them.

    All occurrences of a rule that has an end and not too many of them, else those to come.
    `changed` are instead of those that they name. Raises `InvalidRecurrence`, `ValidationFailed`.
    """
    zone = first.zone
    local = wall_clock(first.start_time, zone)
    series, turns = None, [Turn(local, first.start_time)]
    if row.rule:
        excluded = frozenset(parse_exclusion(text, zone) for text in row.excluded)
        series = _series(first, Recurrence(parse_rule(row.rule), excluded), now)
        turns = _turns(series, now)
    moved = {parse_exclusion(change.occurrence, zone): event for change, event in changed}
    added = {_instant(parse_exclusion(text, zone), first) for text in row.added}
    if len(turns) + len(added) + len(moved) > MAX_OCCURRENCES:
        raise InvalidRecurrence(f"There are more than {MAX_OCCURRENCES} occurrences.")

    events = []
    for turn in turns:
        event = moved.pop(turn.at, None) or moved.pop(turn.nominal.date(), None)
        if event is not None:
            event.series, event.nominal_start, event.edited_by_hand = series, turn.nominal, True
        events.append(event or _event(first, series, turn, now))
    for event in moved.values():
        event.series, event.edited_by_hand = series, series is not None
        events.append(event)
    for at in sorted(added - {turn.at for turn in turns}):
        event = _event(first, series, Turn(wall_clock(at, zone), at), now)
        event.nominal_start, event.edited_by_hand = None, series is not None
        events.append(event)
    for number, event in enumerate(events):
        event.import_key = first.import_key if number == 0 else None
    return Recurring(series, events)


def _series(first: Event, recurrence: Recurrence, now: datetime) -> Series:
    series = new_series(
        first.organizer,
        recurrence,
        now,
        status=first.status,
        start_time=first.start_time,
        end_time=first.end_time,
        **{name: getattr(first, name) for name in SHARED},
    )
    check_lengths(series)
    return series


def _turns(series: Series, now: datetime) -> list[Turn]:
    is_endless = series.schedule.rule.is_endless
    try:
        after = now if is_endless and series.start_time <= now else None
        turns = plan_occurrences(series, now, after=after)
    except InvalidRecurrence:
        if is_endless:
            raise
        turns = series.schedule.occurrences(after=now)
    if not turns:
        raise InvalidRecurrence("The rule gives no occurrence, or none that is still to come.")
    return turns


def _event(first: Event, series: Series | None, turn: Turn, now: datetime) -> Event:
    if series is not None:
        return next(occurrences_of(series, [turn], now))
    shared = {name: getattr(first, name) for name in SHARED}
    times = times_at(first, turn.at, first.zone)
    return Event(organizer=first.organizer, status=first.status, **shared, **times)


def _instant(moment: date | datetime, first: Event) -> datetime:
    """When an added date is: a day has the first event's time on the clock."""
    if isinstance(moment, datetime):
        return moment
    clock = wall_clock(first.start_time, first.zone).time()
    try:
        return at_wall_clock(datetime.combine(moment, clock), first.zone)
    except OverflowError as error:
        raise InvalidRecurrence(f"{moment} is beyond the calendar.") from error
