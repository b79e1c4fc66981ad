"""What all mails to attendees have in common: whom they are about, and what is attached."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.conf import settings
from django.utils import timezone

from accounts.models import Notification
from accounts.notifications import Attachment
from accounts.notifications.kinds import Facts
from events.calendars import invitation
from events.models import Event

from ..models import Registration
from ..tickets import manage_link, ticket_png

Status = Registration.Status


def registrations_of(rows: Sequence[Notification]) -> dict[int, Registration]:
    """The registration that each row is about; without those of people who have been erased."""
    found = (
        Registration.objects.for_display()
        .select_related("event__organizer", "event__category")
        .defer("event__search_vector")
        .in_bulk([row.registration_id for row in rows])
    )
    return {
        row.pk: registration
        for row in rows
        if (registration := found.get(row.registration_id)) and registration.email == row.email
    }


def facts_of(registration: Registration, **more: Any) -> dict[str, Any]:
    """What every template gets. Only who has a seat learns where an event is held online.

    A registration that its account did not make while signed in may be a stranger's doing.
    """
    event, has_seat = registration.event, registration.status == Status.CONFIRMED
    is_own = (
        registration.user_id is not None and registration.registered_by_id == registration.user_id
    )
    return {
        "registration": registration,
        "event": event,
        "timezone": event.timezone,
        "caused_by": event.organizer_id,
        "is_unsolicited": not is_own,
        "meeting_url": event.meeting_url if has_seat else "",
        "manage_url": manage_link(registration.pk, registration.link_version),
        **more,
    }


def is_on(event: Event) -> bool:
    """It takes place, or did."""
    return event.status == Event.Status.PUBLISHED and event.deleted_at is None


def is_ahead(event: Event) -> bool:
    """It takes place, and is not over."""
    return is_on(event) and event.end_time > timezone.now()


def attach_event(row: Notification, facts: Facts) -> Iterable[Attachment]:
    """The event for the recipient's calendar, as it is now."""
    yield _calendar(facts, "REQUEST")


def attach_ticket(row: Notification, facts: Facts) -> Iterable[Attachment]:
    """The event for the recipient's calendar and, with a seat, the ticket to show at the door."""
    registration = facts["registration"]
    yield _calendar(facts, "REQUEST")
    if registration.status == Status.CONFIRMED:
        image = ticket_png(registration.ticket_code)
        yield Attachment(image, "image/png", "ticket.png", inline="ticket")


def attach_removal(row: Notification, facts: Facts) -> Iterable[Attachment]:
    """What takes the event out of the recipient's calendar."""
    yield _calendar(facts, "CANCEL")


def _calendar(facts: Facts, method: Any) -> Attachment:
    registration = facts["registration"]
    content = invitation(
        registration.event,
        method=method,
        attendee_name=registration.name,
        attendee_email=registration.email,
        sender=settings.DEFAULT_FROM_EMAIL,
        sent_at=timezone.now(),
        public_url=settings.PUBLIC_URL,
        is_tentative=registration.status == Status.WAITLISTED,
        # Calendars make a link of it, which a stranger may have given.
        shows_meeting_url=bool(facts["meeting_url"]) and not facts.get("is_guarded"),
    )
    return Attachment(content, "text/calendar", "event.ics", {"method": method})
