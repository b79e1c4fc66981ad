from .answer_tally import AnswerTally, UncountedAnswers
from .change import CHANGE_TYPES, TYPES_OF_SCANS, Change, ChangeLog
from .code import AddressConfirmation, RegistrationCode, new_code
from .door_link import DoorLink, DoorLinkQuerySet
from .feedback import Feedback, FeedbackQuerySet
from .ledger import LedgerEntry
from .message import Message, MessageQuerySet
from .option_limit import OptionLimit
from .registration import (
    ADMITTED_COUNT,
    Registration,
    admitted_people,
    has_place,
    new_ticket_code,
)
from .registration_queryset import RegistrationQuerySet
from .scan import Scan
from .webhook import (
    Webhook,
    WebhookAttempt,
    WebhookDelivery,
    WebhookQuerySet,
    WebhookQueue,
)

__all__ = [
    "ADMITTED_COUNT",
    "CHANGE_TYPES",
    "TYPES_OF_SCANS",
    "AddressConfirmation",
    "AnswerTally",
    "Change",
    "ChangeLog",
    "DoorLink",
    "DoorLinkQuerySet",
    "Feedback",
    "FeedbackQuerySet",
    "LedgerEntry",
    "Message",
    "MessageQuerySet",
    "OptionLimit",
    "Registration",
    "RegistrationCode",
    "RegistrationQuerySet",
    "Scan",
    "UncountedAnswers",
    "admitted_people",
    "new_code",
    "has_place",
    "Webhook",
    "WebhookAttempt",
    "WebhookDelivery",
    "WebhookQuerySet",
    "WebhookQueue",
    "new_ticket_code",
]
