"""Notifications to the holder of a registration about it."""

from collections.abc import Callable, Sequence
from uuid import UUID

from accounts.models import Notification
from accounts.notifications import Kind
from accounts.notifications.kinds import Facts
from events.links import page_url
from events.models import Event

from ..models import AddressConfirmation, Registration
from ..tickets import confirmation_link
from .facts import (
    Status,
    attach_event,
    attach_removal,
    attach_ticket,
    facts_of,
    is_ahead,
    registrations_of,
)
from .samples import sample


def _load_if(status: str) -> Callable[[Sequence[Notification]], dict[int, Facts]]:
    """Loads facts for registrations that still have the status, for events that are not over."""

    def load(rows: Sequence[Notification]) -> dict[int, Facts]:
        return {
            pk: facts_of(registration)
            for pk, registration in registrations_of(rows).items()
            if registration.status == status and is_ahead(registration.event)
        }

    return load


def _load_cancelled(rows: Sequence[Notification]) -> dict[int, Facts]:
    registrations = registrations_of(rows)
    return {
        row.pk: facts_of(
            registrations[row.pk], is_by_organizer=row.facts.get("reason") == "by_organizer"
        )
        for row in rows
        if row.pk in registrations
    }


def _load_handed_on(rows: Sequence[Notification]) -> dict[int, Facts]:
    """Facts about the event only, since the registration belongs to another person by now."""
    registrations = (
        Registration.objects.select_related("event__organizer", "event__category")
        .defer("event__search_vector")
        .in_bulk([row.registration_id for row in rows])
    )
    return {
        row.pk: _facts_for_former_holder(row, registration)
        for row in rows
        if (registration := registrations.get(row.registration_id)) and is_ahead(registration.event)
    }


def _facts_for_former_holder(row: Notification, registration: Registration) -> Facts:
    former = Registration(
        pk=registration.pk,
        event=registration.event,
        name=row.email,
        email=row.email,
        status=Status.CANCELLED,
    )
    return {**facts_of(former), "manage_url": ""}


def _load_rejected(rows: Sequence[Notification]) -> dict[int, Facts]:
    registrations = registrations_of(rows)
    return {
        row.pk: facts_of(registration, reason=row.facts.get("reason", ""), manage_url="")
        for row in rows
        if (registration := registrations.get(row.pk))
        and registration.status == Status.REJECTED
        and is_ahead(registration.event)
    }


def _load_confirmations(rows: Sequence[Notification]) -> dict[int, Facts]:
    """Facts for the newest request of an address. Older ones have no valid token."""
    requests = AddressConfirmation.objects.select_related("event__organizer").in_bulk(
        [row.facts["confirmation"] for row in rows]
    )
    by_id = {str(pk): request for pk, request in requests.items()}
    return {
        row.pk: _facts_of_request(request)
        for row in rows
        if (request := by_id.get(row.facts["confirmation"]))
        and request.version == row.facts["version"]
        and request.email == row.email
        and is_ahead(request.event)
    }


def _facts_of_request(request: AddressConfirmation) -> Facts:
    event = request.event
    registered = Registration.objects.for_display().of_address()
    registration = registered.filter(event=event, email=request.email).first()
    return {
        "event": event,
        "name": request.details["name"],
        "party_size": request.details["party_size"],
        "registration": registration,
        "page_url": registration.page_url if registration else _public_page_of(event),
        "expires_at": request.expires_at,
        "timezone": event.timezone,
        "caused_by": event.organizer_id,
        "is_unsolicited": True,
        "confirm_url": confirmation_link(request.pk, request.version),
    }


def _public_page_of(event: Event) -> str | None:
    """None for an unlisted event: somebody else may have named the address."""
    return None if event.is_unlisted else page_url(event)


def _sample_request() -> Facts:
    facts = sample()()
    return {
        **facts,
        "registration": None,
        "name": "Bob",
        "party_size": 2,
        "expires_at": facts["event"].created_at,
        "confirm_url": confirmation_link(UUID(int=0), 1),
    }


CONFIRMED = Kind(
    name="registration_confirmed",
    title="Registration confirmed",
    template="registrations/mail/registration_confirmed.html",
    sample=sample(),
    load=_load_if(Status.CONFIRMED),
    attach=attach_ticket,
)
WAITLISTED = Kind(
    name="registration_waitlisted",
    title="On the waitlist",
    template="registrations/mail/registration_waitlisted.html",
    sample=sample(Status.WAITLISTED),
    load=_load_if(Status.WAITLISTED),
    attach=attach_event,
)
PROMOTED = Kind(
    name="registration_promoted",
    title="From the waitlist to a seat",
    template="registrations/mail/registration_promoted.html",
    sample=sample(),
    load=_load_if(Status.CONFIRMED),
    attach=attach_ticket,
)
CANCELLED = Kind(
    name="registration_cancelled",
    title="Registration cancelled",
    template="registrations/mail/registration_cancelled.html",
    sample=sample(Status.CANCELLED),
    load=_load_cancelled,
    attach=attach_removal,
)
HANDED_ON = Kind(
    name="registration_handed_on",
    title="Registration handed on",
    template="registrations/mail/registration_handed_on.html",
    sample=sample(Status.CANCELLED),
    load=_load_handed_on,
    attach=attach_removal,
)
PENDING = Kind(
    name="registration_pending",
    title="Registration waits for a decision",
    template="registrations/mail/registration_pending.html",
    sample=sample(Status.PENDING),
    load=_load_if(Status.PENDING),
)
REJECTED = Kind(
    name="registration_rejected",
    title="Registration not accepted",
    template="registrations/mail/registration_rejected.html",
    sample=sample(Status.REJECTED, reason=lambda event: "The workshop is for beginners."),
    load=_load_rejected,
)
CONFIRMATION = Kind(
    name="registration_confirmation",
    title="Confirm your registration",
    template="registrations/mail/registration_confirmation.html",
    sample=_sample_request,
    load=_load_confirmations,
    in_app=False,
)
