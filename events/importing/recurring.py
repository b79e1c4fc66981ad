"""The events of a calendar entry that recurs."""

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
from ..services.planned_times import times_at
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
    """The unsaved series and events of an entry. An entry that only lists dates has no series.

    `changed` has the entries that change an occurrence, each behind the nominal start of that
    occurrence. `left_out` is a note on the occurrences that are not imported.
    """

    series: Series | None
    events: list[Event]
    changed: list[tuple[datetime, CalendarRow]] = field(default_factory=list)
    left_out: str = ""


def recurring(
    row: CalendarRow, first: Event, changed: list[tuple[CalendarRow, Event]], now: datetime
) -> Recurring:
    """The series and events of an entry with RRULE or RDATE. `first` is its event without them.

    The events of `changed` replace the occurrences of their RECURRENCE-IDs. EXDATE applies to all
    dates. Raises `InvalidRecurrence` and `ValidationFailed`.
    """
    zone = first.zone
    result = Recurring(None, [])
    dates: dict[datetime, str] = {first.start_time: ""}  # the end of each date, if it has one
    turns: dict[datetime, Turn] = {}
    excluded = frozenset(parse_exclusion(text, zone) for text in row.excluded)
    if row.rule:
        result.series = _series(first, Recurrence(parse_rule(row.rule), excluded), now)
        turns = {turn.at: turn for turn in _turns(result.series, result, now)}
        dates = dict.fromkeys(turns, "")
    for text, end in row.added:
        dates.setdefault(_instant(parse_exclusion(text, zone), first), end)
    included = {at for at in dates if not {at, wall_clock(at, zone).date()} & excluded}
    replaced = {_nominal(change, row, first): (change, event) for change, event in changed}
    starts = sorted(included | replaced.keys())
    if len(starts) > MAX_OCCURRENCES:
        raise InvalidRecurrence(f"There are more than {MAX_OCCURRENCES} occurrences.")
    if not starts:
        raise InvalidRecurrence("Every occurrence is excluded.")

    for at in starts:
        change, event = replaced.get(at, (None, None))
        turn = turns.get(at, Turn(wall_clock(at, zone), at))
        if event is None:
            event = _event(first, result.series, turn, now)
            if own_end := dates.get(at):
                event.end_time = _instant(parse_exclusion(own_end, zone), first)
        event.series = result.series
        event.nominal_start = turn.nominal if at in turns else None
        if change is not None or at not in turns:  # not as the rule has it
            event.edited_by_hand = result.series is not None
            name = change.occurrence if change else _occurrence_text(row, at, zone)
            event.import_key = identity_key(f"{row.identity} {name}")
            event.import_sequence = (change or row).sequence
        result.events.append(event)
    result.changed = [(at, change) for at, (change, _) in replaced.items()]
    result.events[0].import_key = first.import_key
    result.events[0].import_sequence = first.import_sequence
    return result


def cancelled_occurrence(row: CalendarRow, change: CalendarRow, first: Event) -> Event:
    """The event of an occurrence that a calendar cancels, with the values of the series."""
    at = _nominal(change, row, first)
    event = _event(first, None, Turn(wall_clock(at, first.zone), at), first.created_at)
    event.status, event.cancelled_at = Event.Status.CANCELLED, first.created_at
    return event


def _occurrence_text(row: CalendarRow, at: datetime, zone: tzinfo) -> str:
    """The RECURRENCE-ID of an occurrence: its nominal start in UTC, or its day."""
    if row.is_whole_day:
        return wall_clock(at, zone).date().isoformat()
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def _nominal(change: CalendarRow, row: CalendarRow, first: Event) -> datetime:
    """The nominal start, in UTC, of the occurrence that an entry changes."""
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


def _turns(series: Series, result: Recurring, now: datetime) -> list[Turn]:
    """All turns of a rule with an end, if there are not too many. Otherwise the coming ones.

    If all are over, the last ones. Sets `left_out` of `result`.
    """
    is_endless = series.schedule.rule.is_endless
    has_begun = series.start_time <= now
    if is_endless and has_begun:
        result.left_out = "Occurrences that are over are left out."
    try:
        turns = plan_occurrences(series, now, after=now if is_endless and has_begun else None)
    except InvalidRecurrence:
        if is_endless or not has_begun:
            raise
        turns = series.schedule.occurrences(after=now)
        result.left_out = "Occurrences that are over are left out: there are too many."
        if not turns:
            turns = _last(series, now)
            result.left_out = (
                f"Of this past series the last {len(turns)} occurrences are imported: "
                f"a series has at most {MAX_OCCURRENCES}."
            )
    if not turns:
        raise InvalidRecurrence("The rule gives no occurrence, or none that is still to come.")
    return turns


def _last(series: Series, now: datetime) -> list[Turn]:
    """The last `MAX_OCCURRENCES` turns of a series that is over.

    The time before the end is halved until it has at most that many turns. The same time before
    that has further ones, unless it has too many.
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
    """The instant of a moment. A day has the wall-clock time of the first event."""
    if isinstance(moment, datetime):
        return moment
    clock = wall_clock(first.start_time, first.zone).time()
    try:
        return at_wall_clock(datetime.combine(moment, clock), first.zone)
    except OverflowError as error:
        raise InvalidRecurrence(f"{moment} is beyond the calendar.") from error
