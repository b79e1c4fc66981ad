"""The events of a calendar's entry that recurs."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo

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
from .keys import identity_key

_INSTANT = timedelta(microseconds=1)


@dataclass(slots=True)
class Recurring:
    """A series, none for an entry that only lists its dates, and the events to be.

    `changed` are the entries that change an occurrence, by the nominal start of that. `left_out`
    says which occurrences are not imported.
    """

    series: Series | None
    events: list[Event]
    changed: list[tuple[datetime, CalendarRow]] = field(default_factory=list)
    left_out: str = ""


def recurring(
    row: CalendarRow, first: Event, changed: list[tuple[CalendarRow, Event]], now: datetime
) -> Recurring:
    """What an entry with RRULE or RDATE stands for; `first` is its event without them.

    `changed` are instead of the occurrences that they name. EXDATE applies to all dates. Raises
    `InvalidRecurrence`, `ValidationFailed`.
    """
    zone = first.zone
    made = Recurring(None, [])
    dates: dict[datetime, str] = {first.start_time: ""}  # with their own end, where they have one
    turns: dict[datetime, Turn] = {}
    excluded = frozenset(parse_exclusion(text, zone) for text in row.excluded)
    if row.rule:
        made.series = _series(first, Recurrence(parse_rule(row.rule), excluded), now)
        turns = {turn.at: turn for turn in _turns(made.series, made, now)}
        dates = dict.fromkeys(turns, "")
    for text, end in row.added:
        dates.setdefault(_instant(parse_exclusion(text, zone), first), end)
    kept = {at for at in dates if not {at, wall_clock(at, zone).date()} & excluded}
    replaced = {_nominal(change, row, first): (change, event) for change, event in changed}
    if len(kept | replaced.keys()) > MAX_OCCURRENCES:
        raise InvalidRecurrence(f"There are more than {MAX_OCCURRENCES} occurrences.")
    if not kept | replaced.keys():
        raise InvalidRecurrence("Every occurrence is excluded.")

    for at in sorted(kept | replaced.keys()):
        change, event = replaced.get(at, (None, None))
        turn = turns.get(at, Turn(wall_clock(at, zone), at))
        if event is None:
            event = _event(first, made.series, turn, now)
            if own_end := dates.get(at):
                event.end_time = _instant(parse_exclusion(own_end, zone), first)
        event.series = made.series
        event.nominal_start = turn.nominal if at in turns else None
        if change is not None or at not in turns:  # otherwise than the rule gives it
            event.edited_by_hand = made.series is not None
            name = change.occurrence if change else _occurrence_text(row, at, zone)
            event.import_key = identity_key(f"{row.identity} {name}")
            event.import_sequence = (change or row).sequence
        made.events.append(event)
    made.changed = [(at, change) for at, (change, _) in replaced.items()]
    made.events[0].import_key = first.import_key
    made.events[0].import_sequence = first.import_sequence
    return made


def cancelled_occurrence(row: CalendarRow, change: CalendarRow, first: Event) -> Event:
    """The event of an occurrence that a calendar cancels, with what the series has."""
    at = _nominal(change, row, first)
    event = _event(first, None, Turn(wall_clock(at, first.zone), at), first.created_at)
    event.status, event.cancelled_at = Event.Status.CANCELLED, first.created_at
    return event


def _occurrence_text(row: CalendarRow, at: datetime, zone: tzinfo) -> str:
    """What names an occurrence beside the UID, as RECURRENCE-ID would: its nominal start or day."""
    if row.is_whole_day:
        return wall_clock(at, zone).date().isoformat()
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def _nominal(change: CalendarRow, row: CalendarRow, first: Event) -> datetime:
    """When the occurrence that an entry changes would be; days compare as they are written."""
    named = change.occurrence_day if row.is_whole_day else change.occurrence
    return _instant(parse_exclusion(named, first.zone), first)


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


def _turns(series: Series, made: Recurring, now: datetime) -> list[Turn]:
    """All occurrences of a rule that has an end and not too many of them, else those to come.

    Of a rule that is over the last ones are left.
    """
    is_endless = series.schedule.rule.is_endless
    has_begun = series.start_time <= now
    if is_endless and has_begun:
        made.left_out = "Occurrences that are over are left out."
    try:
        turns = plan_occurrences(series, now, after=now if is_endless and has_begun else None)
    except InvalidRecurrence:
        if is_endless or not has_begun:
            raise
        turns = series.schedule.occurrences(after=now)
        made.left_out = "Occurrences that are over are left out: there are too many."
        if not turns:
            turns = _last(series, now)
            made.left_out = (
                f"Of this past series the last {len(turns)} occurrences are imported: "
                f"a series has at most {MAX_OCCURRENCES}."
            )
    if not turns:
        raise InvalidRecurrence("The rule gives no occurrence, or none that is still to come.")
    return turns


def _last(series: Series, now: datetime) -> list[Turn]:
    """The last occurrences of a series that is over, as many as one may have.

    The length of the time in which they are is found by halving: half of it has at most as many,
    and so has the half before.
    """
    schedule = series.schedule
    until, end = schedule.until, now
    if until is not None:
        last_day = until.date() if isinstance(until, datetime) else until
        end = min(now, datetime.combine(last_day + timedelta(days=2), datetime.min.time(), UTC))
    length = end - series.start_time
    for _ in range(20):
        try:
            turns = schedule.occurrences(end - length - _INSTANT, end)
        except InvalidRecurrence:
            length /= 2
        else:
            break
    else:
        return []
    try:
        before = schedule.occurrences(end - 2 * length - _INSTANT, end - length - _INSTANT)
    except InvalidRecurrence:
        before = []
    return [*before, *turns][-MAX_OCCURRENCES:]


def _event(first: Event, series: Series | None, turn: Turn, now: datetime) -> Event:
    if series is not None:
        return next(iter(occurrences_of(series, [turn], now)))
    shared = {name: getattr(first, name) for name in SHARED}
    times = times_at(first, turn.at, first.zone)
    return Event(organizer=first.organizer, status=first.status, **shared, **times)


def _instant(moment: date | datetime, first: Event) -> datetime:
    """When a date is: a day has the first event's time on the clock."""
    if isinstance(moment, datetime):
        return moment
    clock = wall_clock(first.start_time, first.zone).time()
    try:
        return at_wall_clock(datetime.combine(moment, clock), first.zone)
    except OverflowError as error:
        raise InvalidRecurrence(f"{moment} is beyond the calendar.") from error
