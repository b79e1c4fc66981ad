from .attendees import AttendeeExportView, AttendeeListView, LedgerView
from .checkin import CheckInUndoView, CheckInView
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
    "LedgerView",
    "OwnRegistrationListView",
    "ProfileView",
    "RegisterView",
    "RegistrationView",
    "TicketPngView",
    "TicketSvgView",
    "UserView",
]
