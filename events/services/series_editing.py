"""Editing a series: its coming occurrences follow, and who registered stays with theirs."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.audit import audited
from config.api.conditional import check_version
from config.errors import FieldError, ValidationFailed

from ..errors import CapacityBelowRegistered, EventStarted
from ..models import Event, Series
from ..recurrence import (
    InvalidRecurrence,
    Recurrence,
    Rule,
    expand,
    matched,
    moved_moment,
    parse_rule,
    turns_before,
)
from ..signals import events_edited
from ..zones import at_wall_clock, same_wall_clock, wall_clock
from .editing import IN_CALENDAR, check_times, organizer_first, times_at
from .series import (
    AHEAD,
    SHARED,
    check_lengths,
    drop_events,
    lock_events,
    lock_series,
    occurrences_of,
    refused,
    save_series,
)

_TIMES = ("start_time", "end_time", "registration_opens_at", "registration_closes_at")
_COMPARED = (*SHARED, *_TIMES, "category")
_DAY = timedelta(days=1)
_OUT_OF_THE_RULE = "The dates of the series were changed."


@transaction.atomic
@organizer_first
@audited("edited")
def edit_series(
    series: Series,
    changes: dict[str, Any],
    *,
    from_event: int | None = None,
    keep_local_time: bool = False,
    expected_versions: set[str] | None = None,
) -> Series:
    """Apply `changes`, a value by column, to a series and its coming occurrences.

    Left alone are events that have started, are cancelled or were edited by hand and, with
    `from_event`, those before that one. Times are those of the first occurrence, or of
    `from_event`, and the others move alike. An occurrence that the rule has no more is removed,
    or cancelled when somebody is registered.

    Raises `ValidationFailed`, `EventStarted` when `from_event` has, `CapacityBelowRegistered`.
    """
    series = lock_series(series.pk)
    check_version(series.edit_tag, expected_versions)
    now = timezone.now()
    since = _since(series, from_event, now)
    is_coming = Q(occurrence_at__gt=now) | Q(start_time__gt=now, deleted_at=None)
    events = lock_events(series.events.filter(is_coming))
    reached = {event.pk: event for event in events if _is_reached(event, now, since)}
    before = {pk: _values(event) for pk, event in reached.items()}
    series_before = {**_values(series), "rule": series.rule, "excluded": series.excluded}

    plain = {name: value for name, value in changes.items() if name in {*SHARED, "category"}}
    moves = _moves(series, changes, since, now, keep_local_time=keep_local_time)
    outcome = _Outcome()
    if moves is not None:
        outcome = _follow(series, moves, events, reached, now)
    for row in (series, *reached.values()):
        for name, value in plain.items():
            setattr(row, name, value)
    for event in outcome.dropped:
        del reached[event.pk]
    _check_capacity(list(reached.values()))

    is_new = {**_values(series), "rule": series.rule, "excluded": series.excluded} != series_before
    edits = [
        (event, was) for pk, event in reached.items() if (was := _difference(before[pk], event))
    ]
    if is_new or edits:
        save_series(series, now)
    _save(edits, now)
    Event.objects.bulk_update(outcome.renumbered, ["occurrence_at"])
    drop_events(outcome.dropped, now, reason=_OUT_OF_THE_RULE)
    Event.objects.bulk_create(occurrences_of(series, outcome.missing, now))
    if edits:
        events_edited.send(Event, edits=edits)
    return series


# --- Whom it reaches ----------------------------------------------------------------------------


def _since(series: Series, from_event: int | None, now: datetime) -> datetime | None:
    """When the rule has the first occurrence that is meant."""
    if from_event is None:
        return None
    event = series.events.existing().filter(pk=from_event).first()
    if event is None:
        raise ValidationFailed(
            FieldError("from_event", "invalid_choice", "Name an event of this series.")
        )
    if event.has_started(now):
        raise EventStarted("That event has started; name one that is still to come.")
    return event.occurrence_at or event.start_time


def _is_reached(event: Event, now: datetime, since: datetime | None) -> bool:
    return (
        event.deleted_at is None
        and event.status != Event.Status.CANCELLED
        and not event.edited_by_hand
        and event.start_time > now
        and (since is None or (event.occurrence_at or event.start_time) >= since)
    )


# --- When it takes place ------------------------------------------------------------------------


@dataclass
class _Moves:
    """What becomes of a series' times.

    `since` is the first old instant that is in question. `shift` is by how much all occurrences
    move on the clock, None with a new rule.
    """

    since: datetime
    times: dict[str, datetime | None]
    recurrence: Recurrence
    zones: tuple[ZoneInfo, ZoneInfo]
    shift: timedelta | None


@dataclass
class _Outcome:
    """What else follows for events: no more in the rule, only their place in it, not there yet."""

    dropped: list[Event] = field(default_factory=list)
    renumbered: list[Event] = field(default_factory=list)
    missing: list[datetime] = field(default_factory=list)


def _moves(
    series: Series,
    changes: dict[str, Any],
    since: datetime | None,
    now: datetime,
    *,
    keep_local_time: bool,
) -> _Moves | None:
    """None when no time changes: another zone alone keeps the instants, those to come as well."""
    old_zone = series.rule_zone
    anchor = series.start_time if since is None else since
    times = {name: getattr(series, name) for name in _TIMES}
    if since is not None:
        times = times_at(series, since, old_zone)
    keeps_clock = keep_local_time and changes.get("timezone", series.timezone) != series.timezone
    given = {
        name: changes[name] for name in _TIMES if changes.get(name, times[name]) != times[name]
    }
    has_new_rule = "rule" in changes and (since is not None or changes["rule"] != series.rule)
    excluded = changes.get("excluded", series.excluded)
    if not (keeps_clock or given or has_new_rule or excluded != series.excluded):
        return None

    new_zone = old_zone
    if keeps_clock or has_new_rule or "start_time" in given:
        new_zone = ZoneInfo(changes.get("timezone", series.timezone))
    if keeps_clock:
        shown_in = ZoneInfo(series.timezone)
        start = same_wall_clock(times["start_time"], shown_in, new_zone)
        times = times_at(Event(**times), start, new_zone, planned_in=shown_in)
    start = given.get("start_time", times["start_time"])
    times = times_at(Event(**times), start, new_zone) | given
    if has_new_rule:
        recurrence = Recurrence(parse_rule(changes["rule"]), frozenset(excluded))
        return _Moves(anchor, times, recurrence, (old_zone, new_zone), None)
    try:
        rule, shift, days = _moved_rule(series, anchor, wall_clock(start, new_zone))
        if "excluded" not in changes:
            excluded = [moved_moment(text, shift, days=days) for text in excluded]
    except InvalidRecurrence as error:
        raise refused(error) from error
    except OverflowError as error:
        reason = "Its end would be beyond the calendar. Send the new recurrence as well."
        raise refused(InvalidRecurrence(reason)) from error
    return _Moves(anchor, times, Recurrence(rule, frozenset(excluded)), (old_zone, new_zone), shift)


def _moved_rule(series: Series, anchor: datetime, start: datetime) -> tuple[Rule, timedelta, int]:
    """The rule whose first occurrence was at `anchor` and now is at `start` on the clock.

    Also by how much the others move, and how many whole days that is. A start on a later day of
    the same rule moves none of them to another day: the series only begins there.
    """
    zone, rule = series.rule_zone, series.recurrence.rule
    was = wall_clock(anchor, zone)
    shift, days = start - was, (start.date() - was.date()).days
    first = anchor
    if days:
        midnight = at_wall_clock(datetime.combine(start, datetime.min.time()), zone)
        on_that_day = expand(
            Recurrence(rule),
            series.start_time,
            zone,
            after=midnight - timedelta(microseconds=1),
            to=midnight + _DAY,
        )
        if on_that_day:
            first, shift, days = on_that_day[0], shift - days * _DAY, 0
    if rule.count is not None:
        rule = rule.from_turn(turns_before(rule, series.start_time, zone, first))
    return rule.moved_by(shift, zone, days=days), shift, days


def _follow(
    series: Series,
    moves: _Moves,
    events: list[Event],
    reached: dict[int, Event],
    now: datetime,
) -> _Outcome:
    """Give the series and the events that it reaches their new times."""
    in_question = {
        event.occurrence_at: event
        for event in events
        if event.occurrence_at
        and event.occurrence_at > max(now, moves.since - timedelta.resolution)
    }
    within = min(series.recurrence.rule.period, moves.recurrence.rule.period)
    _set_times(series, moves)
    check_times(series, set(), now)
    check_lengths(series)
    past, coming = _instants(series, moves.recurrence, moves.zones[1], now)
    pairs = matched(
        in_question, [*past, *coming], zones=moves.zones, shift=moves.shift, within=within
    )

    outcome = _Outcome()
    for was, event in in_question.items():
        at = pairs.get(was)
        if at is None and event.pk in reached:
            outcome.dropped.append(event)
        if at is None or at <= now:  # what would be over by now stays as it is
            continue
        if at != was:
            event.occurrence_at = at
            outcome.renumbered.append(event)
        if event.pk in reached:
            for name, moment in times_at(series, at, moves.zones[1]).items():
                setattr(event, name, moment)
    there = {event.occurrence_at for event in events if event not in outcome.dropped}
    outcome.missing = [at for at in coming if at not in there]
    return outcome


def _set_times(series: Series, moves: _Moves) -> None:
    for name, moment in moves.times.items():
        setattr(series, name, moment)
    series.rule = moves.recurrence.rule.text
    series.excluded = sorted(moves.recurrence.excluded)
    series.rule_timezone = moves.zones[1].key


def _instants(
    series: Series, recurrence: Recurrence, zone: tzinfo, now: datetime
) -> tuple[list[datetime], list[datetime]]:
    """Those of the last turn, and those to come. Says how far the series is filled."""
    rule, start = recurrence.rule, series.start_time
    series.filled_to = max(start, now) + AHEAD if rule.is_endless else None
    look_back = now - min(rule.period, AHEAD) - 2 * _DAY
    try:
        past = expand(recurrence, start, zone, after=look_back, to=now)
        coming = expand(recurrence, start, zone, after=now, to=series.filled_to)
    except InvalidRecurrence as error:
        raise refused(error) from error
    if not coming and rule.is_endless:
        raise refused(InvalidRecurrence("The rule gives no occurrence in the year to come."))
    return past, coming


# --- Writing ------------------------------------------------------------------------------------


def _values(row: Event | Series) -> dict[str, Any]:
    return {name: getattr(row, name) for name in _COMPARED}


def _difference(before: dict[str, Any], event: Event) -> dict[str, Any]:
    """What was before, of the fields that changed."""
    return {name: old for name, old in before.items() if getattr(event, name) != old}


def _check_capacity(events: list[Event]) -> None:
    too_small = [
        event.registered_count
        for event in events
        if event.max_capacity is not None and event.max_capacity < event.registered_count
    ]
    if too_small:
        registered = max(too_small)
        raise CapacityBelowRegistered(
            f"{registered} people are registered for one of the events; "
            f"choose a capacity of at least {registered}.",
            minimum=registered,
        )


def _save(edits: list[tuple[Event, dict[str, Any]]], now: datetime) -> None:
    """All in one statement."""
    changed = {name for _, was in edits for name in was}
    for event, was in edits:
        event.version += 1
        event.updated_at = now
        if was.keys() & IN_CALENDAR:
            event.sequence += 1
    if edits:
        Event.objects.bulk_update(
            [event for event, _ in edits], [*changed, "version", "sequence", "updated_at"]
        )
