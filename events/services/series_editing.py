"""Editing a series and its coming occurrences, whose registrations stay.

A move changes times and drops no occurrence. Only another rule or other exclusions may delete or
cancel one.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.audit import audited
from config.api.versions import check_version
from config.errors import FieldError, ValidationFailed

from ..errors import EventStarted, RoleTooLow
from ..models import Event, Right, Series, roles_with
from ..recurrence import InvalidRecurrence, Rule, Turn
from ..signals import events_edited
from ..zones import at_wall_clock, wall_clock
from .attendance import with_attendance_mode
from .editing import CALENDAR_FIELDS, check_capacity, locks_organizer_first
from .planned_times import TIMES, times_after
from .series import (
    SHARED,
    drop_events,
    lock_events,
    lock_series,
    nominal_bound,
    occurrences_of,
    refused,
    save_series,
)
from .series_moving import Anchor, Edit, Effects, change_times, move_series, rule_of
from .series_rules import NewRule, change_rule

_COMPARED = (*SHARED, *TIMES, "category")
_SCHEDULE = ("rule", "excluded", "rule_timezone", "moved_by", "written_start", "clock_offsets")
_REASON = "The dates of the series were changed."


@transaction.atomic
@locks_organizer_first
@audited("edited")
def edit_series(
    series: Series,
    changes: dict[str, Any],
    *,
    from_event: int | None = None,
    keep_local_time: bool = False,
    expected_versions: set[str] | None = None,
    by_import: bool = False,
    may_cancel: bool = True,
) -> Series:
    """Applies `changes` to a series and its coming occurrences.

    `changes` has the new values by field name, `rule` as a `Rule`, and `excluded` as a set of
    nominal days and instants. Events that have started, are cancelled or were edited by hand stay
    unchanged, and so do events before `from_event`. Times are those of the first occurrence, or of
    `from_event`. The others move by the same difference on the clock. An occurrence that a new rule
    or new exclusions leave out is deleted, or cancelled if it has registrations. The latter needs
    `may_cancel`.

    Raises `ValidationFailed`, `EventStarted` for a `from_event` that has started, `RoleTooLow`, and
    `CapacityBelowRegistered`.
    """
    series = lock_series(series.pk)
    check_version(series.edit_tag, expected_versions)
    now = timezone.now()
    anchor = _anchor(series, from_event, now)
    is_coming = Q(nominal_start__gt=nominal_bound(now)) | Q(start_time__gt=now, deleted_at=None)
    events = lock_events(series.events.filter(is_coming))
    reached = {event.pk for event in events if _is_reached(event, anchor, now)}
    before = {event.pk: _values(event, _COMPARED) for event in events}
    series_before = _values(series, (*_COMPARED, *_SCHEDULE))

    plain = {name: value for name, value in changes.items() if name in {*SHARED, "category"}}
    try:
        edit = Edit(series, anchor, events, reached, now)
        effects = _reschedule(edit, changes, keep_local_time=keep_local_time)
    except InvalidRecurrence as error:
        raise refused(error) from error
    except OverflowError as error:
        raise refused(InvalidRecurrence("Its times would be beyond the calendar.")) from error
    if not may_cancel and any(event.has_people for event in effects.dropped):
        raise RoleTooLow(
            "It would cancel an event that has registrations.", required=roles_with(Right.CANCEL)
        )
    dropped = {event.pk for event in effects.dropped}
    edited = [event for event in events if event.pk in reached - dropped]
    for row in (series, *edited):
        for name, value in with_attendance_mode(plain, row).items():
            setattr(row, name, value)
    for event in sorted(edited, key=lambda event: event.registered_count, reverse=True):
        check_capacity(event)  # the first that fails names the largest number

    edits = [(event, old) for event in edited if (old := _old_values(before[event.pk], event))]
    if edits or _values(series, (*_COMPARED, *_SCHEDULE)) != series_before:
        series.edited_since_import |= not by_import
        save_series(series, now)
    _save(edits, now)
    Event.objects.bulk_update(effects.renumbered, ["nominal_start", "rule_number"])
    drop_events(effects.dropped, now, reason=_REASON)
    Event.objects.bulk_create(occurrences_of(series, effects.missing, now))
    if edits:
        events_edited.send(Event, edits=edits)
    return series


# --- The occurrences that an edit applies to ----------------------------------------------------


def _anchor(series: Series, from_event: int | None, now: datetime) -> Anchor:
    """The occurrence whose times are in the changes."""
    if from_event is None:
        first = Turn(series.nominal_start, series.start_time)
        times = {name: getattr(series, name) for name in TIMES}
        return Anchor(series.rule_number, first, times, is_whole=True)
    event = series.events.existing().filter(pk=from_event).first()
    if event is None:
        raise ValidationFailed(
            FieldError("from_event", "invalid_choice", "Name an event of this series.")
        )
    if event.has_started(now):
        raise EventStarted("That event has started; name one that is still to come.")
    if event.nominal_start is None:  # an added date outside of the rule
        turn = Turn(wall_clock(event.start_time, series.rule_zone), event.start_time)
        times = {name: getattr(event, name) for name in TIMES}
        return Anchor(series.rule_number, turn, times)
    zone, offsets = rule_of(series, event.rule_number)
    is_current = event.rule_number == series.rule_number
    if is_current and event.nominal_start == series.nominal_start:
        turn = Turn(event.nominal_start, series.start_time)
        times = {name: getattr(series, name) for name in TIMES}
    else:
        turn = Turn(event.nominal_start, at_wall_clock(event.nominal_start, zone))
        times = times_after(turn.at, offsets, zone)
    return Anchor(event.rule_number, turn, times)


def _is_reached(event: Event, anchor: Anchor, now: datetime) -> bool:
    return (
        event.deleted_at is None
        and event.status != Event.Status.CANCELLED
        and not event.edited_by_hand
        and event.start_time > now
        and anchor.reaches(event)
    )


# --- Times --------------------------------------------------------------------------------------


def _reschedule(edit: Edit, changes: dict[str, Any], *, keep_local_time: bool) -> Effects:
    """Sets the new times of the series and of the events that the edit applies to.

    Raises `InvalidRecurrence`, and `OverflowError` for times beyond the calendar.
    """
    series, anchor = edit.series, edit.anchor
    times = change_times(series, changes, anchor, edit.now, keep_local_time=keep_local_time)
    excluded = changes.get("excluded", series.exclusions)
    rule: Rule | None = changes.get("rule")
    if rule is not None and rule.text != series.rule:
        zone = changes.get("timezone", series.timezone)
        new_rule = NewRule(rule, excluded, ZoneInfo(zone))
        keeps_clock = keep_local_time and zone != series.timezone
        return change_rule(edit, new_rule, times, keeps_clock=keeps_clock)
    effects = Effects()
    if times is not None:
        effects = move_series(edit, times)
    if "excluded" in changes and excluded != series.exclusions:
        effects.add(_exclude(edit, excluded))
    return effects


def _exclude(edit: Edit, excluded: frozenset[date]) -> Effects:
    """Drops events that are newly excluded, and adds turns that are no longer excluded."""
    series = edit.series
    old = series.schedule
    new = replace(old, excluded=excluded)
    new.check()
    effects = Effects()
    instants = set()
    for nominal, event in edit.current:
        turn = old.turn_at(nominal)
        is_excluded = new.excludes(turn) or event.start_time in excluded
        if event.pk in edit.reached and is_excluded and not old.excludes(turn):
            effects.dropped.append(event)
        else:
            instants.add(turn.at)
    existing = {nominal for nominal, _ in edit.current}
    for turn in new.occurrences(edit.now, series.filled_to):
        is_free = turn.nominal not in existing and turn.at not in instants
        if old.excludes(turn) and is_free and edit.anchor.reaches_turn(series, turn):
            effects.missing.append(turn)
    series.schedule = new
    return effects


# --- Writing ------------------------------------------------------------------------------------


def _values(row: Event | Series, names: Iterable[str]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names}


def _old_values(before: dict[str, Any], event: Event) -> dict[str, Any]:
    """The old values of the fields that changed."""
    return {name: old for name, old in before.items() if getattr(event, name) != old}


def _save(edits: list[tuple[Event, dict[str, Any]]], now: datetime) -> None:
    """Saves all events by one statement."""
    changed = {name for _, old in edits for name in old}
    for event, old in edits:
        event.version += 1
        event.updated_at = now
        if old.keys() & CALENDAR_FIELDS:
            event.sequence += 1
    if edits:
        Event.objects.bulk_update(
            [event for event, _ in edits], [*changed, "version", "sequence", "updated_at"]
        )
