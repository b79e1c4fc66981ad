"""Freeing seats and giving them to those who wait. Lock order: event, then registration."""

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from events.errors import EventStarted
from events.models import Event
from events.services import lock_event

from ..models import Registration

Status = Registration.Status


@transaction.atomic
def cancel_registration(registration: Registration) -> None:
    """Give the place back, and its seat to the first who waits. A cancelled one stays as it is.

    Raises `EventStarted` once it is too late.
    """
    event = lock_event(registration.event_id)
    registration = Registration.objects.select_for_update().get(pk=registration.pk)
    if registration.status == Status.CANCELLED:
        return
    now = timezone.now()
    if event.has_started(now):
        raise EventStarted("The event has started; a registration can no longer be cancelled.")
    counter = "registered_count" if registration.status == Status.CONFIRMED else "waitlist_count"
    registration.status = Status.CANCELLED
    registration.cancelled_at = now
    registration.save(update_fields=["status", "cancelled_at"])
    _change_counts(event, **{counter: -1})
    promote_waiting(event)


def rename(registration: Registration, *, name: str | None = None) -> None:
    """Correct the attendee's name; None leaves it."""
    if name is not None and name != registration.name:
        registration.name = name
        registration.save(update_fields=["name"])


def promote_waiting(event: Event) -> int:
    """Give every free seat to those who wait, in the order of joining; returns how many.

    The one way a seat goes to somebody who waits. Nobody is promoted once registration is closed
    or the event has started, is cancelled or deleted. Caller holds the event lock.
    """
    seats = event.available_seats
    if not event.waitlist_count or seats == 0 or not _may_promote(event):
        return 0
    waiting = event.registrations.waiting()
    chosen = waiting if seats is None else waiting[:seats]
    promoted = Registration.objects.filter(pk__in=chosen.values("pk")).update(
        status=Status.CONFIRMED, confirmed_at=timezone.now()
    )
    _change_counts(event, registered_count=promoted, waitlist_count=-promoted)
    return promoted


def _may_promote(event: Event) -> bool:
    now = timezone.now()
    closes = event.registration_closes_at
    return (
        event.status == Event.Status.PUBLISHED
        and event.deleted_at is None
        and not event.has_started(now)
        and (closes is None or now < closes)
    )


def _change_counts(event: Event, **changes: int) -> None:
    """Add to the counters, in the database and on `event`. Caller holds the event lock."""
    Event.objects.filter(pk=event.pk).update(
        **{name: F(name) + change for name, change in changes.items()}
    )
    for name, change in changes.items():
        setattr(event, name, getattr(event, name) + change)
