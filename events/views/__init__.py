from .bulk import EventBulkView
from .calendars import EventCalendarView, EventFeedView
from .categories import CategoryListView, CategoryView
from .discovery import FacetsView, SuggestionsView
from .events import (
    CancelView,
    DuplicateView,
    EventKeyResetView,
    EventView,
    PublishView,
    fast_event,
)
from .images import EventImageView
from .importing import EventImportView
from .keys import CurrentKeyView, KeyListView, KeyRevocationView, KeyRotationView, KeyView
from .lists import EventListView, OwnEventListView, fast_list, fast_own_list
from .live import SeatStreamView
from .series import SeriesListView, SeriesPublishView, SeriesView
from .team import (
    EventMemberView,
    EventTeamView,
    EventTransferView,
    InvitationAcceptView,
    InvitationDeclineView,
    InvitationListView,
    SeriesMemberView,
    SeriesTeamView,
    SeriesTransferView,
)

__all__ = [
    "CancelView",
    "CategoryListView",
    "CategoryView",
    "CurrentKeyView",
    "DuplicateView",
    "EventBulkView",
    "EventCalendarView",
    "EventFeedView",
    "EventImageView",
    "EventImportView",
    "EventKeyResetView",
    "EventListView",
    "EventMemberView",
    "EventTeamView",
    "EventTransferView",
    "EventView",
    "FacetsView",
    "InvitationAcceptView",
    "InvitationDeclineView",
    "InvitationListView",
    "KeyListView",
    "KeyRevocationView",
    "KeyRotationView",
    "KeyView",
    "OwnEventListView",
    "PublishView",
    "SeatStreamView",
    "SuggestionsView",
    "SeriesListView",
    "SeriesMemberView",
    "SeriesTeamView",
    "SeriesTransferView",
    "SeriesPublishView",
    "SeriesView",
    "fast_event",
    "fast_list",
    "fast_own_list",
]
