"""The admin of accounts, and what the admins of other apps share: the audit of a row, forms."""

from .audit import MAX_HISTORY_ENTRIES, AuditAdmin, AuditedAdmin, HistoryEntry
from .forms import ZoneChoiceField
from .groups import SuperusersGroupAdmin
from .notifications import NotificationAdmin
from .sessions import SessionAdmin
from .users import AccountAdmin, staff_of

__all__ = [
    "MAX_HISTORY_ENTRIES",
    "AccountAdmin",
    "AuditAdmin",
    "AuditedAdmin",
    "HistoryEntry",
    "NotificationAdmin",
    "SessionAdmin",
    "SuperusersGroupAdmin",
    "ZoneChoiceField",
    "staff_of",
]
