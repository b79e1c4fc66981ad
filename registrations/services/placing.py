"""The statement that takes a seat or a place in the queue.

One statement does it in one round trip. A conditional UPDATE of the event takes the seat. The
registration, its ledger entry and its notification are inserted for the event's row that the UPDATE
returns. The statement also returns the event's state, which explains a refusal. The event's row is
locked from that UPDATE to the commit, with no round trip to the client in between.

It expects the form that the answers were checked against, NULL for none, and matches no row of an
event with another one. Both statements here are prepared, since planning them costs more than
running them.
"""

import json
from typing import Any

from django.db import DEFAULT_DB_ALIAS, IntegrityError, connections, transaction

from accounts.models.user import OWNS_ADDRESS
from config.api.sql.compiled_queries import loaded_row
from config.api.sql.statements import NamedStatement
from config.errors import NotFound
from events.models import Event

from ..models import Registration
from .contention import discard_plans_for_small_tables
from .eligibility import FITS, IS_REGISTERED, MAY_REGISTER, Status, raise_if_registered
from .inserts import (
    ENTRY_OF_NEW,
    NOTIFICATION_OF_NEW,
    insert_ledger_entries,
    insert_notifications,
    insert_registrations,
)

# The columns that explain a refusal.
_STATE_COLUMNS = (
    "id", "status", "deleted_at", "start_time", "registration_opens_at", "registration_closes_at",
    "max_capacity", "registered_count", "waitlist_count", "waitlist_enabled", "max_party_size",
    "waitlist_guest_count", "oversized_count",
    "waitlist_policy", "form_id", "visibility",
    "registration_mode",
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

_PLACE = NamedStatement(f"""
    WITH placement AS (
        UPDATE events_event AS event SET
            registered_count = registered_count
                + CASE WHEN {_GETS_SEAT} THEN %(party_size)s::int ELSE 0 END,
            waitlist_count = waitlist_count
                + CASE WHEN {_GETS_SEAT} THEN 0 ELSE %(party_size)s::int END,
            waitlist_guest_count = waitlist_guest_count
                + CASE WHEN {_GETS_SEAT} THEN 0 ELSE %(party_size)s::int - 1 END,
            last_queue_number = last_queue_number + CASE WHEN {_GETS_SEAT} THEN 0 ELSE 1 END
        WHERE id = %(event_id)s AND form_id IS NOT DISTINCT FROM %(form_id)s::bigint
            AND (visibility = 'public' OR %(is_opened)s::boolean) AND {MAY_REGISTER}
        RETURNING
            id AS event_id, {", ".join(_LOCKED_COLUMNS)},
            CASE WHEN {_IS_QUEUED} THEN last_queue_number END AS queue_number,
            CASE WHEN {_IS_QUEUED} THEN waitlist_count - waitlist_guest_count END AS position,
            CASE WHEN {_IS_QUEUED} THEN waitlist_count - %(party_size)s::int END AS people_ahead,
            CASE WHEN %(user_id)s::bigint IS NULL THEN (
                SELECT id FROM accounts_user
                WHERE email = %(email)s AND {OWNS_ADDRESS}
            ) END AS owner_id
    ), candidate AS (
        SELECT
            %(id)s::uuid AS id, event_id, coalesce(%(user_id)s, owner_id) AS user_id,
            CASE WHEN owner_id IS NULL THEN %(registered_by_id)s::bigint END AS registered_by_id,
            %(name)s::text AS name, %(email)s::text AS email,
            %(source)s::text AS source, %(show_name)s::boolean AS show_name, queue_number,
            %(ticket_code)s::text AS ticket_code,
            CASE WHEN owner_id IS NULL THEN 0 ELSE 1 END AS link_version,
            %(party_size)s::int AS party_size, %(guests)s::jsonb AS guests,
            %(answers)s::jsonb AS answers,
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
""")  # noqa: S608  # nosec  # composed of constants only

_READ_STATE = NamedStatement(f"""
    SELECT {IS_REGISTERED}, {", ".join(_STATE_COLUMNS)}
    FROM events_event WHERE id = %(event_id)s
""")  # noqa: S608  # nosec  # composed of constants only


def place(parameters: dict[str, Any]) -> dict[str, Any]:
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


def _run(
    statement: NamedStatement, columns: tuple[str, ...], parameters: dict[str, Any]
) -> dict[str, Any]:
    """The values of the one row by column. Raises `NotFound` if there is none.

    Database errors are Django's.
    """
    database = connections[DEFAULT_DB_ALIAS]
    database.ensure_connection()
    with database.wrap_database_errors:
        discard_plans_for_small_tables(database.connection)
        rows = statement.fetch_rows(database.connection, parameters)
    if not rows:
        raise NotFound
    return dict(zip(columns, rows[0], strict=True))


def event_of(row: dict[str, Any]) -> Event:
    columns = {name: row[name] for name in _EVENT_COLUMNS if name in row}
    event: Event = loaded_row(Event, columns, DEFAULT_DB_ALIAS)
    return event


def registration_of(parameters: dict[str, Any], row: dict[str, Any], event: Event) -> Registration:
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
            "show_name": parameters["show_name"],
            "status": Status.CONFIRMED if is_confirmed else Status.WAITLISTED,
            "queue_number": row["queue_number"],
            "position": row["position"],
            "people_ahead": row["people_ahead"],
            "party_size": parameters["party_size"],
            "guests": json.loads(parameters["guests"]),
            "answers": json.loads(parameters["answers"]),
            "absent_count": 0,
            "ticket_code": parameters["ticket_code"],
            "link_version": 1 if is_owned else 0,
            "registered_at": parameters["now"],
            "confirmed_at": parameters["now"] if is_confirmed else None,
            "cancelled_at": None,
            "checked_in_at": None,
            "checked_in_by_id": None,
            "code_id": None,
        },
        DEFAULT_DB_ALIAS,
    )
    registration._state.fields_cache["event"] = event
    return registration


def read_state(event_id: int, email: str) -> tuple[Event, bool]:
    """The event's current state, and whether the address is registered."""
    columns = ("is_registered", *_STATE_COLUMNS)
    row = _run(_READ_STATE, columns, {"event_id": event_id, "email": email})
    return event_of(row), row["is_registered"]
