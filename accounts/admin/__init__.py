"""The admin of accounts, and what the admins of other apps share: the audit of a row, forms."""

from .audit import MAX_HISTORY_ENTRIES, AuditAdmin, AuditedAdmin, HistoryEntry, named_actor
from .forms import ZoneChoiceField
from .groups import SuperusersGroupAdmin
from .keys import ApiKeyAdmin
from .notifications import NotificationAdmin
from .sessions import SessionAdmin
from .users import AccountAdmin, staff_of

__all__ = [
    "MAX_HISTORY_ENTRIES",
    "AccountAdmin",
    "ApiKeyAdmin",
    "AuditAdmin",
    "AuditedAdmin",
    "HistoryEntry",
    "NotificationAdmin",
    "SessionAdmin",
    "SuperusersGroupAdmin",
    "ZoneChoiceField",
    "named_actor",
    "staff_of",
]
