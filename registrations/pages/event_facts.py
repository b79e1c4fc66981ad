"""What the page of an event says about it: for people, and as schema.org's Event (JSON-LD)."""

import json
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe

from config.api.text.markdown import markdown_to_html, markdown_to_text
from events.access_keys import key_query
from events.calendars import google_calendar_url
from events.images import image_of
from events.links import page_link, page_path, page_url
from events.models import AttendanceMode, Event

_SUMMARY_LENGTH = 200
_STRUCTURED_LENGTH = 2_000
# Inside a script element HTML has no escapes, so these are JSON's.
_ESCAPES = {ord(">"): "\\u003E", ord("<"): "\\u003C", ord("&"): "\\u0026"}
_MODES = {
    AttendanceMode.IN_PERSON: "OfflineEventAttendanceMode",
    AttendanceMode.ONLINE: "OnlineEventAttendanceMode",
    AttendanceMode.HYBRID: "MixedEventAttendanceMode",
}
_AVAILABILITY = {
    Event.RegistrationState.OPEN: "InStock",
    Event.RegistrationState.WAITLIST: "BackOrder",
    Event.RegistrationState.NOT_OPEN: "PreOrder",
    Event.RegistrationState.FULL: "SoldOut",
}


def page_facts(event: Event) -> dict[str, Any]:
    """The facts for the template. A guest of the API can read all of them."""
    return {
        # `markdown_to_html` returns safe HTML, and `_json_ld` a script that HTML cannot end.
        "description": mark_safe(markdown_to_html(event.description)),  # noqa: S308  # nosec
        "summary": _summary(event),
        "structured": _json_ld(event),
        "image": image_of(event),
        "page_url": page_url(event),
        "page_path": page_link(event),
        "names_path": f"{page_path(event)}/people{key_query(event)}",
        "map_url": _map_url(event),
        "calendar_path": reverse("event-calendar", args=(event.pk,)) + key_query(event),
        "stream_path": reverse("seat-stream", args=(event.pk,)) + key_query(event),
        "program_path": reverse("event", args=(event.pk,)) + key_query(event),
        "google_calendar_url": google_calendar_url(event),
    }


def _summary(event: Event) -> str:
    """One line about the event, for search engines and messengers."""
    start = event.start_time.astimezone(event.zone)
    when_and_where = f"{start.day} {start:%B %Y, %H:%M}, {event.location}"
    text = markdown_to_text(event.description, _SUMMARY_LENGTH)
    return f"{when_and_where}. {text}" if text else f"{when_and_where}."


def _map_url(event: Event) -> str | None:
    """A map of the place. None for an event without one."""
    if event.attendance_mode == AttendanceMode.ONLINE:
        return None
    if event.latitude is None or event.longitude is None:
        query = urlencode({"query": event.location})
        return f"https://www.openstreetmap.org/search?{query}"
    query = urlencode({"mlat": f"{event.latitude:.6f}", "mlon": f"{event.longitude:.6f}"})
    return (
        f"https://www.openstreetmap.org/?{query}#map=16/{event.latitude:.5f}/{event.longitude:.5f}"
    )


def _json_ld(event: Event) -> SafeString:
    is_cancelled = event.status == Event.Status.CANCELLED
    state = "EventCancelled" if is_cancelled else "EventScheduled"
    mode = AttendanceMode(event.attendance_mode)
    url = page_url(event)
    facts: dict[str, Any] = {
        "@context": "https://schema.org",
        "@type": "Event",
        "name": event.name,
        "startDate": event.start_time.astimezone(event.zone).isoformat(),
        "endDate": event.end_time.astimezone(event.zone).isoformat(),
        "eventStatus": f"https://schema.org/{state}",
        "eventAttendanceMode": f"https://schema.org/{_MODES[mode]}",
        "location": _places(event, mode, url),
        "organizer": {"@type": "Person", "name": event.organizer.username},
        "url": url,
    }
    if description := markdown_to_text(event.description, _STRUCTURED_LENGTH):
        facts["description"] = description
    if image := image_of(event):
        facts["image"] = image.url
    if availability := _AVAILABILITY.get(event.registration_state):
        offer = {"@type": "Offer", "url": url}
        offer["availability"] = f"https://schema.org/{availability}"
        facts["offers"] = offer
    if event.max_capacity is not None:
        facts["maximumAttendeeCapacity"] = event.max_capacity
        facts["remainingAttendeeCapacity"] = event.available_seats
    if event.average_rating is not None:
        facts["aggregateRating"] = {
            "@type": "AggregateRating",
            "ratingValue": float(event.average_rating),
            "ratingCount": event.feedback_count,
        }
    text = json.dumps(facts, ensure_ascii=False, separators=(",", ":"))
    return mark_safe(text.translate(_ESCAPES))  # noqa: S308  # nosec


def _places(event: Event, mode: AttendanceMode, url: str | None) -> Any:
    online = {"@type": "VirtualLocation", "url": url}
    place: dict[str, Any] = {"@type": "Place", "name": event.location, "address": event.location}
    if event.latitude is not None and event.longitude is not None:
        place["geo"] = {
            "@type": "GeoCoordinates",
            "latitude": event.latitude,
            "longitude": event.longitude,
        }
    if mode == AttendanceMode.ONLINE:
        return online
    return [place, online] if mode == AttendanceMode.HYBRID else place
