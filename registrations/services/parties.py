"""Changes of a party: its size, the guests that are named, and the answers of all.

Lock order: event, registration.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from config.errors import FieldError, ValidationFailed
from events.errors import EventCancelled, EventStarted
from events.models import Event
from events.services import lock_event

from ..errors import PartyCannotGrow
from ..forms.answers import read_edit
from ..forms.questions import questions_of
from ..models import Registration
from .cancellation import check_cancellation_open
from .eligibility import (
    Status,
    check_fits_capacity,
    check_is_current,
    check_is_open,
    check_party_size,
    event_full_error,
)
from .ledger import Kind, Reason, record_change, role_of
from .locking import lock_registration
from .option_limits import exchange_options
from .waitlist import add_people, promote_waitlist


def surplus_of(size: int) -> str:
    """The error of more guests than a party of `size` people has."""
    return f"A party of {size} has at most {size - 1} guests besides the registrant."


@transaction.atomic
def change_party(
    registration: Registration,
    *,
    party_size: int | None = None,
    guests: Sequence[dict[str, Any]] | None = None,
    answers: Mapping[str, Any] | None = None,
    by: User | None = None,
) -> None:
    """Changes the number of people, the guests that are named, and answers; None leaves them.

    `answers` are by the key of the question, and null removes one. Guests may have answers too.

    A smaller party frees seats for the waitlist, and loses surplus guests from the end. A larger
    one takes seats that are free while nobody waits. `by` is the acting account, None for a guest
    with a token. Raises `ValidationFailed`, `EventCancelled`, `EventStarted`,
    `RegistrationCancelled`, `RegistrationRejected`, `CancellationClosed`, `RegistrationNotOpen`,
    `RegistrationClosed`, `PartyCannotGrow`, `PartyTooLarge`, `OptionFull`, `EventFull`, and
    `NotFound` as
    `lock_registration`.
    """
    event = lock_event(registration.event_id)
    row = lock_registration(registration)
    size = row.party_size if party_size is None else party_size
    if guests is not None and len(guests) >= size:
        raise ValidationFailed(FieldError("guests", "max_length", surplus_of(size)))
    now = timezone.now()
    difference = size - row.party_size
    if difference:
        _check_may_change(event, row)
        if difference < 0:
            _check_may_shrink(event, row, size, by, now)
        else:
            _check_may_grow(event, row, size, now)
    elif (guests, answers) != (None, None):
        check_is_current(row)
    row.party_size = size
    _answer(event, row, answers, guests, now)
    if row.checked_in_at is not None:
        row.absent_count += difference
    row.save(update_fields=["party_size", "guests", "answers", "absent_count"])
    if difference:
        _count(event, row, difference, by, now)
    _show(row, registration)


def _answer(
    event: Event,
    row: Registration,
    answers: Mapping[str, Any] | None,
    guests: Sequence[dict[str, Any]] | None,
    now: datetime,
) -> None:
    """Sets the guests and the answers of all, and takes and gives back the options with a limit."""
    before = row.answers, row.guests
    after, named = read_edit(
        questions_of(event.form), *before, answers=answers, guests=guests, now=now
    )
    row.answers, row.guests = after, named[: row.party_size - 1]
    exchange_options(event, row, before)


def _show(row: Registration, registration: Registration) -> None:
    """Sets what has changed on the caller's registration, which may have been promoted."""
    row.refresh_from_db(fields=["status", "confirmed_at"])
    for name in ("party_size", "guests", "answers", "absent_count", "status", "confirmed_at"):
        setattr(registration, name, getattr(row, name))
    if row.status == Status.CONFIRMED:
        registration.position = registration.people_ahead = None  # type: ignore[attr-defined]


def _count(
    event: Event, row: Registration, difference: int, by: User | None, now: datetime
) -> None:
    """Records the change, and promotes the waitlist into the seats that it frees."""
    kind = Kind.PARTY_GROWN if difference > 0 else Kind.PARTY_SHRUNK
    reason = role_of(by, row, event)
    record_change(row, kind, by=by, reason=reason, at=now, people=abs(difference))
    add_people(event, row, difference, parties=0)
    if difference < 0:
        promote_waitlist(event, reason=Reason.PLACE_FREED)


def _check_may_change(event: Event, row: Registration) -> None:
    check_is_current(row)
    if event.status == Event.Status.CANCELLED:
        raise EventCancelled
    if event.has_started():
        raise EventStarted("The event has started; its parties keep their size.")


def _check_may_shrink(
    event: Event, row: Registration, size: int, by: User | None, now: datetime
) -> None:
    if size < row.admitted_count:
        admitted = f"{row.admitted_count} people of the party are checked in."
        raise ValidationFailed(FieldError("party_size", "min_value", admitted))
    check_cancellation_open(event, row, by, now)


def _check_may_grow(event: Event, row: Registration, size: int, now: datetime) -> None:
    check_party_size(event, size)
    check_is_open(event, now)
    if row.status == Status.WAITLISTED:
        raise PartyCannotGrow
    check_fits_capacity(event, size)
    if row.status == Status.PENDING:  # it has no seats yet
        return
    if event.waitlist_count or not event.seats_party(size - row.party_size):
        raise event_full_error(event)
