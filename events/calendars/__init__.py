"""Events as RFC 5545 calendars and as links that add them to one. Pure: values in, values out."""

from .links import google_calendar_url
from .writing import Entry, calendar_of, feed_of, invitation

__all__ = ["Entry", "calendar_of", "feed_of", "google_calendar_url", "invitation"]
