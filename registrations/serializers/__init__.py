from .changes import ChangesOut
from .checkin import (
    CheckInOut,
    CheckInsIn,
    CheckInsOut,
    CheckInUndoneOut,
    DoorListOut,
    DoorScanIn,
    DoorScansIn,
    TicketIn,
)
from .door_links import DoorLinkIn, DoorLinkOut, NewDoorLinkOut
from .feedback import FeedbackIn, FeedbackOut
from .forms import AnswersSchemaOut, FormIn, FormOut, FormSummaryOut
from .importing import EXAMPLE_FILE, AttendeeFileIn, AttendeeImportOut
from .ledger import LedgerEntryOut
from .messages import MessageIn, MessageOut
from .profile import ProfileOut
from .registrations import (
    DoorRegistrationOut,
    EditedRegistrationOut,
    NewRegistrationOut,
    RegisterIn,
    RegistrationEditIn,
    RegistrationOut,
    parse_simple_guest,
    render_new_registration,
)

__all__ = [
    "AnswersSchemaOut",
    "FormIn",
    "FormOut",
    "FormSummaryOut",
    "AttendeeFileIn",
    "AttendeeImportOut",
    "ChangesOut",
    "CheckInOut",
    "CheckInUndoneOut",
    "CheckInsIn",
    "CheckInsOut",
    "DoorLinkIn",
    "DoorLinkOut",
    "DoorListOut",
    "DoorRegistrationOut",
    "DoorScanIn",
    "DoorScansIn",
    "EXAMPLE_FILE",
    "FeedbackIn",
    "FeedbackOut",
    "LedgerEntryOut",
    "MessageIn",
    "MessageOut",
    "NewDoorLinkOut",
    "EditedRegistrationOut",
    "NewRegistrationOut",
    "ProfileOut",
    "RegisterIn",
    "RegistrationEditIn",
    "RegistrationOut",
    "TicketIn",
    "parse_simple_guest",
    "render_new_registration",
]
