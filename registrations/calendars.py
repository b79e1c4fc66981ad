"""The entries of a user's calendar feed."""

from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from events.calendars import Entry
from events.models import Event, listed_events, remember_roles, sees_details

from .models import Registration

MAX_ENTRIES = 1000


def entries_of(user: User) -> list[Entry]:
    """The events on which the user has a role, drafts too, and those of own registrations.

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
        .filter((listed_events(user) or Q(pk=None)) | Q(pk__in=list(registration_by_event)))
        .for_feed()
        .order_by("start_time", "pk")
    )
    now = timezone.now()
    upcoming = list(events.filter(end_time__gt=now)[:MAX_ENTRIES])
    past = events.filter(end_time__lte=now).reverse()[: MAX_ENTRIES - len(upcoming)]
    shown = [*reversed(past), *upcoming]
    remember_roles(user, shown)
    return [_entry(user, event, registration_by_event.get(event.pk)) for event in shown]


def _entry(user: User, event: Event, registration: Registration | None) -> Entry:
    """The entry of a role that shows the link to join, or of an attendee; else of the door."""
    shows_meeting_url = sees_details(user, event)
    if registration is None or shows_meeting_url:
        return Entry(event, shows_meeting_url=shows_meeting_url)
    is_waitlisted = registration.status == Registration.Status.WAITLISTED
    return Entry(
        event,
        is_tentative=is_waitlisted,
        shows_meeting_url=not is_waitlisted,
        changed_at=registration.confirmed_at or registration.registered_at,
    )
