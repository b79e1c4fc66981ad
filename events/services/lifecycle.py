"""From draft to published to cancelled."""

from django.db import transaction
from django.utils import timezone

from ..errors import EventCancelled, EventNotPublished, EventStarted
from ..models import Event
from ..signals import events_cancelled
from .editing import lock_event, save_edit


@transaction.atomic
def publish_event(event: Event) -> Event:
    """Make a draft public; a published event stays as it is."""
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
def cancel_event(event: Event, *, reason: str = "") -> Event:
    """Call a published event off, for good; a cancelled one stays as it is."""
    event = lock_event(event.pk)
    if event.status == Event.Status.DRAFT:
        raise EventNotPublished
    if event.status == Event.Status.PUBLISHED:
        now = timezone.now()
        event.status = Event.Status.CANCELLED
        event.cancellation_reason = reason
        event.cancelled_at = now
        event.sequence += 1
        save_edit(event, {"status", "cancellation_reason", "cancelled_at", "sequence"}, now)
        events_cancelled.send(Event, events=[event])
    return event
