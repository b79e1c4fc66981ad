from .notification import Notification, Unsubscription
from .user import Session, SignInFailures, User, UserManager, validate_username

__all__ = [
    "Notification",
    "Session",
    "SignInFailures",
    "Unsubscription",
    "User",
    "UserManager",
    "validate_username",
]
