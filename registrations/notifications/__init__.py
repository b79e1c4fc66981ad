"""What attendees are told: the kinds, and what has to hold for each when its turn comes."""

from .events import CANCELLED_EVENT, CHANGED_EVENT, FEEDBACK, MESSAGE, REMINDER, RESTORED_EVENT
from .registrations import CANCELLED, CONFIRMED, HANDED_ON, PROMOTED, WAITLISTED

KINDS = (
    CONFIRMED,
    WAITLISTED,
    PROMOTED,
    CANCELLED,
    HANDED_ON,
    CHANGED_EVENT,
    CANCELLED_EVENT,
    RESTORED_EVENT,
    REMINDER,
    FEEDBACK,
    MESSAGE,
)

__all__ = ["KINDS"]
