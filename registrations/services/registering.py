"""Taking a seat, or a place in the queue: the one way in.

The whole work is one statement and one round trip: a conditional UPDATE takes the seat, the
registration, its line in the ledger and the notification are inserted for the row that it returns,
and what was seen of the event comes back beside it, which explains a refusal. The event's row is
locked from that UPDATE to the commit, with no client in between. A full event matches no row and is
refused without a write or a lock. One that was full when last seen is read first, which costs half
as much as the statement; that follows where there may be a place by now.

Both go by libpq's own call, prepared, since planning them costs more than running them.
"""

import uuid
from datetime import datetime
from typing import Any, NamedTuple

from django.contrib.auth.models import AnonymousUser
from django.db import DEFAULT_DB_ALIAS, IntegrityError, connections, transaction
from django.utils import timezone

from accounts.models import User
from config.api.http.timezones import render_instant
from config.api.sql.compiled_queries import loaded_row
from config.api.sql.statements import Statement
from config.errors import NotFound, TemporarilyUnavailable
from events.errors import EventCancelled, EventNotPublished, EventStarted
from events.models import Event

from ..errors import AlreadyRegistered, EventFull, RegistrationClosed, RegistrationNotOpen
from ..models import LedgerEntry, Registration, new_ticket_code
from .contention import in_line, plan_anew_while_tables_grow, remember, was_sold_out

Reason = LedgerEntry.Reason

# Between the look at the event and its lock a seat may come free; then the statement runs again.
_ATTEMPTS = 3

# Who waits comes first: a newcomer has a seat only where nobody is queued.
_HAS_SEAT = """(
    waitlist_count = 0 AND (max_capacity IS NULL OR registered_count < max_capacity)
)"""

_IS_REGISTERED = """EXISTS (
    SELECT 1 FROM registrations_registration
    WHERE event_id = %(event_id)s AND email = %(email)s AND status <> 'cancelled'
)"""

_TAKE_PLACE = Statement(f"""
    WITH place AS (
        UPDATE events_event SET
            registered_count = registered_count + CASE WHEN {_HAS_SEAT} THEN 1 ELSE 0 END,
            waitlist_count = waitlist_count + CASE WHEN {_HAS_SEAT} THEN 0 ELSE 1 END,
            last_queue_number = last_queue_number + CASE WHEN {_HAS_SEAT} THEN 0 ELSE 1 END
        WHERE id = %(event_id)s
            AND status = 'published'
            AND deleted_at IS NULL
            AND start_time > %(registered_at)s
            AND (registration_opens_at IS NULL OR registration_opens_at <= %(registered_at)s)
            AND (registration_closes_at IS NULL OR registration_closes_at > %(registered_at)s)
            AND ({_HAS_SEAT} OR waitlist_enabled)
            AND NOT {_IS_REGISTERED}
        RETURNING
            id, name, location, start_time, end_time, timezone, status, meeting_url,
            waitlist_count, last_queue_number,
            waitlist_count > 0 AS is_queued,  /* a seat is only given where nobody waits */
            CASE WHEN %(user_id)s::bigint IS NULL THEN (
                SELECT id FROM accounts_user
                WHERE email = %(email)s AND email_verified_at IS NOT NULL AND is_active
            ) END AS owner_id
    ), made AS (
        INSERT INTO registrations_registration (
            id, event_id, user_id, registered_by_id, name, email, status, queue_number,
            ticket_code, link_version, registered_at, confirmed_at
        )
        SELECT
            %(id)s, id, coalesce(%(user_id)s, owner_id),
            CASE WHEN owner_id IS NULL THEN %(registered_by_id)s::bigint END,
            %(name)s, %(email)s,
            CASE WHEN is_queued THEN 'waitlisted' ELSE 'confirmed' END,
            CASE WHEN is_queued THEN last_queue_number END,
            %(ticket_code)s, CASE WHEN owner_id IS NULL THEN 0 ELSE 1 END, %(registered_at)s,
            CASE WHEN is_queued THEN NULL ELSE %(registered_at)s END
        FROM place
        RETURNING id, event_id, user_id, status
    ), noted AS (
        INSERT INTO registrations_ledgerentry (
            event_id, registration_id, kind, at, actor_id, reason
        )
        SELECT
            id, %(id)s, CASE WHEN is_queued THEN 'queued' ELSE 'registered' END,
            %(registered_at)s, %(registered_by_id)s, %(reason)s
        FROM place
    ), told AS (
        INSERT INTO accounts_notification (
            kind, key, user_id, email, event_id, registration_id, created_at, due_at, attempt_at
        )
        SELECT
            kind, kind || ':' || registration_id, user_id, %(email)s, event_id, registration_id,
            %(registered_at)s, %(registered_at)s, %(registered_at)s
        FROM (
            SELECT
                CASE
                    WHEN status = 'waitlisted' THEN 'registration_waitlisted'
                    ELSE 'registration_confirmed'
                END AS kind,
                id AS registration_id, user_id, event_id
            FROM made
        ) AS notification  /* PostgreSQL 15 requires a name */
        WHERE %(notify)s
    )
    SELECT
        place.is_queued, place.waitlist_count, place.last_queue_number, place.owner_id,
        seen.id,
        /* Who got a place is told of the event as it was locked, not as before the wait. */
        coalesce(place.name, seen.name), coalesce(place.location, seen.location),
        coalesce(place.start_time, seen.start_time), coalesce(place.end_time, seen.end_time),
        coalesce(place.timezone, seen.timezone), coalesce(place.status, seen.status),
        coalesce(place.meeting_url, seen.meeting_url), seen.organizer_id, seen.deleted_at,
        seen.registration_opens_at, seen.registration_closes_at,
        seen.max_capacity, seen.registered_count, seen.waitlist_count, seen.waitlist_enabled,
        place.id IS NULL AND {_IS_REGISTERED}
    FROM events_event AS seen LEFT JOIN place ON place.id = seen.id
    WHERE seen.id = %(event_id)s
""")  # noqa: S608  # nosec  # composed of constants only

_EVENT_COLUMNS = (
    "id", "name", "location", "start_time", "end_time", "timezone", "status", "meeting_url",
    "organizer_id", "deleted_at", "registration_opens_at", "registration_closes_at",
    "max_capacity", "registered_count", "waitlist_count", "waitlist_enabled",
)  # fmt: skip

# What a refusal is explained by.
_REFUSAL_COLUMNS = (
    "id", "status", "deleted_at", "start_time", "registration_opens_at", "registration_closes_at",
    "max_capacity", "registered_count", "waitlist_count", "waitlist_enabled",
)  # fmt: skip

_READ_EVENT = Statement(f"""
    SELECT {", ".join(_REFUSAL_COLUMNS)}, {_IS_REGISTERED}
    FROM events_event WHERE id = %(event_id)s
""")  # noqa: S608  # nosec  # composed of constants only


class _Outcome(NamedTuple):
    """What the statement answered: the place that it gave, if any, and the event as it was."""

    is_queued: bool | None  # None: refused
    position: int
    queue_number: int
    owner_id: int | None  # the account that has confirmed a guest's address
    event: Event
    is_registered_already: bool


def register(
    event_id: int,
    *,
    name: str,
    email: str,
    user: User | None = None,
    registered_by: User | None = None,
    notify: bool = True,
) -> Registration:
    """Register somebody, `user` being the account whose place it is; None for a guest.

    `email` is canonical, as `config.api.text.email_addresses` and every form and field return it.

    A guest's place still belongs to the account that has confirmed the address. Whoever made it
    is no part of that: `registered_by` is then empty, and the token of version 0, which the
    response has, opens nothing. Without `notify` nobody is told.

    Returns the registration, `confirmed` or `waitlisted`, with `event` and `position` set.
    Raises the first that applies of `NotFound`, `EventCancelled`, `EventNotPublished`,
    `EventStarted`, `RegistrationNotOpen`, `RegistrationClosed`, `AlreadyRegistered`, `EventFull`.
    """
    viewer = registered_by or AnonymousUser()
    if was_sold_out(event_id):
        _refuse_if_still_full(event_id, email, viewer)
    for _ in range(_ATTEMPTS):
        wanted: dict[str, Any] = {
            "id": uuid.uuid4(),
            "event_id": event_id,
            "user_id": user and user.pk,
            "registered_by_id": registered_by and registered_by.pk,
            "name": name,
            "email": email,
            "ticket_code": new_ticket_code(),
            "registered_at": timezone.now(),
        }
        outcome = _take_place(wanted, notify)
        if outcome.is_queued is not None:
            return _placed(wanted, outcome)
        _explain_refusal(
            outcome.event, outcome.is_registered_already, wanted["registered_at"], viewer
        )
    raise TemporarilyUnavailable(headers={"Retry-After": "1"})


def _refuse_if_still_full(event_id: int, email: str, viewer: User | AnonymousUser) -> None:
    """Raise what `register` does, by the event as it is; returns when it may have a place."""
    row = _run(_READ_EVENT, {"event_id": event_id, "email": email})
    event = _event(_REFUSAL_COLUMNS, row[:-1])
    _explain_refusal(event, row[-1], timezone.now(), viewer)


def _take_place(wanted: dict[str, Any], notify: bool) -> _Outcome:
    """Run the statement for the registration's columns. Raises `AlreadyRegistered`, as `_run`."""
    reason = Reason.BY_GUEST if wanted["registered_by_id"] is None else Reason.BY_ATTENDEE
    parameters = {**wanted, "reason": reason.value, "notify": notify}
    # One statement is a transaction of its own; inside another, a refusal must not break that.
    is_inside = connections[DEFAULT_DB_ALIAS].in_atomic_block
    try:
        if is_inside:
            with transaction.atomic():
                row = _run(_TAKE_PLACE, parameters)
        else:
            row = in_line(wanted["event_id"], lambda: _run(_TAKE_PLACE, parameters))
    except IntegrityError as error:
        if "one_live_registration_per_address" in str(error):
            raise AlreadyRegistered from error
        raise
    event = _event(_EVENT_COLUMNS, row[4:-1])
    is_queued, position, queue_number, owner_id = row[:4]
    remember(event.pk, is_sold_out=is_queued is None and not event.has_free_seat)
    return _Outcome(is_queued, position, queue_number, owner_id, event, row[-1])


def _run(statement: Statement, parameters: dict[str, Any]) -> tuple[Any, ...]:
    """The one row. Raises `NotFound` when there is none, and Django's database errors."""
    database = connections[DEFAULT_DB_ALIAS]
    database.ensure_connection()
    with database.wrap_database_errors:
        plan_anew_while_tables_grow(database.connection)
        rows = statement.run(database.connection, parameters, prepare=True)
    if not rows:
        raise NotFound
    return rows[0]


def _event(columns: tuple[str, ...], values: tuple[Any, ...]) -> Event:
    event: Event = loaded_row(Event, dict(zip(columns, values, strict=True)), DEFAULT_DB_ALIAS)
    return event


def _placed(wanted: dict[str, Any], outcome: _Outcome) -> Registration:
    is_queued, owner_id = outcome.is_queued, outcome.owner_id
    owned = {} if owner_id is None else {"user_id": owner_id, "registered_by_id": None}
    registration: Registration = loaded_row(
        Registration,
        {
            **wanted,
            **owned,
            "link_version": 0 if owner_id is None else 1,
            "status": Registration.Status.WAITLISTED
            if is_queued
            else Registration.Status.CONFIRMED,
            "queue_number": outcome.queue_number if is_queued else None,
            "position": outcome.position if is_queued else None,
            "confirmed_at": None if is_queued else wanted["registered_at"],
            "cancelled_at": None,
            "checked_in_at": None,
            "checked_in_by_id": None,
        },
        DEFAULT_DB_ALIAS,
    )
    registration._state.fields_cache["event"] = outcome.event
    return registration


def _explain_refusal(
    event: Event, is_registered_already: bool, now: datetime, viewer: User | AnonymousUser
) -> None:
    """Raise why there was no place; returns when the event has one by now."""
    is_hidden = event.deleted_at is not None or event.status == Event.Status.DRAFT
    if is_hidden and not Event.objects.visible_to(viewer).filter(pk=event.pk).exists():
        raise NotFound
    _check_open(event, now)
    if is_registered_already:
        raise AlreadyRegistered
    if not event.has_free_seat and not event.waitlist_enabled:
        capacity = event.max_capacity
        taken = "The only seat is taken." if capacity == 1 else f"All {capacity} seats are taken."
        raise EventFull(
            f"{taken} Try again later: a seat becomes free when somebody cancels.",
            max_capacity=capacity,
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
