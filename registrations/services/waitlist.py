"""Promotion of the waitlist into free seats, and the counters of an event."""

from typing import Any

from django.db import connection
from django.db.models import F
from django.utils import timezone

from config.api.effects import report_effect
from config.api.request_ids import current_request_id
from events.models import Event

from .eligibility import may_promote
from .inserts import insert_ledger_entries, insert_notifications
from .ledger import Reason

# One statement for any number of people: a raised capacity may promote thousands.
_PROMOTE = f"""
    WITH promoted AS (
        UPDATE registrations_registration SET status = 'confirmed', confirmed_at = %(now)s
        WHERE id IN (
            SELECT id FROM registrations_registration
            WHERE event_id = %(event_id)s AND status = 'waitlisted'
            ORDER BY queue_number LIMIT %(seats)s
        )
        RETURNING id, event_id, user_id, email, queue_number, confirmed_at AS at
    ), ledger_entry AS (
        {insert_ledger_entries("promoted ORDER BY queue_number", kind="'promoted'")}
    ), notification AS (
        {insert_notifications("promoted ORDER BY queue_number", kind="'registration_promoted'")}
        ON CONFLICT DO NOTHING
    )
    SELECT count(*) FROM promoted
"""  # noqa: S608  # nosec  # composed of constants only


def promote_waitlist(event: Event, *, reason: Reason) -> int:
    """Gives every free seat to the waitlist in queue order; returns the number of promotions.

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
        "actor_id": None,
        "key_id": None,
        "reason": reason.value,
        "request_id": current_request_id(),
    }
    with connection.cursor() as cursor:
        cursor.execute(_PROMOTE, parameters)  # LIMIT NULL, for no capacity, is no limit
        promoted: int = cursor.fetchone()[0]
    add_to_counters(event, registered_count=promoted, waitlist_count=-promoted)
    report_effect("promoted", promoted)
    return promoted


def add_to_counters(event: Event, **changes: int) -> None:
    """Adds to the counters in the database and on `event`. Caller holds the event lock."""
    Event.objects.filter(pk=event.pk).update(
        **{name: F(name) + change for name, change in changes.items()}
    )
    for name, change in changes.items():
        setattr(event, name, getattr(event, name) + change)
