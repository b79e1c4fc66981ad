"""Creating, editing and deleting events."""

from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounts.audit import attributed_to_key, audited
from accounts.models import User
from accounts.services import lock_account
from config.api.sql.compiled_queries import fetch
from config.api.versions import check_version
from config.errors import (
    FieldError,
    NotFound,
    PermissionDenied,
    TemporarilyUnavailable,
    ValidationFailed,
)

from ..errors import CapacityBelowRegistered, EventCancelled, EventStarted
from ..models import Event, EventDetails, EventQuerySet, Series
from ..signals import events_deleted, events_edited, events_restored
from ..zones import NonexistentTime, instant, same_wall_clock, wall_clock
from .attendance import with_attendance_mode
from .planned_times import TIMES, times_at

T = TypeVar("T", Event, Series)
P = ParamSpec("P")
R = TypeVar("R")

DEFAULT_LENGTH = timedelta(hours=1)

# A change of these fields increases SEQUENCE (RFC 5545, section 3.8.7.4). The link to join is the
# location of an online event.
CALENDAR_FIELDS = {
    *("start_time", "end_time", "timezone"),
    *("location", "latitude", "longitude", "meeting_url"),
}


def create_event(organizer: User, **fields: Any) -> Event:
    """Creates an event. Raises `ValidationFailed` for an order of times that is impossible."""
    event = new_event(organizer, timezone.now(), **fields)
    with attributed_to_key():
        event.save()
    return event


def new_event(organizer: User, now: datetime, **fields: Any) -> Event:
    """An unsaved event. Raises the errors of `create_event`."""
    event = Event(
        organizer=organizer, created_at=now, updated_at=now, **with_attendance_mode(fields)
    )
    event.ends_by_default = event.end_time is None
    if event.ends_by_default:
        event.end_time = event.start_time + DEFAULT_LENGTH
    check_times(event, {"start_time"}, now)
    return event


@transaction.atomic
@audited("edited")
def edit_event(
    event: Event,
    changes: dict[str, Any],
    *,
    keep_local_time: bool = False,
    expected_versions: set[str] | None = None,
    by_import: bool = False,
) -> Event:
    """Applies `changes`, which has the new value of each field by its name.

    An `end_time` of None is one hour after the start, and follows the start until another end is
    sent. If the start alone moves beyond a chosen end, the end moves as well, and the length of the
    event stays the same.

    With `keep_local_time`, another zone moves the instants that are not in `changes`, so that their
    wall-clock times stay the same. After an edit that is not `by_import`, later versions of an
    imported calendar no longer change the event.
    """
    event = lock_event(event.pk)
    check_version(event.edit_tag, expected_versions)
    if event.status == Event.Status.CANCELLED:
        raise EventCancelled
    changes = _with_all_times(event, changes, keep_local_time=keep_local_time)
    changes = with_attendance_mode(changes, event)
    before = {
        name: old for name, value in changes.items() if (old := getattr(event, name)) != value
    }
    if not before:
        return event
    changed = set(before)

    now = timezone.now()
    if changed & {"start_time", "end_time"} and event.has_started(now):
        raise EventStarted("The event has started; its times can no longer be moved.")
    for name in changed:
        setattr(event, name, changes[name])
    check_times(event, changed, now)
    check_capacity(event)
    if changed & CALENDAR_FIELDS:
        event.sequence += 1
    event.set_edited(by_import=by_import)
    save_edit(event, changed | {"sequence", "edited_by_hand", "edited_since_import"}, now)
    events_edited.send(Event, edits=[(event, before)])
    return event


def _with_all_times(
    event: Event, changes: dict[str, Any], *, keep_local_time: bool
) -> dict[str, Any]:
    """The changes, with the times that change along with them."""
    ends_by_default = _ends_by_default(event, changes)
    if keep_local_time and "timezone" in changes:
        changes = {
            name: value  # a time that is sent back unchanged is no change
            for name, value in changes.items()
            if name not in TIMES or value != getattr(event, name)
        }
        zone = ZoneInfo(changes["timezone"])
        check_clocks(event, zone, set(TIMES) - changes.keys())
        start = same_wall_clock(event.start_time, event.zone, zone)
        changes = times_at(event, start, zone, planned_in=event.zone) | changes
    changes = {**changes, "ends_by_default": ends_by_default}
    start = changes.get("start_time", event.start_time)
    if ends_by_default:
        changes["end_time"] = start + DEFAULT_LENGTH
    elif "end_time" not in changes and start >= event.end_time:
        zone = ZoneInfo(changes.get("timezone", event.timezone))
        changes["end_time"] = times_at(event, start, zone)["end_time"]
    return changes


def _ends_by_default(event: Event, changes: dict[str, Any]) -> bool:
    """Whether the end is the default one. An end that is sent back unchanged chooses nothing."""
    end = changes.get("end_time", event.end_time)
    return event.ends_by_default if end == event.end_time else end is None


@transaction.atomic
@audited("deleted")
def delete_event(
    event: Event, *, expected_versions: set[str] | None = None, notify: bool = True
) -> None:
    """Removes an event from the API. The row stays, and staff can restore it."""
    event = lock_event(event.pk)
    check_version(event.edit_tag, expected_versions)
    delete_locked_events([event], timezone.now(), notify=notify)


def delete_locked_events(events: list[Event], now: datetime, *, notify: bool = True) -> None:
    """Caller holds the locks of the events."""
    if events:
        Event.objects.filter(pk__in=[event.pk for event in events]).update(
            deleted_at=now, version=F("version") + 1, updated_at=now
        )
        for event in events:
            event.deleted_at = event.updated_at = now
            event.version += 1
        events_deleted.send(Event, events=events, notify=notify)


def locks_organizer_first(
    service: Callable[Concatenate[T, P], R],
) -> Callable[Concatenate[T, P], R]:
    """Locks the organizer's account before a service makes events public.

    Ending an account takes the same lock. So either the account ends first, with its drafts, or the
    event is public first and prevents the end of the account.
    """

    @wraps(service)
    def ordered(row: T, /, *args: P.args, **kwargs: P.kwargs) -> R:
        lock_account(row.organizer_id)
        # A transfer locks the former owner as well, so there is none from here on.
        if not type(row)._base_manager.filter(pk=row.pk, organizer=row.organizer_id).exists():
            raise TemporarilyUnavailable
        return service(row, *args, **kwargs)

    return ordered


@transaction.atomic
@locks_organizer_first
@audited("restored")
def restore_event(event: Event, *, notify: bool = True) -> Event:
    event = lock_event(event.pk, even_deleted=True)
    if event.deleted_at is not None:
        now = timezone.now()
        if event.organizer.erased_at is not None and not event.has_started(now):
            raise PermissionDenied("Its organizer's account has ended.")
        event.deleted_at = None
        save_edit(event, {"deleted_at"}, now)
        events_restored.send(Event, events=[event], notify=notify)
    return event


def lock_event(event_id: int, *, even_deleted: bool = False) -> Event:
    """The current row, locked. Edits and registrations of the event block, reads do not.

    Raises `NotFound` for a deleted event, except with `even_deleted`.
    """

    def locked(values: list[Any] | None) -> EventQuerySet:
        events = Event.objects.for_display().filter(pk=(values or [event_id])[0])
        return events.select_for_update(of=("self",), no_key=True)

    rows: list[Event] = fetch("locked event", locked, [event_id], prepare=True)
    if not rows or (rows[0].deleted_at is not None and not even_deleted):  # a moment ago
        raise NotFound
    return rows[0]


def save_edit(event: Event, fields: set[str], now: datetime) -> None:
    event.version += 1
    event.updated_at = now
    event.save(update_fields=[*fields, "version", "updated_at"])


def check_clocks(event: Event, zone: tzinfo, names: set[str]) -> None:
    """Raises `ValidationFailed` if the clocks of `zone` skip a wall-clock time of the event."""
    errors = []
    for name in TIMES:
        moment: datetime | None = getattr(event, name)
        if name in names and moment is not None:
            try:
                instant(wall_clock(moment, event.zone), zone)
            except NonexistentTime:
                skipped = f"The clocks in {zone} skip this time; send another one."
                errors.append(FieldError(name, "nonexistent_time", skipped))
    if errors:
        raise ValidationFailed(*errors)


def check_times(event: EventDetails, changed: set[str], now: datetime) -> None:
    """Raises `ValidationFailed`. A start in the past is an error only if it is in `changed`."""
    errors = []
    if "start_time" in changed and event.start_time <= now:
        errors.append(FieldError("start_time", "in_the_past", "Choose a start in the future."))
    if event.end_time <= event.start_time:
        errors.append(FieldError("end_time", "before_start", "The end must be after the start."))
    opens, closes = event.registration_opens_at, event.registration_closes_at
    if opens and opens >= event.start_time:
        errors.append(
            FieldError("registration_opens_at", "after_start", "Open it before the start.")
        )
    if opens and closes and closes <= opens:
        errors.append(
            FieldError("registration_closes_at", "before_opening", "Close it after it opens.")
        )
    if event.cancellation_closes_at and event.cancellation_closes_at > event.start_time:
        errors.append(
            FieldError("cancellation_closes_at", "after_start", "Close it at or before the start.")
        )
    if errors:
        raise ValidationFailed(*errors)


def check_capacity(event: Event) -> None:
    registered = event.registered_count
    if event.max_capacity is not None and event.max_capacity < registered:
        raise CapacityBelowRegistered(
            f"{registered} people are registered; choose a capacity of at least {registered}.",
            minimum=registered,
        )
