from .feedback import FeedbackIn, FeedbackOut
from .importing import EXAMPLE_FILE, AttendeeFileIn, AttendeeImportOut
from .messages import MessageIn, MessageOut
from .registrations import (
    CheckInOut,
    CheckInUndoneOut,
    EditedRegistrationOut,
    LedgerEntryOut,
    NewRegistrationOut,
    ProfileOut,
    RegisterIn,
    RegistrationEditIn,
    RegistrationOut,
    TicketIn,
    new_registration,
    plain_guest,
)

__all__ = [
    "AttendeeFileIn",
    "AttendeeImportOut",
    "CheckInOut",
    "CheckInUndoneOut",
    "EXAMPLE_FILE",
    "FeedbackIn",
    "FeedbackOut",
    "LedgerEntryOut",
    "MessageIn",
    "MessageOut",
    "EditedRegistrationOut",
    "NewRegistrationOut",
    "ProfileOut",
    "RegisterIn",
    "RegistrationEditIn",
    "RegistrationOut",
    "TicketIn",
    "new_registration",
    "plain_guest",
]
