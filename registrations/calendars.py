"""The entries of a user's calendar feed."""

from itertools import chain

from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from events.calendars import Entry
from events.models import Event

from .models import Registration

MAX_ENTRIES = 1000


def entries_of(user: User) -> list[Entry]:
    """The events that the user organizes, drafts too, and those that the user is registered for.

    At most `MAX_ENTRIES` in the order of their start. Upcoming events come first into the limit,
    the soonest first, then past events, the latest first. Takes three queries.
    """
    registrations = Registration.objects.existing().live().filter(user=user)
    registration_by_event = {
        registration.event_id: registration
        # Of two registrations for one event, under two addresses, the confirmed one is used.
        for registration in registrations.order_by("-status")
    }
    events = (
        Event.objects.existing()
        .filter(Q(organizer=user) | Q(pk__in=list(registration_by_event)))
        .for_feed()
        .order_by("start_time", "pk")
    )
    now = timezone.now()
    upcoming = list(events.filter(end_time__gt=now)[:MAX_ENTRIES])
    past = events.filter(end_time__lte=now).reverse()[: MAX_ENTRIES - len(upcoming)]
    return [
        _entry(event, None if event.organizer_id == user.pk else registration_by_event[event.pk])
        for event in chain(reversed(past), upcoming)
    ]


def _entry(event: Event, registration: Registration | None) -> Entry:
    """The entry of an attendee; without a registration, that of the organizer."""
    if registration is None:
        return Entry(event, shows_meeting_url=True)
    is_waitlisted = registration.status == Registration.Status.WAITLISTED
    return Entry(
        event,
        is_tentative=is_waitlisted,
        shows_meeting_url=not is_waitlisted,
        changed_at=registration.confirmed_at or registration.registered_at,
    )
