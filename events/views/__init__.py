from .bulk import EventBulkView
from .calendars import EventCalendarView, EventFeedView
from .categories import CategoryListView, CategoryView
from .discovery import FacetsView, SuggestionsView
from .events import CancelView, DuplicateView, EventView, PublishView
from .importing import EventImportView
from .lists import EventListView, OwnEventListView, list_for_guest
from .live import SeatStreamView
from .series import SeriesListView, SeriesPublishView, SeriesView

__all__ = [
    "CancelView",
    "CategoryListView",
    "CategoryView",
    "DuplicateView",
    "EventBulkView",
    "EventCalendarView",
    "EventFeedView",
    "EventImportView",
    "EventListView",
    "EventView",
    "FacetsView",
    "OwnEventListView",
    "PublishView",
    "SeatStreamView",
    "SuggestionsView",
    "SeriesListView",
    "SeriesPublishView",
    "SeriesView",
    "list_for_guest",
]
