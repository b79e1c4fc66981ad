"""The kinds of notifications to attendees, and the condition under which each is still sent."""

from .events import CANCELLED_EVENT, CHANGED_EVENT, FEEDBACK, MESSAGE, REMINDER, RESTORED_EVENT
from .registrations import (
    CANCELLED,
    CONFIRMATION,
    CONFIRMED,
    HANDED_ON,
    PENDING,
    PROMOTED,
    REJECTED,
    WAITLISTED,
)
from .webhooks import WEBHOOK_DISABLED

KINDS = (
    CONFIRMED,
    WAITLISTED,
    PROMOTED,
    CANCELLED,
    HANDED_ON,
    PENDING,
    REJECTED,
    CONFIRMATION,
    CHANGED_EVENT,
    CANCELLED_EVENT,
    RESTORED_EVENT,
    REMINDER,
    FEEDBACK,
    MESSAGE,
    WEBHOOK_DISABLED,
)

__all__ = ["KINDS"]
