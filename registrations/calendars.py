"""What is in somebody's own calendar."""

from itertools import chain

from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from events.calendars import Entry
from events.models import Event

from .models import Registration

MAX_ENTRIES = 1000


def entries_of(user: User) -> list[Entry]:
    """The events that the user organizes, drafts too, and those with a place or a wait for one.

    At most 1,000, in the order of their start: what is to come, the soonest first, then what is
    over, the latest first. Three queries.
    """
    places = {
        place.event_id: place
        # Of two places at one event, made under two addresses, the confirmed one counts.
        for place in Registration.objects.existing().live().filter(user=user).order_by("-status")
    }
    events = (
        Event.objects.existing()
        .filter(Q(organizer=user) | Q(pk__in=list(places)))
        .for_feed()
        .order_by("start_time", "pk")
    )
    now = timezone.now()
    to_come = list(events.filter(end_time__gt=now)[:MAX_ENTRIES])
    over = events.filter(end_time__lte=now).reverse()[: MAX_ENTRIES - len(to_come)]
    return [
        _entry(event, None if event.organizer_id == user.pk else places[event.pk])
        for event in chain(reversed(over), to_come)
    ]


def _entry(event: Event, place: Registration | None) -> Entry:
    """An event for its organizer, or for who has a place."""
    if place is None:
        return Entry(event, shows_meeting_url=True)
    is_waiting = place.status == Registration.Status.WAITLISTED
    return Entry(
        event,
        is_tentative=is_waiting,
        shows_meeting_url=not is_waiting,
        changed_at=place.confirmed_at or place.registered_at,
    )
