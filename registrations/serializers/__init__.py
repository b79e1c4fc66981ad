from .feedback import FeedbackIn, FeedbackOut
from .registrations import (
    CheckInOut,
    CheckInUndoneOut,
    LedgerEntryOut,
    NewRegistrationOut,
    ProfileOut,
    RegisterIn,
    RegistrationEditIn,
    RegistrationOut,
    TicketIn,
)

__all__ = [
    "CheckInOut",
    "CheckInUndoneOut",
    "FeedbackIn",
    "FeedbackOut",
    "LedgerEntryOut",
    "NewRegistrationOut",
    "ProfileOut",
    "RegisterIn",
    "RegistrationEditIn",
    "RegistrationOut",
    "TicketIn",
]
