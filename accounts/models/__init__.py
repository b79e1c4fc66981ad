from .notification import Notification, Unsubscription
from .user import Session, User, UserManager, validate_username

__all__ = [
    "Notification",
    "Session",
    "Unsubscription",
    "User",
    "UserManager",
    "validate_username",
]
