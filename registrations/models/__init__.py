from .feedback import Feedback, FeedbackQuerySet
from .ledger import LedgerEntry
from .message import Message, MessageQuerySet
from .registration import Registration, RegistrationQuerySet, new_ticket_code

__all__ = [
    "Feedback",
    "FeedbackQuerySet",
    "LedgerEntry",
    "Message",
    "MessageQuerySet",
    "Registration",
    "RegistrationQuerySet",
    "new_ticket_code",
]
