"""Events as RFC 5545 calendars and as links that add them to one. Pure: values in, values out."""

from datetime import UTC
from urllib.parse import urlencode

from icalendar import Calendar, vUri
from icalendar import Event as CalendarEvent

from .models import Event

_STATUS = {
    Event.Status.DRAFT: "TENTATIVE",
    Event.Status.PUBLISHED: "CONFIRMED",
    Event.Status.CANCELLED: "CANCELLED",
}


def calendar_of(event: Event, *, public_url: str) -> bytes:
    """One event as an iCalendar object, in its own zone (RFC 5545, sections 3.4 and 3.6.1)."""
    calendar = Calendar()
    calendar.add("prodid", "-//Event Management API//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add_component(_component(event, public_url))
    calendar.add_missing_timezones()
    return calendar.to_ical()  # type: ignore[no-any-return]


def _component(event: Event, public_url: str) -> CalendarEvent:
    host = public_url.partition("://")[2]
    entry = CalendarEvent()
    entry.add("uid", f"event-{event.pk}@{host}")
    entry.add("dtstamp", event.updated_at.astimezone(UTC))
    entry.add("created", event.created_at.astimezone(UTC))
    entry.add("last-modified", event.updated_at.astimezone(UTC))
    entry.add("sequence", event.sequence)
    entry.add("status", _STATUS[Event.Status(event.status)])
    entry.add("summary", event.name)
    entry.add("location", event.location)
    if event.description:
        entry.add("description", event.description)
    if event.category:
        entry.add("categories", [event.category.name])
    entry.add("dtstart", event.start_time.astimezone(event.zone))
    entry.add("dtend", event.end_time.astimezone(event.zone))
    entry["url"] = vUri(f"{public_url}/api/events/{event.pk}/")
    return entry


def google_calendar_url(event: Event) -> str:
    """A link that offers to add the event to Google Calendar."""
    dates = "/".join(
        moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
        for moment in (event.start_time, event.end_time)
    )
    query = {
        "action": "TEMPLATE",
        "text": event.name,
        "dates": dates,
        "ctz": event.timezone,
        "location": event.location,
        "details": event.description[:500],
    }
    return f"https://calendar.google.com/calendar/render?{urlencode(query)}"
