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
from .registering import RegisterIn, RegistrationEditIn, parse_simple_guest
from .registrations import (
    DoorRegistrationOut,
    EditedRegistrationOut,
    NewRegistrationOut,
    PublicNameOut,
    RegistrationOut,
    render_new_registration,
    short_registration,
)
from .webhooks import (
    DeliveryOut,
    NewWebhookOut,
    ReplayedOut,
    ReplayIn,
    SecretOut,
    SecretRotationIn,
    WebhookEditIn,
    WebhookIn,
    WebhookOut,
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
    "DeliveryOut",
    "DoorListOut",
    "DoorRegistrationOut",
    "DoorScanIn",
    "DoorScansIn",
    "EXAMPLE_FILE",
    "EditedRegistrationOut",
    "FeedbackIn",
    "FeedbackOut",
    "LedgerEntryOut",
    "MessageIn",
    "MessageOut",
    "NewDoorLinkOut",
    "NewRegistrationOut",
    "NewWebhookOut",
    "ProfileOut",
    "PublicNameOut",
    "RegisterIn",
    "RegistrationEditIn",
    "RegistrationOut",
    "ReplayIn",
    "ReplayedOut",
    "SecretOut",
    "SecretRotationIn",
    "TicketIn",
    "WebhookEditIn",
    "WebhookIn",
    "WebhookOut",
    "parse_simple_guest",
    "render_new_registration",
    "short_registration",
]
