from .audit import AuditEntry
from .notification import MailboxBudget, Notification, Unsubscription
from .user import FormerAddress, Session, SignInFailures, User, UserManager, validate_username

__all__ = [
    "AuditEntry",
    "FormerAddress",
    "MailboxBudget",
    "Notification",
    "Session",
    "SignInFailures",
    "Unsubscription",
    "User",
    "UserManager",
    "validate_username",
]
