"""The admin of this app's models. It extends the admin of events and of accounts."""

from .accounts import AttendingAccountAdmin
from .door_links import DoorLinkAdmin
from .events import AttendedEventAdmin
from .feedback import FeedbackAdmin
from .messages import MessageAdmin
from .registrations import RegistrationAdmin
from .webhooks import WebhookAdmin, WebhookDeliveryAdmin

__all__ = [
    "AttendedEventAdmin",
    "AttendingAccountAdmin",
    "DoorLinkAdmin",
    "FeedbackAdmin",
    "MessageAdmin",
    "RegistrationAdmin",
    "WebhookAdmin",
    "WebhookDeliveryAdmin",
]
