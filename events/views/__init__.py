from .bulk import EventBulkView
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
    "EventBulkView",
    "EventCalendarView",
    "EventListView",
    "EventView",
    "OwnEventListView",
    "PublishView",
]
