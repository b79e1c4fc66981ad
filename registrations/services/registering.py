"""Taking a seat, or a place in the queue: the one way in.

The whole work is one statement and one round trip: a conditional UPDATE takes the seat, and the
registration and its line in the ledger are inserted for the row that it returns. The event's row
is locked from that UPDATE to the commit, with no client in between. The database decides; what it
refuses is explained afterwards. A full event matches no row and is refused without a write or a
lock.
"""

import uuid
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts.models import User
from config.api.timezones import render_instant
from config.errors import NotFound, TemporarilyUnavailable
from events.errors import EventCancelled, EventNotPublished, EventStarted
from events.models import Event

from ..errors import AlreadyRegistered, EventFull, RegistrationClosed, RegistrationNotOpen
from ..models import LedgerEntry, Registration, new_ticket_code

Reason = LedgerEntry.Reason

# A seat may come free between a refusal and its explanation; then the statement runs again.
_ATTEMPTS = 3

# Who waits comes first: a newcomer has a seat only where nobody is queued.
_HAS_SEAT = """(
    waitlist_count = 0 AND (max_capacity IS NULL OR registered_count < max_capacity)
)"""

_TAKE_PLACE = f"""
    WITH place AS (
        UPDATE events_event SET
            registered_count = registered_count + CASE WHEN {_HAS_SEAT} THEN 1 ELSE 0 END,
            waitlist_count = waitlist_count + CASE WHEN {_HAS_SEAT} THEN 0 ELSE 1 END,
            last_queue_number = last_queue_number + CASE WHEN {_HAS_SEAT} THEN 0 ELSE 1 END
        WHERE id = %(event_id)s
            AND status = 'published'
            AND deleted_at IS NULL
            AND start_time > %(now)s
            AND (registration_opens_at IS NULL OR registration_opens_at <= %(now)s)
            AND (registration_closes_at IS NULL OR registration_closes_at > %(now)s)
            AND ({_HAS_SEAT} OR waitlist_enabled)
            AND NOT EXISTS (
                SELECT 1 FROM registrations_registration
                WHERE event_id = %(event_id)s AND email = %(email)s AND status <> 'cancelled'
            )
        RETURNING
            id, name, location, start_time, end_time, timezone, status, meeting_url, organizer_id,
            waitlist_count, last_queue_number,
            waitlist_count > 0 AS is_queued  -- a seat is only given where nobody waits
    ), made AS (
        INSERT INTO registrations_registration (
            id, event_id, user_id, registered_by_id, name, email, status, queue_number,
            ticket_code, registered_at, confirmed_at
        )
        SELECT
            %(id)s, id,
            coalesce(%(user_id)s, (
                SELECT id FROM accounts_user
                WHERE email = %(email)s AND email_verified_at IS NOT NULL AND is_active
            )),
            %(registered_by_id)s, %(name)s, %(email)s,
            CASE WHEN is_queued THEN 'waitlisted' ELSE 'confirmed' END,
            CASE WHEN is_queued THEN last_queue_number END,
            %(ticket_code)s, %(now)s, CASE WHEN is_queued THEN NULL ELSE %(now)s END
        FROM place
    ), noted AS (
        INSERT INTO registrations_ledgerentry (
            event_id, registration_id, kind, at, actor_id, reason
        )
        SELECT
            id, %(id)s, CASE WHEN is_queued THEN 'queued' ELSE 'registered' END,
            %(now)s, %(registered_by_id)s, %(reason)s
        FROM place
    )
    SELECT * FROM place
"""  # noqa: S608  # composed of constants only


def register(
    event_id: int,
    *,
    name: str,
    email: str,
    user: User | None = None,
    registered_by: User | None = None,
) -> Registration:
    """Register somebody, `user` being the account whose place it is; None for a guest.

    A guest's place still belongs to the account that has confirmed the address.

    Returns the registration, `confirmed` or `waitlisted`, with `event` and `position` set.
    Raises the first that applies of `NotFound`, `EventCancelled`, `EventNotPublished`,
    `EventStarted`, `RegistrationNotOpen`, `RegistrationClosed`, `AlreadyRegistered`, `EventFull`.
    """
    for _ in range(_ATTEMPTS):
        registration = Registration(
            id=uuid.uuid4(),
            event_id=event_id,
            user=user,
            registered_by=registered_by,
            name=name,
            email=email.lower(),
            ticket_code=new_ticket_code(),
            registered_at=timezone.now(),
        )
        if _take_place(registration):
            return registration
        _explain_refusal(event_id, registration.email, registered_by or AnonymousUser())
    raise TemporarilyUnavailable(headers={"Retry-After": "1"})


def _take_place(registration: Registration) -> bool:
    """Run the statement; True when it gave a place, which is then told to `registration`."""
    parameters: dict[str, Any] = {
        "event_id": registration.event_id,
        "id": registration.pk,
        "user_id": registration.user_id,
        "registered_by_id": registration.registered_by_id,
        "name": registration.name,
        "email": registration.email,
        "ticket_code": registration.ticket_code,
        "now": registration.registered_at,
        "reason": Reason.BY_ATTENDEE if registration.registered_by_id else Reason.BY_GUEST,
    }
    try:
        with _own_transaction(), connection.cursor() as cursor:
            cursor.execute(_TAKE_PLACE, parameters)
            row = cursor.fetchone()
            columns = [column.name for column in cursor.description]
    except IntegrityError as error:
        if "one_live_registration_per_address" in str(error):
            raise AlreadyRegistered from error
        raise
    if row is None:
        return False
    _fill(registration, dict(zip(columns, row, strict=True)))
    return True


def _own_transaction() -> AbstractContextManager[Any]:
    """One statement is a transaction of its own; inside another, a refusal must not break that."""
    return transaction.atomic() if connection.in_atomic_block else nullcontext()


def _fill(registration: Registration, place: dict[str, Any]) -> None:
    is_queued = place.pop("is_queued")
    registration.event = Event(**place)
    registration._state.adding = False
    if is_queued:
        registration.status = Registration.Status.WAITLISTED
        registration.queue_number = place["last_queue_number"]
        registration.position = place["waitlist_count"]  # type: ignore[attr-defined]
    else:
        registration.status = Registration.Status.CONFIRMED
        registration.confirmed_at = registration.registered_at
        registration.position = None  # type: ignore[attr-defined]


def _explain_refusal(event_id: int, email: str, viewer: User | AnonymousUser) -> None:
    """Raise why there was no place; returns when there is one by now."""
    event = Event.objects.visible_to(viewer).filter(pk=event_id).first()
    if event is None:
        raise NotFound
    now = timezone.now()
    _check_open(event, now)
    if event.registrations.live().filter(email=email).exists():
        raise AlreadyRegistered
    if not event.has_free_seat and not event.waitlist_enabled:
        raise EventFull(
            f"All {event.max_capacity} seats are taken.", max_capacity=event.max_capacity
        )


def _check_open(event: Event, now: datetime) -> None:
    if event.status == Event.Status.CANCELLED:
        raise EventCancelled
    if event.status == Event.Status.DRAFT:
        raise EventNotPublished
    if event.has_started(now):
        raise EventStarted("The event has started; registration is over.")
    opens, closes = event.registration_opens_at, event.registration_closes_at
    if opens and now < opens:
        raise RegistrationNotOpen(opens_at=render_instant(opens))
    if closes and now >= closes:
        raise RegistrationClosed
