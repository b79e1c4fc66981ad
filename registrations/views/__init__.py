from .admission import (
    ApproveView,
    CodeListView,
    CodeView,
    ConfirmRegistrationView,
    DecideView,
    RejectView,
    ReopenView,
)
from .attendees import AttendeeExportView, AttendeeListView, LedgerView
from .calendars import OwnCalendarView
from .changes import ChangesView
from .checkin import BulkCheckInView, CheckInUndoView, CheckInView, DoorListView
from .door_links import DoorLinkListView, DoorLinkView
from .feedback import FeedbackListView, FeedbackView
from .forms import (
    EventAnswersSchemaView,
    EventFormView,
    FormSummaryView,
    SeriesAnswersSchemaView,
    SeriesFormView,
)
from .importing import AttendeeImportView
from .messages import MessageListView, MessageView
from .profile import CalendarResetView, ExportView, ProfileView, UserView, fast_profile
from .registering import RegisterView, register_guest
from .registrations import (
    OwnRegistrationListView,
    RegistrationView,
    ResendView,
    TicketPngView,
    TicketSvgView,
)
from .statistics import EventStatisticsView, OwnStatisticsView
from .webhooks import (
    DeliveryListView,
    RedeliveryView,
    ReplayView,
    WebhookListView,
    WebhookRotationView,
    WebhookTestView,
    WebhookView,
)

__all__ = [
    "ApproveView",
    "CodeListView",
    "CodeView",
    "ConfirmRegistrationView",
    "DecideView",
    "RejectView",
    "ReopenView",
    "AttendeeExportView",
    "AttendeeImportView",
    "AttendeeListView",
    "BulkCheckInView",
    "CalendarResetView",
    "ChangesView",
    "CheckInUndoView",
    "CheckInView",
    "DoorLinkListView",
    "DoorLinkView",
    "DeliveryListView",
    "DoorListView",
    "EventAnswersSchemaView",
    "EventFormView",
    "EventStatisticsView",
    "ExportView",
    "FeedbackListView",
    "FeedbackView",
    "FormSummaryView",
    "LedgerView",
    "MessageListView",
    "MessageView",
    "OwnCalendarView",
    "OwnRegistrationListView",
    "OwnStatisticsView",
    "ProfileView",
    "RedeliveryView",
    "RegisterView",
    "RegistrationView",
    "ReplayView",
    "ResendView",
    "SeriesAnswersSchemaView",
    "SeriesFormView",
    "TicketPngView",
    "TicketSvgView",
    "UserView",
    "WebhookListView",
    "WebhookRotationView",
    "WebhookTestView",
    "WebhookView",
    "fast_profile",
    "register_guest",
]
