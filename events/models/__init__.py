from .category import Category
from .event import Event, EventQuerySet, is_ongoing
from .plan import Plan
from .search_word import SearchWord
from .series import Series, SeriesQuerySet

__all__ = [
    "Category",
    "Event",
    "EventQuerySet",
    "Plan",
    "SearchWord",
    "Series",
    "SeriesQuerySet",
    "is_ongoing",
]
