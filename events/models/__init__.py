from .base import ONLINE, AttendanceMode, EventDetails, derived_attendance_mode
from .category import Category
from .event import Event
from .event_queryset import EventQuerySet, happens_between, is_ongoing
from .rights import (
    RIGHTS,
    Right,
    Role,
    has_right,
    own_events,
    own_series,
    rights_on,
    role_on,
    sees_details,
)
from .search_word import SearchWord
from .series import Series, SeriesQuerySet

__all__ = [
    "ONLINE",
    "RIGHTS",
    "AttendanceMode",
    "Category",
    "Event",
    "EventDetails",
    "EventQuerySet",
    "Right",
    "Role",
    "SearchWord",
    "Series",
    "SeriesQuerySet",
    "derived_attendance_mode",
    "happens_between",
    "has_right",
    "is_ongoing",
    "own_events",
    "own_series",
    "rights_on",
    "role_on",
    "sees_details",
]
