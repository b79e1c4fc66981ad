from .ledger import LedgerEntry
from .registration import Registration, RegistrationQuerySet, new_ticket_code

__all__ = ["LedgerEntry", "Registration", "RegistrationQuerySet", "new_ticket_code"]
