from .category import Category
from .event import Event, EventQuerySet
from .plan import Plan
from .series import Series, SeriesQuerySet

__all__ = ["Category", "Event", "EventQuerySet", "Plan", "Series", "SeriesQuerySet"]
