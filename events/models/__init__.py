from .base import ONLINE, AttendanceMode, Plan, derived_attendance_mode
from .category import Category
from .event import Event, EventQuerySet, happens_between, is_ongoing
from .search_word import SearchWord
from .series import Series, SeriesQuerySet

__all__ = [
    "ONLINE",
    "AttendanceMode",
    "Category",
    "Event",
    "EventQuerySet",
    "Plan",
    "SearchWord",
    "Series",
    "SeriesQuerySet",
    "derived_attendance_mode",
    "happens_between",
    "is_ongoing",
]
