"""Freeing seats and giving them to those who wait.

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

# One statement for any number of people: a raised capacity may let thousands in.
_PROMOTE = """
    WITH promoted AS (
        UPDATE registrations_registration SET status = 'confirmed', confirmed_at = %(now)s
        WHERE id IN (
            SELECT id FROM registrations_registration
            WHERE event_id = %(event_id)s AND status = 'waitlisted'
            ORDER BY queue_number LIMIT %(seats)s
        )
        RETURNING id, queue_number, user_id, email
    ), noted AS (
        INSERT INTO registrations_ledgerentry (event_id, registration_id, kind, at, reason)
        SELECT %(event_id)s, id, 'promoted', %(now)s, %(reason)s
        FROM promoted ORDER BY queue_number
    ), told AS (
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
    """Give the place back, and its seat to the first who waits. A cancelled one stays as it is.

    `by` is who does it, None for a guest with a token; `reason` is the role in which they act,
    told from the registration unless given. Raises `EventStarted` once it is too late, and
    `CancellationClosed` for an attendee with a seat. Of a deleted event, which may be brought back,
    only the end of an account frees the seats. Without `notify` the person is not notified; whoever
    is promoted always is.
    """
    is_end = reason == Reason.ACCOUNT_CLOSED
    event = lock_event(registration.event_id, even_deleted=is_end)
    registration = lock_registration(registration)
    if registration.status == Status.CANCELLED:
        return
    now = timezone.now()
    if event.has_started(now):
        raise EventStarted("The event has started; a registration can no longer be cancelled.")
    if not is_end:
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
    _change_counts(event, **{counter: -1})
    promote_waiting(event, reason=Reason.PLACE_FREED)


def promote_waiting(event: Event, *, reason: Reason) -> int:
    """Give every free seat to those who wait, in the order of joining; returns how many.

    The one way a seat goes to somebody who waits. Nobody is promoted once registration is closed
    or the event has started, is cancelled or deleted. Caller holds the event lock.
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
    _change_counts(event, registered_count=promoted, waitlist_count=-promoted)
    return promoted


def role_of(user: User | None, registration: Registration, event: Event) -> Reason:
    """The role in which somebody acts on a registration."""
    if user is None:
        return Reason.BY_GUEST
    if user.pk in {registration.user_id, registration.registered_by_id}:
        return Reason.BY_ATTENDEE
    if user.pk == event.organizer_id:
        return Reason.BY_ORGANIZER
    # Anybody else acts with the guest's token.
    return Reason.BY_STAFF if _is_staff_of_registrations(user) else Reason.BY_GUEST


def lock_registration(registration: Registration) -> Registration:
    """The row as it is now, locked. Caller holds the event lock if it will need it.

    Raises `NotFound` if the place was handed on since it was read: whoever was allowed to change it
    may no longer be.
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
    """Raises `CancellationClosed`. Organizer and staff may always cancel."""
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


def _change_counts(event: Event, **changes: int) -> None:
    """Add to the counters, in the database and on `event`. Caller holds the event lock."""
    Event.objects.filter(pk=event.pk).update(
        **{name: F(name) + change for name, change in changes.items()}
    )
    for name, change in changes.items():
        setattr(event, name, getattr(event, name) + change)
