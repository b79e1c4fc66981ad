from .base import (
    MAX_PARTY_SIZE,
    ONLINE,
    AttendanceMode,
    AttendeeList,
    EventDetails,
    RegistrationMode,
    Visibility,
    WaitlistPolicy,
    derived_attendance_mode,
)
from .category import Category
from .event import Event
from .event_queryset import EventQuerySet, happens_between, is_ongoing
from .form import Form
from .places import define_place
from .rights import (
    RIGHTS,
    SHOWN_RIGHTS,
    Right,
    Viewer,
    access_to,
    has_right,
    listed_events,
    own_events,
    own_series,
    remember_roles,
    rights_on,
    role_on,
    roles_with,
    sees_details,
)
from .search_word import SearchWord
from .series import Series, SeriesQuerySet, counted_with
from .team import Role, TeamMember

__all__ = [
    "access_to",
    "MAX_PARTY_SIZE",
    "ONLINE",
    "RIGHTS",
    "SHOWN_RIGHTS",
    "AttendanceMode",
    "AttendeeList",
    "Category",
    "Event",
    "EventDetails",
    "EventQuerySet",
    "RegistrationMode",
    "Form",
    "Right",
    "Role",
    "SearchWord",
    "Series",
    "SeriesQuerySet",
    "TeamMember",
    "Viewer",
    "Visibility",
    "WaitlistPolicy",
    "counted_with",
    "define_place",
    "derived_attendance_mode",
    "happens_between",
    "has_right",
    "is_ongoing",
    "listed_events",
    "own_events",
    "own_series",
    "remember_roles",
    "rights_on",
    "role_on",
    "roles_with",
    "sees_details",
]
