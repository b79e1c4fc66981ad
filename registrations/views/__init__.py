from .attendees import AttendeeExportView, AttendeeListView
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
    "OwnRegistrationListView",
    "ProfileView",
    "RegisterView",
    "RegistrationView",
    "TicketPngView",
    "TicketSvgView",
    "UserView",
]
