"""Cancellation of registrations. A freed seat goes to the waitlist.

Lock order: account, event, registration.
"""

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from config.api.effects import report_effect
from config.api.text.instants import render_instant
from events.errors import EventStarted
from events.models import Event, Right, has_right
from events.services import lock_event

from ..errors import CancellationClosed, RegistrationRejected
from ..models import Registration
from .codes import give_use_back
from .eligibility import Status, is_cancellation_closed
from .ledger import Kind, Reason, is_registration_staff, record_change, role_of
from .locking import lock_registration
from .notifying import notify_cancelled
from .option_limits import free_options
from .waitlist import add_people, promote_waitlist


@transaction.atomic
def cancel_registration(
    registration: Registration,
    *,
    by: User | None = None,
    reason: Reason | None = None,
    notify: bool = True,
) -> None:
    """Cancels a registration and promotes the waitlist. A cancelled one stays unchanged.

    `by` is the acting account, None for a guest with a token. `reason` is the role of the actor; by
    default it follows from the registration. Raises `RegistrationRejected`, `EventStarted` after
    the start, and `CancellationClosed` for an attendee with a seat after the deadline.
    Seats of a deleted event, which may be restored, are freed only when an account is closed.
    Without `notify` the holder is not notified; promoted people always are.
    """
    is_closing = reason == Reason.ACCOUNT_CLOSED
    event = lock_event(registration.event_id, even_deleted=is_closing)
    registration = lock_registration(registration)
    if registration.status == Status.CANCELLED:
        return
    if registration.status == Status.REJECTED:
        raise RegistrationRejected
    now = timezone.now()
    if event.has_started(now):
        raise EventStarted("The event has started; a registration can no longer be cancelled.")
    if not is_closing:
        check_cancellation_open(event, registration, by, now)
    add_people(event, registration, -registration.party_size, parties=-1)
    free_options(event, registration)
    give_use_back(registration)
    registration.status = Status.CANCELLED
    registration.cancelled_at = now
    registration.save(update_fields=["status", "cancelled_at"])
    reason = reason or role_of(by, registration, event)
    record_change(registration, Kind.CANCELLED, by=by, reason=reason, at=now)
    if notify:
        notify_cancelled(registration, reason)
    report_effect("cancelled")
    promote_waitlist(event, reason=Reason.PLACE_FREED)


def check_cancellation_open(
    event: Event, registration: Registration, by: User | None, now: datetime
) -> None:
    """Raises `CancellationClosed` after the deadline. Organizer and staff may always cancel."""
    closes = event.cancellation_closes_at
    if closes is None or not is_cancellation_closed(registration, event, now):
        return
    if by is None or not (has_right(by, Right.PEOPLE, event) or is_registration_staff(by)):
        raise CancellationClosed(closed_at=render_instant(closes))
