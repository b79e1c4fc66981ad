from .change import CHANGE_TYPES, Change, ChangeLog
from .feedback import Feedback, FeedbackQuerySet
from .ledger import LedgerEntry
from .message import Message, MessageQuerySet
from .registration import (
    ADMITTED_COUNT,
    Registration,
    RegistrationQuerySet,
    new_ticket_code,
)
from .scan import Scan

__all__ = [
    "ADMITTED_COUNT",
    "CHANGE_TYPES",
    "Change",
    "ChangeLog",
    "Feedback",
    "FeedbackQuerySet",
    "LedgerEntry",
    "Message",
    "MessageQuerySet",
    "Registration",
    "RegistrationQuerySet",
    "Scan",
    "new_ticket_code",
]
