"""Who may register, who gets a seat, and when the waitlist is promoted.

Each rule is a Python function of an event that is loaded, and an SQL condition on a row `event` of
the events' table. The SQL has the parameter `now`, and `IS_REGISTERED` also `event_id` and `email`.
`tests/test_eligibility.py` compares both.
"""

from datetime import datetime

from django.db import IntegrityError

from config.api.text.instants import render_instant
from config.errors import NotFound
from events.errors import EventCancelled, EventNotPublished, EventStarted
from events.models import Event

from ..errors import AlreadyRegistered, EventFull, RegistrationClosed, RegistrationNotOpen
from ..models import Registration

Status = Registration.Status

# A generated column with the rule of `Event.has_free_seat`: waitlisted registrations come first.
HAS_FREE_SEAT = "event.is_available"

GIVES_SEATS = """(
    event.status = 'published' AND event.deleted_at IS NULL AND event.start_time > %(now)s
    AND (event.registration_closes_at IS NULL OR event.registration_closes_at > %(now)s)
)"""

IS_OPEN = f"""({GIVES_SEATS}
    AND (event.registration_opens_at IS NULL OR event.registration_opens_at <= %(now)s)
)"""

IS_REGISTERED = """EXISTS (
    SELECT FROM registrations_registration
    WHERE event_id = %(event_id)s AND email = %(email)s AND status <> 'cancelled'
)"""

MAY_REGISTER = f"""(
    {IS_OPEN} AND ({HAS_FREE_SEAT} OR event.waitlist_enabled) AND NOT {IS_REGISTERED}
)"""


def may_promote_sql(
    *, confirmed: str = "event.registered_count", waitlisted: str = "event.waitlist_count"
) -> str:
    """The SQL of `may_promote`, with other expressions for the two counts."""
    return f"""(
        {GIVES_SEATS} AND {waitlisted} > 0
        AND (event.max_capacity IS NULL OR {confirmed} < event.max_capacity)
    )"""


def gives_seats(event: Event, now: datetime) -> bool:
    """Whether registrations can still get a seat, be it by promotion."""
    closes = event.registration_closes_at
    return (
        event.status == Event.Status.PUBLISHED
        and event.deleted_at is None
        and not event.has_started(now)
        and (closes is None or now < closes)
    )


def may_promote(event: Event, now: datetime) -> bool:
    """Whether there is a seat for a waitlisted registration.

    Promotion does not depend on `registration_opens_at`.
    """
    return event.waitlist_count > 0 and event.available_seats != 0 and gives_seats(event, now)


def placement(event: Event) -> Status | None:
    """The status of the next registration; None if the event is full."""
    if event.has_free_seat:
        return Status.CONFIRMED
    return Status.WAITLISTED if event.waitlist_enabled else None


def check_is_ahead(event: Event, now: datetime) -> None:
    """Raises `NotFound` if deleted, `EventCancelled`, `EventNotPublished`, `EventStarted`."""
    if event.deleted_at is not None:
        raise NotFound
    if event.status == Event.Status.CANCELLED:
        raise EventCancelled
    if event.status == Event.Status.DRAFT:
        raise EventNotPublished
    if event.has_started(now):
        raise EventStarted("The event has started; registration is over.")


def check_may_register(event: Event, *, is_registered: bool, now: datetime) -> None:
    """Raises the first error that prevents a registration.

    The order is that of `check_is_ahead`, then `RegistrationNotOpen`, `RegistrationClosed`,
    `AlreadyRegistered`, `EventFull`.
    """
    check_is_ahead(event, now)
    opens, closes = event.registration_opens_at, event.registration_closes_at
    if opens and now < opens:
        raise RegistrationNotOpen(opens_at=render_instant(opens))
    if closes and now >= closes:
        raise RegistrationClosed
    if is_registered:
        raise AlreadyRegistered
    if placement(event) is None:
        raise EventFull(
            f"{describe_full(event)} Try again later: a seat becomes free when somebody cancels.",
            max_capacity=event.max_capacity,
        )


def is_cancellation_closed(registration: Registration, event: Event, now: datetime) -> bool:
    """Whether the holder can no longer cancel because the deadline has passed."""
    return (
        registration.status == Status.CONFIRMED
        and event.status == Event.Status.PUBLISHED
        and event.is_cancellation_closed(now)
    )


def check_is_unregistered(event: Event, email: str) -> None:
    """Raises `AlreadyRegistered` if the address has a live registration.

    Caller holds the event lock, which blocks registrations.
    """
    if Registration.objects.live().filter(event=event, email=email).exists():
        raise AlreadyRegistered


def raise_if_registered(error: IntegrityError) -> None:
    """Raises `AlreadyRegistered` if the database rejected a second live registration."""
    if "one_live_registration_per_address" in str(error):
        raise AlreadyRegistered from error


def describe_full(event: Event) -> str:
    if event.max_capacity == 1:
        return "The only seat is taken."
    return f"All {event.max_capacity} seats are taken."
