from .feedback import Feedback, FeedbackQuerySet
from .ledger import LedgerEntry
from .registration import Registration, RegistrationQuerySet, new_ticket_code

__all__ = [
    "Feedback",
    "FeedbackQuerySet",
    "LedgerEntry",
    "Registration",
    "RegistrationQuerySet",
    "new_ticket_code",
]
