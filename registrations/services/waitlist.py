"""Cancellation of registrations, and promotion of the waitlist into free seats.

Lock order: account, event, registration.
"""

from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from accounts.models import User
from config.api.http.timezones import render_instant
from config.api.staff_rights import has_staff_right
from config.errors import NotFound
from events.errors import EventStarted
from events.models import Event
from events.services import lock_event

from ..errors import CancellationClosed
from ..models import LedgerEntry, Registration
from .notifying import notify_cancelled

Status = Registration.Status
Reason = LedgerEntry.Reason

# One statement for any number of people: a raised capacity may promote thousands.
_PROMOTE = """
    WITH promoted AS (
        UPDATE registrations_registration SET status = 'confirmed', confirmed_at = %(now)s
        WHERE id IN (
            SELECT id FROM registrations_registration
            WHERE event_id = %(event_id)s AND status = 'waitlisted'
            ORDER BY queue_number LIMIT %(seats)s
        )
        RETURNING id, queue_number, user_id, email
    ), ledgered AS (
        INSERT INTO registrations_ledgerentry (event_id, registration_id, kind, at, reason)
        SELECT %(event_id)s, id, 'promoted', %(now)s, %(reason)s
        FROM promoted ORDER BY queue_number
    ), notified AS (
        INSERT INTO accounts_notification (
            kind, key, user_id, email, event_id, registration_id, created_at, due_at, attempt_at
        )
        SELECT 'registration_promoted', 'registration_promoted:' || id, user_id, email,
            %(event_id)s, id, %(now)s, %(now)s, %(now)s
        FROM promoted ORDER BY queue_number
        ON CONFLICT DO NOTHING
    )
    SELECT count(*) FROM promoted
"""


@transaction.atomic
def cancel_registration(
    registration: Registration,
    *,
    by: User | None = None,
    reason: Reason | None = None,
    notify: bool = True,
) -> None:
    """Cancels a registration and promotes the waitlist. A cancelled one stays unchanged.

    `by` is the acting account, None for a guest with a token. `reason` is the role of the actor; by
    default it follows from the registration. Raises `EventStarted` after the start, and
    `CancellationClosed` for an attendee with a seat after the deadline. Seats of a deleted event,
    which may be restored, are freed only when an account is closed. Without `notify` the holder is
    not notified; promoted people always are.
    """
    is_closing = reason == Reason.ACCOUNT_CLOSED
    event = lock_event(registration.event_id, even_deleted=is_closing)
    registration = lock_registration(registration)
    if registration.status == Status.CANCELLED:
        return
    now = timezone.now()
    if event.has_started(now):
        raise EventStarted("The event has started; a registration can no longer be cancelled.")
    if not is_closing:
        _check_cancellation_open(event, registration, by, now)
    counter = "registered_count" if registration.status == Status.CONFIRMED else "waitlist_count"
    registration.status = Status.CANCELLED
    registration.cancelled_at = now
    registration.save(update_fields=["status", "cancelled_at"])
    reason = reason or role_of(by, registration, event)
    LedgerEntry.objects.create(
        event=event,
        registration=registration,
        kind=LedgerEntry.Kind.CANCELLED,
        at=now,
        actor=by,
        reason=reason,
    )
    if notify:
        notify_cancelled(registration, reason)
    _add_to_counters(event, **{counter: -1})
    promote_waiting(event, reason=Reason.PLACE_FREED)


def promote_waiting(event: Event, *, reason: Reason) -> int:
    """Gives every free seat to the waitlist in queue order; returns the number of promotions.

    All promotions happen here. There are none if registration is closed, or if the event has
    started, is cancelled or deleted. Caller holds the event lock.
    """
    now = timezone.now()
    seats = event.available_seats
    if not event.waitlist_count or seats == 0 or not _may_promote(event, now):
        return 0
    parameters: dict[str, Any] = {
        "event_id": event.pk,
        "now": now,
        "seats": seats,
        "reason": reason.value,
    }
    with connection.cursor() as cursor:
        cursor.execute(_PROMOTE, parameters)  # LIMIT NULL, for no capacity, is no limit
        promoted: int = cursor.fetchone()[0]
    _add_to_counters(event, registered_count=promoted, waitlist_count=-promoted)
    return promoted


def role_of(user: User | None, registration: Registration, event: Event) -> Reason:
    """The role in which the user acts on a registration. None is a guest with a token."""
    if user is None:
        return Reason.BY_GUEST
    if user.pk in {registration.user_id, registration.registered_by_id}:
        return Reason.BY_ATTENDEE
    if user.pk == event.organizer_id:
        return Reason.BY_ORGANIZER
    # Other users act with the guest's token.
    return Reason.BY_STAFF if _is_staff_of_registrations(user) else Reason.BY_GUEST


def lock_registration(registration: Registration) -> Registration:
    """The current row, locked. Callers that need the event lock take it first.

    Raises `NotFound` if the registration was handed on since the caller read it: the caller may
    have lost the right to change it.
    """
    row = (
        Registration.objects.select_related("user")
        .select_for_update(of=("self",))
        .get(pk=registration.pk)
    )
    if row.link_version != registration.link_version:
        raise NotFound
    return row


def _check_cancellation_open(
    event: Event, registration: Registration, by: User | None, now: datetime
) -> None:
    """Raises `CancellationClosed` after the deadline. Organizer and staff may always cancel."""
    closes = event.cancellation_closes_at
    is_attendee = by is None or not (by.pk == event.organizer_id or _is_staff_of_registrations(by))
    if (
        closes is not None
        and is_attendee
        and registration.status == Status.CONFIRMED
        and event.status == Event.Status.PUBLISHED
        and event.is_cancellation_closed(now)
    ):
        raise CancellationClosed(closed_at=render_instant(closes))


def _is_staff_of_registrations(user: User) -> bool:
    return has_staff_right(user, "registrations.change_registration")


def _may_promote(event: Event, now: datetime) -> bool:
    closes = event.registration_closes_at
    return (
        event.status == Event.Status.PUBLISHED
        and event.deleted_at is None
        and not event.has_started(now)
        and (closes is None or now < closes)
    )


def _add_to_counters(event: Event, **changes: int) -> None:
    """Adds to the counters in the database and on `event`. Caller holds the event lock."""
    Event.objects.filter(pk=event.pk).update(
        **{name: F(name) + change for name, change in changes.items()}
    )
    for name, change in changes.items():
        setattr(event, name, getattr(event, name) + change)
