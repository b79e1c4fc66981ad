"""The facts and attachments that all e-mails to attendees have in common."""

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
    """The registration of each row, by the row's id. Those of erased people are left out."""
    registrations = (
        Registration.objects.for_display()
        .select_related("event__organizer", "event__category")
        .defer("event__search_vector")
        .in_bulk([row.registration_id for row in rows])
    )
    return {
        row.pk: registration
        for row in rows
        if (registration := registrations.get(row.registration_id))
        and registration.email == row.email
    }


def facts_of(registration: Registration, **more: Any) -> dict[str, Any]:
    """The facts that every template needs.

    A registration is unsolicited unless its account made it while signed in: a stranger may have
    made it.
    """
    event, user_id = registration.event, registration.user_id
    is_own = user_id is not None and registration.registered_by_id == user_id
    return {
        "registration": registration,
        "event": event,
        "timezone": event.timezone,
        "caused_by": event.organizer_id,
        "is_unsolicited": not is_own,
        "meeting_url": registration.meeting_url,
        "manage_url": manage_link(registration.pk, registration.link_version),
        "page_url": registration.page_url if event.deleted_at is None else None,
        **more,
    }


def is_on(event: Event) -> bool:
    """Whether the event takes place or took place."""
    return event.status == Event.Status.PUBLISHED and event.deleted_at is None


def is_ahead(event: Event) -> bool:
    """Whether the event takes place and is not over."""
    return is_on(event) and event.end_time > timezone.now()


def attach_event(row: Notification, facts: Facts) -> Iterable[Attachment]:
    """The event for the recipient's calendar."""
    yield _calendar(facts, "REQUEST")


def attach_ticket(row: Notification, facts: Facts) -> Iterable[Attachment]:
    """The event for the recipient's calendar and, for a confirmed registration, the ticket."""
    registration = facts["registration"]
    yield _calendar(facts, "REQUEST")
    if registration.status == Status.CONFIRMED:
        image = ticket_png(registration.ticket_code)
        yield Attachment(image, "image/png", "ticket.png", inline="ticket")


def attach_removal(row: Notification, facts: Facts) -> Iterable[Attachment]:
    """The file that removes the event from the recipient's calendar."""
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
        # Calendars make a link of it, which may be a stranger's.
        shows_meeting_url=bool(facts["meeting_url"]) and not facts.get("is_guarded"),
    )
    return Attachment(content, "text/calendar", "event.ics", {"method": method})
