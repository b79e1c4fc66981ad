"""Who may register, who gets a seat, and when the waitlist is promoted.

Each rule is a Python function of an event that is loaded, and an SQL condition on a row `event` of
the events' table. The SQL has the parameter `now`, `FITS` has `party_size`, `IS_REGISTERED` has
`event_id` and `email`, and `MAY_REGISTER` has all of them, `gets_seat` and `skips_mode`.
`tests/test_eligibility.py` compares both.
"""

from datetime import datetime

from django.contrib.auth.models import AnonymousUser
from django.db import IntegrityError

from accounts.models import User
from config.api.text.instants import render_instant
from config.errors import FieldError, NotFound, ValidationFailed
from events.errors import EventCancelled, EventNotPublished, EventStarted
from events.models import Event, RegistrationMode

from ..errors import (
    AlreadyRegistered,
    EventFull,
    PartyTooLarge,
    RegistrationCancelled,
    RegistrationClosed,
    RegistrationNotOpen,
    RegistrationRejected,
)
from ..models import Registration

Status = Registration.Status


class AdmissionNeeded(Exception):
    """The event is not open to all: `services.admission` decides by the mode."""

    def __init__(self, mode: RegistrationMode) -> None:
        super().__init__(mode)
        self.mode = mode


# Whether there are seats for `party_size` people at once, whoever waits.
FITS = """(
    event.max_capacity IS NULL
    OR event.registered_count + %(party_size)s::int <= event.max_capacity
)"""

# A trigger keeps the column equal to `Event.has_free_seat`.
HAS_FREE_SEAT = "event.is_available"

# The same as `Event.gives_seats`.
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

# Without `gets_seat` this is false for a party that would fit while others wait. The caller then
# locks the event, decides, and runs the statement with `gets_seat`: the row after the UPDATE could
# not tell a seat from a place in the queue.
MAY_REGISTER = f"""(
    {IS_OPEN} AND (event.registration_mode = 'open' OR %(skips_mode)s::boolean)
    AND CASE
        WHEN %(gets_seat)s::boolean IS NOT NULL THEN true
        WHEN %(party_size)s::int > event.max_party_size THEN false
        WHEN {FITS} THEN event.waitlist_count = 0
        ELSE event.waitlist_enabled AND %(party_size)s::int <= event.max_capacity
    END
    AND NOT {IS_REGISTERED}
)"""


def may_promote_sql(
    *, confirmed: str = "event.registered_count", waitlisted: str = "event.waitlist_count"
) -> str:
    """The SQL of `may_promote`, with other expressions for the two counts."""
    return f"""(
        {GIVES_SEATS} AND {waitlisted} > 0
        AND (event.max_capacity IS NULL OR {confirmed} < event.max_capacity)
    )"""


def may_promote(event: Event, now: datetime, *, even_closed: bool = False) -> bool:
    """Whether there may be seats for a waitlisted party, `even_closed` as in `Event.gives_seats`.

    Promotion does not depend on `registration_opens_at`.
    """
    has_seats = event.waitlist_count > 0 and event.available_seats != 0
    return has_seats and event.gives_seats(now, even_closed=even_closed)


def placement(event: Event, party_size: int = 1) -> Status | None:
    """The status of the next registration; None if the event is full."""
    if event.seats_party(party_size) and event.is_open_to_newcomers:
        return Status.CONFIRMED
    return Status.WAITLISTED if event.waitlist_enabled else None


def check_party_size(event: Event, party_size: int) -> None:
    """Raises `ValidationFailed` for a party larger than the event allows."""
    limit = event.max_party_size
    if party_size > limit:
        people = "one person" if limit == 1 else f"at most {limit} people"
        raise ValidationFailed(
            FieldError(
                "party_size", "max_value", f"One registration is for {people} at this event."
            )
        )


def check_is_visible(
    event: Event, viewer: User | AnonymousUser, *, is_opened: bool = False
) -> None:
    """Raises `NotFound` for an event that is deleted or hidden from the viewer.

    `is_opened` says that the viewer has the key of an unlisted event.
    """
    is_hidden = event.status == Event.Status.DRAFT or (event.is_unlisted and not is_opened)
    visible = Event.objects.visible_to(viewer, is_opened=is_opened)
    if event.deleted_at is not None or (is_hidden and not visible.filter(pk=event.pk).exists()):
        raise NotFound


def check_is_upcoming(event: Event, now: datetime) -> None:
    """Raises `NotFound` if deleted, `EventCancelled`, `EventNotPublished`, `EventStarted`."""
    if event.deleted_at is not None:
        raise NotFound
    if event.status == Event.Status.CANCELLED:
        raise EventCancelled
    if event.status == Event.Status.DRAFT:
        raise EventNotPublished
    if event.has_started(now):
        raise EventStarted("The event has started; registration is over.")


def check_has_place(event: Event, party_size: int) -> None:
    """Raises `EventFull` if there are neither seats nor places in the queue."""
    if placement(event, party_size) is None:
        raise event_full_error(event)


def check_is_open(event: Event, now: datetime) -> None:
    """Raises why registration is not open.

    After the errors of `check_is_upcoming` come `RegistrationNotOpen` and `RegistrationClosed`.
    """
    check_is_upcoming(event, now)
    opens, closes = event.registration_opens_at, event.registration_closes_at
    if opens and now < opens:
        raise RegistrationNotOpen(opens_at=render_instant(opens))
    if closes and now >= closes:
        raise RegistrationClosed


def check_fits_capacity(event: Event, party_size: int) -> None:
    """Raises `PartyTooLarge` for a party that can never fit."""
    capacity = event.max_capacity
    if capacity is not None and party_size > capacity:
        raise PartyTooLarge(
            f"The event has {capacity} seats in all; register a smaller party.",
            max_capacity=capacity,
        )


def event_full_error(event: Event) -> EventFull:
    return EventFull(
        f"{describe_full(event)} Try again later: a seat becomes free when somebody cancels.",
        max_capacity=event.max_capacity,
        available_seats=event.available_seats,
        waitlist_count=event.waitlist_count,
    )


def is_cancellation_closed(registration: Registration, event: Event, now: datetime) -> bool:
    """Whether the holder can no longer cancel because the deadline has passed."""
    return (
        registration.status == Status.CONFIRMED
        and event.status == Event.Status.PUBLISHED
        and event.is_cancellation_closed(now)
    )


def check_is_current(registration: Registration) -> None:
    """Raises `RegistrationCancelled`, `RegistrationRejected`."""
    if registration.status == Status.CANCELLED:
        raise RegistrationCancelled
    if registration.status == Status.REJECTED:
        raise RegistrationRejected


def is_registered(event: Event, email: str) -> bool:
    """Whether the address has a registration that is not cancelled.

    Caller holds the event lock, which blocks registrations.
    """
    return Registration.objects.of_address().filter(event=event, email=email).exists()


def raise_if_registered(error: IntegrityError) -> None:
    """Raises `AlreadyRegistered` if the database rejected a second live registration."""
    if "one_live_registration_per_address" in str(error):
        raise AlreadyRegistered from error


def describe_full(event: Event) -> str:
    free = event.available_seats or 0
    if free > 0:
        seats = "1 seat is" if free == 1 else f"{free} seats are"
        number = event.waitlist_count
        people = "1 person waits" if number == 1 else f"{number} people wait"
        waiting = f", and {people}" if number else ""
        return f"Only {seats} free{waiting}."
    if event.max_capacity == 1:
        return "The only seat is taken."
    return f"All {event.max_capacity} seats are taken."
