"""Promotion of the waitlist into free seats, and the counters of an event."""

from typing import Any

from django.db import connection
from django.db.models import F
from django.utils import timezone

from config.api.effects import report_effect
from config.api.request_ids import current_request_id
from events.models import Event

from ..models import Registration
from .eligibility import Status, may_promote
from .inserts import insert_ledger_entries, insert_notifications
from .ledger import Reason

# The parties in front of the queue that together fit into the seats. One that is larger than the
# whole capacity is passed over. A party has at least one person, so no more than that many
# registrations are read.
_FIRST = """
    SELECT id FROM (
        SELECT id, sum(party_size) OVER (ORDER BY queue_number) AS people FROM (
            SELECT id, party_size, queue_number FROM registrations_registration
            WHERE event_id = %(event_id)s AND status = 'waitlisted'
                AND party_size <= coalesce(%(max_capacity)s::int, party_size)
            ORDER BY queue_number LIMIT %(seats)s
        ) AS queue
    ) AS front
    WHERE people <= coalesce(%(seats)s::bigint, people)
"""

# One statement for any number of people: a raised capacity may promote thousands.
_PROMOTE = f"""
    WITH promoted AS (
        UPDATE registrations_registration SET status = 'confirmed', confirmed_at = %(now)s
        WHERE id IN ({_FIRST})
        RETURNING id, event_id, user_id, email, queue_number, party_size, confirmed_at AS at
    ), ledger_entry AS (
        {insert_ledger_entries("promoted ORDER BY queue_number", kind="'promoted'")}
    ), notification AS (
        {insert_notifications("promoted ORDER BY queue_number", kind="'registration_promoted'")}
        ON CONFLICT DO NOTHING
    )
    SELECT count(*), coalesce(sum(party_size), 0) FROM promoted
"""  # noqa: S608  # nosec  # composed of constants only


def promote_waitlist(event: Event, *, reason: Reason) -> int:
    """Gives free seats to the waitlist in queue order; returns the number of promotions.

    A party gets seats for all of its people or none. If the first does not fit, seats stay free.
    All promotions happen here. There are none if registration is closed, or if the event has
    started, is cancelled or deleted. Caller holds the event lock.
    """
    now = timezone.now()
    if not may_promote(event, now):
        return 0
    parameters: dict[str, Any] = {
        "event_id": event.pk,
        "now": now,
        "seats": event.available_seats,
        "max_capacity": event.max_capacity,
        "actor_id": None,
        "key_id": None,
        "reason": reason.value,
        "request_id": current_request_id(),
    }
    with connection.cursor() as cursor:
        cursor.execute(_PROMOTE, parameters)  # LIMIT NULL, for no capacity, is no limit
        promoted, people = cursor.fetchone()
    if promoted:
        add_to_counters(
            event,
            registered_count=people,
            waitlist_count=-people,
            waitlist_guest_count=promoted - people,
        )
    report_effect("promoted", promoted)
    return int(promoted)


def add_people(event: Event, registration: Registration, people: int, *, parties: int) -> None:
    """Adds people to the counters of their status, and parties if they wait; both may be negative.

    Caller holds the event lock.
    """
    if registration.status == Status.CONFIRMED:
        add_to_counters(event, registered_count=people)
    else:
        add_to_counters(event, waitlist_count=people, waitlist_guest_count=people - parties)


def add_to_counters(event: Event, **changes: int) -> None:
    """Adds to the counters in the database and on `event`. Caller holds the event lock."""
    Event.objects.filter(pk=event.pk).update(
        **{name: F(name) + change for name, change in changes.items()}
    )
    for name, change in changes.items():
        setattr(event, name, getattr(event, name) + change)
