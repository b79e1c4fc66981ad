"""Events as iCalendar objects (RFC 5545) and as links to Google Calendar. Pure."""

from .links import google_calendar_url
from .writing import (
    Component,
    Entry,
    calendar_of,
    feed_component,
    feed_of,
    feed_of_components,
    invitation,
)

__all__ = [
    "Component",
    "Entry",
    "calendar_of",
    "feed_component",
    "feed_of",
    "feed_of_components",
    "google_calendar_url",
    "invitation",
]
