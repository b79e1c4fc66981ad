"""The states of an event: draft, published, cancelled."""

from datetime import datetime

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounts.audit import audited

from ..errors import EventCancelled, EventNotPublished, EventStarted
from ..models import Event
from ..signals import events_cancelled
from .editing import lock_event, locks_organizer_first, save_edit


@transaction.atomic
@locks_organizer_first
@audited("published")
def publish_event(event: Event) -> Event:
    """Makes a draft public. A published event stays unchanged."""
    event = lock_event(event.pk)
    if event.status == Event.Status.CANCELLED:
        raise EventCancelled
    if event.status == Event.Status.DRAFT:
        if event.has_started():
            raise EventStarted("The draft's start is over; move it to the future first.")
        event.status = Event.Status.PUBLISHED
        event.sequence += 1
        save_edit(event, {"status", "sequence"}, timezone.now())
    return event


@transaction.atomic
@audited("cancelled")
def cancel_event(event: Event, *, reason: str = "", notify: bool = True) -> Event:
    """Cancels a published event for good. A cancelled event stays unchanged."""
    event = lock_event(event.pk)
    if event.status == Event.Status.DRAFT:
        raise EventNotPublished
    if event.status == Event.Status.PUBLISHED:
        cancel_locked_events([event], timezone.now(), reason=reason, notify=notify)
    return event


def cancel_locked_events(
    events: list[Event], now: datetime, *, reason: str, notify: bool = True
) -> None:
    """Cancels published events by one query. Caller holds the locks of the events."""
    if events:
        Event.objects.filter(pk__in=[event.pk for event in events]).update(
            status=Event.Status.CANCELLED,
            cancellation_reason=reason,
            cancelled_at=now,
            sequence=F("sequence") + 1,
            version=F("version") + 1,
            updated_at=now,
        )
        for event in events:
            event.status = Event.Status.CANCELLED
            event.cancellation_reason = reason
            event.cancelled_at = event.updated_at = now
            event.sequence += 1
            event.version += 1
        events_cancelled.send(Event, events=events, notify=notify)
