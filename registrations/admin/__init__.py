"""Registrations and feedback, and what staff do with events and accounts that only this app can."""

from .feedback import FeedbackAdmin
from .registrations import AttendedEventAdmin, AttendingAccountAdmin, RegistrationAdmin

__all__ = ["AttendedEventAdmin", "AttendingAccountAdmin", "FeedbackAdmin", "RegistrationAdmin"]
