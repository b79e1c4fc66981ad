"""The events of a calendar's entry that recurs."""

from dataclasses import dataclass
from datetime import datetime

from ..models import Event, Series
from ..recurrence import (
    MAX_OCCURRENCES,
    InvalidRecurrence,
    Recurrence,
    expand,
    parse_moment,
    parse_rule,
)
from ..services.editing import times_at
from ..services.series import AHEAD, SHARED, check_lengths, occurrences_of
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
    series, instants = None, [first.start_time]
    if row.rule:
        excluded = frozenset(parse_moment(text, zone) for text in row.excluded)
        recurrence = Recurrence(parse_rule(row.rule), excluded)
        series = _series(first, recurrence)
        instants = _instants(series, recurrence, now)
    moved = {parse_moment(change.occurrence, zone): event for change, event in changed}
    added = [_instant(parse_moment(text, zone), first) for text in row.added]
    if len(instants) + len(added) + len(moved) > MAX_OCCURRENCES:
        raise InvalidRecurrence(f"There are more than {MAX_OCCURRENCES} occurrences.")

    events = []
    for at in instants:
        local = wall_clock(at, zone).isoformat(timespec="seconds")
        event = moved.pop(local, None) or moved.pop(local[:10], None)
        if event is not None:
            event.series, event.occurrence_at, event.edited_by_hand = series, at, True
        events.append(event or _event(first, series, at, now))
    for event in moved.values():
        event.series, event.edited_by_hand = series, series is not None
        events.append(event)
    for at in sorted(set(added) - set(instants)):
        event = _event(first, series, at, now)
        event.occurrence_at, event.edited_by_hand = None, series is not None
        events.append(event)
    for number, event in enumerate(events):
        event.import_key = first.import_key if number == 0 else None
    return Recurring(series, events)


def _series(first: Event, recurrence: Recurrence) -> Series:
    series = Series(
        organizer=first.organizer,
        status=first.status,
        rule=recurrence.rule.text,
        excluded=sorted(recurrence.excluded),
        rule_timezone=first.timezone,
        start_time=first.start_time,
        end_time=first.end_time,
        **{name: getattr(first, name) for name in SHARED},
    )
    check_lengths(series)
    return series


def _instants(series: Series, recurrence: Recurrence, now: datetime) -> list[datetime]:
    start, zone = series.start_time, series.rule_zone
    if recurrence.rule.is_endless:
        series.filled_to = max(start, now) + AHEAD
    is_all = not recurrence.rule.is_endless or start > now
    try:
        found = expand(recurrence, start, zone, after=None if is_all else now, to=series.filled_to)
    except InvalidRecurrence:
        if recurrence.rule.is_endless:
            raise
        found = expand(recurrence, start, zone, after=now)
    if not found:
        raise InvalidRecurrence("The rule gives no occurrence, or none that is still to come.")
    return found


def _event(first: Event, series: Series | None, at: datetime, now: datetime) -> Event:
    if series is not None:
        return next(occurrences_of(series, [at], now))
    shared = {name: getattr(first, name) for name in SHARED}
    times = times_at(first, at, first.zone)
    return Event(organizer=first.organizer, status=first.status, **shared, **times)


def _instant(text: str, first: Event) -> datetime:
    """When an added date is: a day has the first event's time on the clock."""
    moment = datetime.fromisoformat(text)
    if len(text) == len("2027-03-01"):
        moment = datetime.combine(moment, wall_clock(first.start_time, first.zone).time())
    try:
        return at_wall_clock(moment, first.zone)
    except OverflowError as error:
        raise InvalidRecurrence(f"{text} is beyond the calendar.") from error
