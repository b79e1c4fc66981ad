"""Registers a person: takes a seat or a place in the queue.

One statement does it in one round trip. A conditional UPDATE of the event takes the seat. The
registration, its ledger entry and its notification are inserted for the event's row that the UPDATE
returns. The statement also returns the event's state, which explains a refusal. The event's row is
locked from that UPDATE to the commit, with no round trip to the client in between.

A full event matches no row and is refused without a write or a lock. If this process last saw the
event full, it first reads the event, which costs half as much as the statement, and runs the
statement only if there may be a seat.

A party that would fit while others wait takes the event's lock first and then reads the queue. By
the strict policy it gets seats only if every waitlisted party is larger than the whole capacity.

Both statements are prepared, since planning them costs more than running them.
"""

import json
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db import DEFAULT_DB_ALIAS, IntegrityError, connections, transaction
from django.utils import timezone

from accounts.audit import key_id
from accounts.models import User
from config.api.request_ids import current_request_id
from config.api.sql.compiled_queries import loaded_row
from config.api.sql.statements import fetch_rows
from config.errors import NotFound, TemporarilyUnavailable
from events.models import Event
from events.services import lock_event

from ..models import LedgerEntry, Registration, new_ticket_code
from .contention import discard_plans_for_small_tables, set_sold_out, was_sold_out
from .eligibility import (
    FITS,
    IS_REGISTERED,
    MAY_REGISTER,
    Status,
    check_may_register,
    may_pass_queue,
    placement,
    raise_if_registered,
)
from .inserts import (
    ENTRY_OF_NEW,
    NOTIFICATION_OF_NEW,
    insert_ledger_entries,
    insert_notifications,
    insert_registrations,
)

Reason = LedgerEntry.Reason

# A seat may become free between the refusal and the read. Then the statement runs again.
_ATTEMPTS = 3

# The columns that explain a refusal.
_STATE_COLUMNS = (
    "id", "status", "deleted_at", "start_time", "registration_opens_at", "registration_closes_at",
    "max_capacity", "registered_count", "waitlist_count", "waitlist_enabled", "max_party_size",
    "waitlist_policy", "visibility",
)  # fmt: skip

# The response to a new registration has these columns as they were under the lock. The statement
# may have started before another transaction changed them.
_LOCKED_COLUMNS = (
    "name", "location", "start_time", "end_time", "timezone", "status", "meeting_url", "key_number",
)  # fmt: skip

_EVENT_COLUMNS = {
    **{name: f"event.{name}" for name in (*_STATE_COLUMNS, "organizer_id")},
    **{name: f"coalesce(placement.{name}, event.{name})" for name in _LOCKED_COLUMNS},
}

_RESULT_COLUMNS = {
    "is_placed": "placement.event_id IS NOT NULL",
    "is_registered": f"placement.event_id IS NULL AND {IS_REGISTERED}",
    "queue_number": "placement.queue_number",
    "position": "placement.position",
    "people_ahead": "placement.people_ahead",
    "owner_id": "placement.owner_id",
}

_GETS_SEAT = f"coalesce(%(gets_seat)s::boolean, {FITS})"

# For the row after the UPDATE. Without the lock a seat is only given if nobody is waitlisted.
_IS_QUEUED = "coalesce(NOT %(gets_seat)s::boolean, waitlist_count > 0)"

_PLACE = f"""
    WITH placement AS (
        UPDATE events_event AS event SET
            registered_count = registered_count
                + CASE WHEN {_GETS_SEAT} THEN %(party_size)s::int ELSE 0 END,
            waitlist_count = waitlist_count
                + CASE WHEN {_GETS_SEAT} THEN 0 ELSE %(party_size)s::int END,
            waitlist_guest_count = waitlist_guest_count
                + CASE WHEN {_GETS_SEAT} THEN 0 ELSE %(party_size)s::int - 1 END,
            last_queue_number = last_queue_number + CASE WHEN {_GETS_SEAT} THEN 0 ELSE 1 END
        WHERE id = %(event_id)s AND {MAY_REGISTER}
            AND (visibility = 'public' OR %(is_opened)s::boolean)
        RETURNING
            id AS event_id, {", ".join(_LOCKED_COLUMNS)},
            CASE WHEN {_IS_QUEUED} THEN last_queue_number END AS queue_number,
            CASE WHEN {_IS_QUEUED} THEN waitlist_count - waitlist_guest_count END AS position,
            CASE WHEN {_IS_QUEUED} THEN waitlist_count - %(party_size)s::int END AS people_ahead,
            CASE WHEN %(user_id)s::bigint IS NULL THEN (
                SELECT id FROM accounts_user
                WHERE email = %(email)s AND email_verified_at IS NOT NULL AND is_active
            ) END AS owner_id
    ), candidate AS (
        SELECT
            %(id)s::uuid AS id, event_id, coalesce(%(user_id)s, owner_id) AS user_id,
            CASE WHEN owner_id IS NULL THEN %(registered_by_id)s::bigint END AS registered_by_id,
            %(name)s::text AS name, %(email)s::text AS email,
            %(source)s::text AS source, queue_number,
            %(ticket_code)s::text AS ticket_code,
            CASE WHEN owner_id IS NULL THEN 0 ELSE 1 END AS link_version,
            %(party_size)s::int AS party_size, %(guests)s::jsonb AS guests,
            %(now)s::timestamptz AS at
        FROM placement
    ), registration AS (
        {insert_registrations("candidate")}
    ), ledger_entry AS (
        {insert_ledger_entries("candidate", kind=ENTRY_OF_NEW)}
    ), notification AS (
        {insert_notifications("candidate WHERE %(notify)s", kind=NOTIFICATION_OF_NEW)}
    )
    SELECT {", ".join((*_RESULT_COLUMNS.values(), *_EVENT_COLUMNS.values()))}
    FROM events_event AS event LEFT JOIN placement ON placement.event_id = event.id
    WHERE event.id = %(event_id)s
"""  # noqa: S608  # nosec  # composed of constants only

_READ_STATE = f"""
    SELECT {IS_REGISTERED}, {", ".join(_STATE_COLUMNS)}
    FROM events_event WHERE id = %(event_id)s
"""  # noqa: S608  # nosec  # composed of constants only


def complete_contact(
    caller: User | None, *, name: str | None = None, email: str | None = None
) -> dict[str, str | None]:
    """The name and the address to register. An account may leave out its own; None is missing."""
    if caller is not None:
        email = email or caller.email
        if email == caller.email:
            name = name or caller.username
    return {"name": name, "email": email}


def register_caller(
    event_id: int,
    caller: User | None,
    *,
    name: str,
    email: str,
    source: str = "",
    party_size: int = 1,
    guests: Sequence[dict[str, str | None]] = (),
    is_opened: bool = False,
) -> Registration:
    """Registers the caller; None is a guest. Another address than the caller's is that of a guest.

    The caller manages the registration of such a guest. Returns and raises as `register`.
    """
    user = caller if caller is not None and email == caller.email else None
    return register(
        event_id,
        name=name,
        email=email,
        user=user,
        registered_by=caller,
        source=source,
        party_size=party_size,
        guests=guests,
        is_opened=is_opened,
    )


def register(
    event_id: int,
    *,
    name: str,
    email: str,
    user: User | None = None,
    registered_by: User | None = None,
    source: str = "",
    notify: bool = True,
    party_size: int = 1,
    guests: Sequence[dict[str, str | None]] = (),
    is_opened: bool = False,
) -> Registration:
    """Registers a person and their party.

    `user` is the account that the registration belongs to; None for a guest.

    `email` is canonical, as `config.api.text.email_addresses` and every form and field return it.
    `registered_by` is the account that makes the registration. `party_size` includes the
    registrant; `guests` are those who are named. `is_opened` says that the caller has the key of
    an unlisted event; without it `registered_by` has to see the event.

    A guest's registration belongs to the account that has confirmed the address, if there is one.
    The caller may be a stranger then. So `registered_by` is not stored, and the token of version 0,
    which the response contains, is not valid. Without `notify` there is no notification.

    Returns the registration, `confirmed` or `waitlisted`, with `event`, `position` and
    `people_ahead` set. Raises `NotFound` and the errors of `check_may_register`.
    """
    viewer = registered_by or AnonymousUser()
    if was_sold_out(event_id):
        _check_by_reading(event_id, email, party_size, viewer, is_opened=is_opened)
    for _ in range(_ATTEMPTS):
        parameters: dict[str, Any] = {
            "id": uuid.uuid4(),
            "event_id": event_id,
            "user_id": user and user.pk,
            "registered_by_id": registered_by and registered_by.pk,
            "actor_id": registered_by and registered_by.pk,
            "key_id": registered_by and key_id(),
            "reason": Reason.BY_ATTENDEE.value if registered_by else Reason.BY_GUEST.value,
            "name": name,
            "email": email,
            "source": source,
            "ticket_code": new_ticket_code(),
            "now": timezone.now(),
            "notify": notify,
            "request_id": current_request_id(),
            "party_size": party_size,
            "guests": json.dumps(list(guests)) if guests else "[]",
            "gets_seat": None,
            "is_opened": is_opened,
        }
        row = _place(parameters)
        event = _event(row)
        if not row["is_placed"]:
            _check_is_visible(event, viewer, is_opened=is_opened)
            is_opened = parameters["is_opened"] = True
            if event.waitlist_count and event.seats_party(party_size):
                row = _place_under_lock(parameters)
                event = _event(row)
        set_sold_out(event_id, not row["is_placed"] and not event.has_free_seat)
        if row["is_placed"]:
            return _registration(parameters, row, event)
        _explain_refusal(event, row["is_registered"], parameters["now"], party_size)
    raise TemporarilyUnavailable(headers={"Retry-After": "1"})


@transaction.atomic
def _place_under_lock(parameters: dict[str, Any]) -> dict[str, Any]:
    """The row of `_PLACE` for a party that fits while others wait.

    Raises the errors of `register`.
    """
    event = lock_event(parameters["event_id"])
    is_registered = Registration.objects.live().filter(event=event, email=parameters["email"])
    may_pass, party_size = may_pass_queue(event), parameters["party_size"]
    _explain_refusal(
        event, is_registered.exists(), parameters["now"], party_size, may_pass=may_pass
    )
    gets_seat = placement(event, party_size, may_pass=may_pass) == Status.CONFIRMED
    return _place({**parameters, "gets_seat": gets_seat})


def _check_by_reading(
    event_id: int, email: str, party_size: int, viewer: User | AnonymousUser, *, is_opened: bool
) -> None:
    """Raises the refusal for the event's current state; returns if there may be a seat."""
    columns = ("is_registered", *_STATE_COLUMNS)
    row = _run(_READ_STATE, columns, {"event_id": event_id, "email": email})
    event = _event(row)
    _check_is_visible(event, viewer, is_opened=is_opened)
    _explain_refusal(event, row["is_registered"], timezone.now(), party_size)


def _place(parameters: dict[str, Any]) -> dict[str, Any]:
    """The row of `_PLACE`. Raises `AlreadyRegistered` and the errors of `_run`."""
    columns = (*_RESULT_COLUMNS, *_EVENT_COLUMNS)
    # One statement is a transaction of its own. Inside another one, a refusal must not abort that.
    is_inside = connections[DEFAULT_DB_ALIAS].in_atomic_block
    try:
        if is_inside:
            with transaction.atomic():
                return _run(_PLACE, columns, parameters)
        return _run(_PLACE, columns, parameters)
    except IntegrityError as error:
        raise_if_registered(error)
        raise


def _run(sql: str, columns: tuple[str, ...], parameters: dict[str, Any]) -> dict[str, Any]:
    """The values of the one row by column. Raises `NotFound` if there is none.

    Database errors are Django's.
    """
    database = connections[DEFAULT_DB_ALIAS]
    database.ensure_connection()
    with database.wrap_database_errors:
        discard_plans_for_small_tables(database.connection)
        rows = fetch_rows(database.connection, sql, parameters, prepare=True)
    if not rows:
        raise NotFound
    return dict(zip(columns, rows[0], strict=True))


def _event(row: dict[str, Any]) -> Event:
    columns = {name: row[name] for name in _EVENT_COLUMNS if name in row}
    event: Event = loaded_row(Event, columns, DEFAULT_DB_ALIAS)
    return event


def _registration(parameters: dict[str, Any], row: dict[str, Any], event: Event) -> Registration:
    """The registration that `_PLACE` has inserted."""
    is_owned = row["owner_id"] is not None
    is_confirmed = row["queue_number"] is None
    registration: Registration = loaded_row(
        Registration,
        {
            "id": parameters["id"],
            "event_id": event.pk,
            "user_id": row["owner_id"] if is_owned else parameters["user_id"],
            "registered_by_id": None if is_owned else parameters["registered_by_id"],
            "name": parameters["name"],
            "email": parameters["email"],
            "source": parameters["source"],
            "status": Status.CONFIRMED if is_confirmed else Status.WAITLISTED,
            "queue_number": row["queue_number"],
            "position": row["position"],
            "people_ahead": row["people_ahead"],
            "party_size": parameters["party_size"],
            "guests": json.loads(parameters["guests"]),
            "absent_count": 0,
            "ticket_code": parameters["ticket_code"],
            "link_version": 1 if is_owned else 0,
            "registered_at": parameters["now"],
            "confirmed_at": parameters["now"] if is_confirmed else None,
            "cancelled_at": None,
            "checked_in_at": None,
            "checked_in_by_id": None,
        },
        DEFAULT_DB_ALIAS,
    )
    registration._state.fields_cache["event"] = event
    return registration


def _check_is_visible(event: Event, viewer: User | AnonymousUser, *, is_opened: bool) -> None:
    """Raises `NotFound` for a draft or an unlisted event that the viewer does not see."""
    if event.status == Event.Status.DRAFT or (event.is_unlisted and not is_opened):
        visible = Event.objects.visible_to(viewer, is_opened=is_opened)
        if not visible.filter(pk=event.pk).exists():
            raise NotFound


def _explain_refusal(
    event: Event, is_registered: bool, now: datetime, party_size: int, *, may_pass: bool = False
) -> None:
    """Raises why there was no place; returns if there is one by now."""
    check_may_register(
        event, is_registered=is_registered, now=now, party_size=party_size, may_pass=may_pass
    )
