"""Registrations and what hangs on them, and what only this app can do with events and accounts."""

from .feedback import FeedbackAdmin
from .messages import MessageAdmin
from .registrations import AttendedEventAdmin, AttendingAccountAdmin, RegistrationAdmin

__all__ = [
    "AttendedEventAdmin",
    "AttendingAccountAdmin",
    "FeedbackAdmin",
    "MessageAdmin",
    "RegistrationAdmin",
]
