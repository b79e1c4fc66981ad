"""Invented facts, for the previews of e-mails in the admin."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.utils import timezone

from accounts.models import User
from events.models import Category, Event

from ..models import Message, Registration
from .facts import Status, facts_of
from .schedule import Schedule

_ZONE = "Asia/Kolkata"


def sample(
    status: str = Status.CONFIRMED, **more: Callable[[Event], Any]
) -> Callable[[], Mapping[str, Any]]:
    """The facts of an invented registration; `more` are facts that are computed from its event."""

    def facts() -> Mapping[str, Any]:
        event = _event()
        registration = Registration(
            pk=UUID(int=0),
            event=event,
            name="Bob",
            email="bob@example.com",
            status=status,
            ticket_code="MZXW6YTBOI2DKNRX",
        )
        registration.position = 3  # type: ignore[attr-defined]
        extra = {name: fact(event) for name, fact in more.items()}
        # Another zone than the event's, so that the preview shows both.
        return {**facts_of(registration, **extra), "timezone": "America/New_York"}

    return facts


def cancelled(event: Event) -> bool:
    """Cancels the sample event."""
    event.status = Event.Status.CANCELLED
    event.cancellation_reason = "The venue was flooded. We are looking for another day."
    return True


def earlier(event: Event) -> Schedule:
    before = {
        "start_time": event.start_time - timedelta(days=7),
        "end_time": event.end_time - timedelta(days=7),
        "location": "Town Hall, Bengaluru",
    }
    return Schedule.of(event, before)


def message(event: Event) -> Message:
    return Message(
        event=event,
        subject="The doors open at eight",
        body="Dear all,\n\nthe doors open at eight, and breakfast is on us.\n\nSee you, Asha",
    )


def _event() -> Event:
    now = timezone.now()
    start = (
        (now + timedelta(days=30))
        .astimezone(ZoneInfo(_ZONE))
        .replace(hour=9, minute=30, second=0, microsecond=0)
    )
    return Event(
        pk=1,
        name="Global AI Summit",
        description="Three days of talks, demos and people.",
        location="Bengaluru International Exhibition Centre",
        start_time=start,
        end_time=start + timedelta(days=2, hours=8),
        timezone=_ZONE,
        category=Category(slug="conference", name="Conference"),
        organizer=User(pk=1, username="asha"),
        meeting_url="https://meet.example.com/summit",
        created_at=now,
        updated_at=now,
    )
