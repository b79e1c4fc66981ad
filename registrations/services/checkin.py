"""Check-in of tickets at the door, one request per scan."""

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from config.errors import NotFound
from events.models import Event

from ..errors import TicketNotValid
from ..models import Registration
from .ledger import Kind, record_change, role_of


@transaction.atomic
def check_in(event: Event, ticket_code: str, *, by: User) -> tuple[Registration, bool]:
    """Checks a ticket in; returns the registration and whether it was already checked in.

    Of two concurrent scans one is the first; the other returns the time of the first. Raises
    `NotFound`, `TicketNotValid`.
    """
    registration = _lock_ticket(event, ticket_code)
    if registration.checked_in_at is not None:
        return registration, True
    registration.checked_in_at = timezone.now()
    registration.checked_in_by = by
    registration.save(update_fields=["checked_in_at", "checked_in_by"])
    _record(event, registration, Kind.CHECKED_IN, by)
    return registration, False


@transaction.atomic
def undo_check_in(event: Event, ticket_code: str, *, by: User) -> Registration:
    """Undoes a check-in, if there was one. Raises `NotFound`, `TicketNotValid`."""
    registration = _lock_ticket(event, ticket_code)
    if registration.checked_in_at is not None:
        registration.checked_in_at = registration.checked_in_by = None
        registration.save(update_fields=["checked_in_at", "checked_in_by"])
        _record(event, registration, Kind.CHECK_IN_UNDONE, by)
    return registration


def _lock_ticket(event: Event, ticket_code: str) -> Registration:
    """The registration of a valid ticket, locked."""
    code = ticket_code.strip().upper()
    registration = (
        Registration.objects.for_display()
        .existing()
        .select_for_update(of=("self",))
        .filter(ticket_code=code)
        .first()
    )
    if registration is None:
        raise NotFound("No registration has this ticket code.")
    if registration.event_id != event.pk:
        raise TicketNotValid("The ticket is for another event.", reason="other_event")
    if registration.status == Registration.Status.CANCELLED:
        raise TicketNotValid("The registration was cancelled.", reason="cancelled")
    if registration.status == Registration.Status.WAITLISTED:
        raise TicketNotValid("The holder is on the waitlist.", reason="waitlisted")
    return registration


def _record(event: Event, registration: Registration, kind: Kind, by: User) -> None:
    record_change(registration, kind, by=by, reason=role_of(by, registration, event))
