from .category import Category
from .event import Event, EventQuerySet

__all__ = ["Category", "Event", "EventQuerySet"]
