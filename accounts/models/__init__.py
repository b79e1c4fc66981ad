from .api_key import ERASED_KEY_NAME, ApiKey
from .audit import AuditEntry
from .change import PendingChange
from .notification import MailboxBudget, Notification, Unsubscription
from .user import FormerAddress, Session, SignInFailures, User, UserManager, validate_username

__all__ = [
    "ERASED_KEY_NAME",
    "ApiKey",
    "AuditEntry",
    "FormerAddress",
    "MailboxBudget",
    "Notification",
    "PendingChange",
    "Session",
    "SignInFailures",
    "Unsubscription",
    "User",
    "UserManager",
    "validate_username",
]
