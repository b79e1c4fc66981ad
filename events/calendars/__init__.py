"""Events as iCalendar objects (RFC 5545) and as links to Google Calendar. Pure."""

from .links import google_calendar_url
from .writing import Entry, calendar_of, feed_of, invitation

__all__ = ["Entry", "calendar_of", "feed_of", "google_calendar_url", "invitation"]
