from .base import ONLINE, AttendanceMode, EventDetails, derived_attendance_mode
from .category import Category
from .event import Event
from .event_queryset import EventQuerySet, happens_between, is_ongoing
from .search_word import SearchWord
from .series import Series, SeriesQuerySet

__all__ = [
    "ONLINE",
    "AttendanceMode",
    "Category",
    "Event",
    "EventDetails",
    "EventQuerySet",
    "SearchWord",
    "Series",
    "SeriesQuerySet",
    "derived_attendance_mode",
    "happens_between",
    "is_ongoing",
]
