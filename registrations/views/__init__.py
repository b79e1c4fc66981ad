from .attendees import AttendeeExportView, AttendeeListView, LedgerView
from .checkin import CheckInUndoView, CheckInView
from .feedback import FeedbackListView, FeedbackView
from .people import ProfileView, UserView
from .registering import (
    OwnRegistrationListView,
    RegisterView,
    RegistrationView,
    TicketPngView,
    TicketSvgView,
)

__all__ = [
    "AttendeeExportView",
    "AttendeeListView",
    "CheckInUndoView",
    "CheckInView",
    "FeedbackListView",
    "FeedbackView",
    "LedgerView",
    "OwnRegistrationListView",
    "ProfileView",
    "RegisterView",
    "RegistrationView",
    "TicketPngView",
    "TicketSvgView",
    "UserView",
]
