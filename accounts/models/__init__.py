from .notification import Notification, Unsubscription
from .user import FormerAddress, Session, SignInFailures, User, UserManager, validate_username

__all__ = [
    "FormerAddress",
    "Notification",
    "Session",
    "SignInFailures",
    "Unsubscription",
    "User",
    "UserManager",
    "validate_username",
]
