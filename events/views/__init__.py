from .categories import CategoryListView, CategoryView
from .events import (
    CancelView,
    EventCalendarView,
    EventListView,
    EventView,
    OwnEventListView,
    PublishView,
)

__all__ = [
    "CancelView",
    "CategoryListView",
    "CategoryView",
    "EventCalendarView",
    "EventListView",
    "EventView",
    "OwnEventListView",
    "PublishView",
]
