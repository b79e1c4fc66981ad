"""Promotion of the waitlist into free seats, and the counters of an event."""

from typing import Any

from django.db import connection
from django.db.models import F
from django.utils import timezone

from config.api.effects import report_effect
from config.api.request_ids import current_request_id
from events.models import Event, WaitlistPolicy

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

# The parties that get seats if each takes them in the order of the queue, unless it does not fit.
# Each step reads one entry of the index on the queue, or skips those that do not fit.
_FITTING = """
    WITH RECURSIVE fitting AS (
        SELECT NULL::uuid AS id, 0::bigint AS queue_number, %(seats)s::bigint AS seats
        UNION ALL
        SELECT next.id, next.queue_number, fitting.seats - next.party_size
        FROM fitting CROSS JOIN LATERAL (
            SELECT id, queue_number, party_size FROM registrations_registration
            WHERE event_id = %(event_id)s AND status = 'waitlisted'
                AND queue_number > fitting.queue_number
                AND party_size <= coalesce(fitting.seats, party_size)
            ORDER BY queue_number LIMIT 1
        ) AS next
    )
    SELECT id FROM fitting WHERE id IS NOT NULL
"""

_IN_ORDER = "promoted ORDER BY queue_number"

# One statement for any number of people: a raised capacity may promote thousands.
_PROMOTE = """
    WITH promoted AS (
        UPDATE registrations_registration SET status = 'confirmed', confirmed_at = %(now)s
        WHERE id IN ({chosen})
        RETURNING id, event_id, user_id, email, queue_number, party_size, confirmed_at AS at
    ), ledger_entry AS (
        {ledger_entries}
    ), notification AS (
        {notifications}
        ON CONFLICT DO NOTHING
    )
    SELECT count(*), coalesce(sum(party_size), 0) FROM promoted
"""

_PROMOTE_BY_POLICY = {
    policy: _PROMOTE.format(
        chosen=chosen,
        ledger_entries=insert_ledger_entries(_IN_ORDER, kind="'promoted'"),
        notifications=insert_notifications(_IN_ORDER, kind="'registration_promoted'"),
    )
    for policy, chosen in ((WaitlistPolicy.STRICT, _FIRST), (WaitlistPolicy.FIRST_FIT, _FITTING))
}


def promote_waitlist(event: Event, *, reason: Reason, even_closed: bool = False) -> int:
    """Gives free seats to the waitlist in queue order; returns the number of promotions.

    A party gets seats for all of its people or none. If the first does not fit, seats stay free by
    the strict policy, and go to the first that fits by the other.
    All promotions happen here. There are none if registration is closed, except with `even_closed`,
    or if the event has started, is cancelled or deleted. Caller holds the event lock.
    """
    _count_oversized(event)
    now = timezone.now()
    if not may_promote(event, now, even_closed=even_closed):
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
        cursor.execute(
            _PROMOTE_BY_POLICY[WaitlistPolicy(event.waitlist_policy)], parameters
        )  # LIMIT NULL, for no capacity, is no limit
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


def _count_oversized(event: Event) -> None:
    """Counts the waitlisted parties that a lower capacity has made larger than the whole event.

    Every edit of the event, and every party that leaves the queue or shrinks, promotes the waitlist
    and so comes here. A new party is never larger.
    """
    number = 0
    if event.waitlist_guest_count and event.max_capacity is not None:
        queue = Registration.objects.filter(event=event, status=Status.WAITLISTED)
        number = queue.filter(party_size__gt=event.max_capacity).count()
    if number != event.oversized_count:
        add_to_counters(event, oversized_count=number - event.oversized_count)


def add_people(event: Event, registration: Registration, people: int, *, parties: int) -> None:
    """Adds people to the counters of their status, and parties if they wait; both may be negative.

    Caller holds the event lock.
    """
    if registration.status == Status.CONFIRMED:
        add_to_counters(event, registered_count=people)
    elif registration.status == Status.PENDING:
        add_to_counters(event, pending_count=people)
    else:
        add_to_counters(event, waitlist_count=people, waitlist_guest_count=people - parties)


def add_to_counters(event: Event, **changes: int) -> None:
    """Adds to the counters in the database and on `event`. Caller holds the event lock."""
    Event.objects.filter(pk=event.pk).update(
        **{name: F(name) + change for name, change in changes.items()}
    )
    for name, change in changes.items():
        setattr(event, name, getattr(event, name) + change)
