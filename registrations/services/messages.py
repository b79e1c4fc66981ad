"""Messages of an organizer to the attendees of an event."""

from django.db import transaction

from accounts.models import User
from events.models import Event

from ..models import Message, Registration
from .notifying import notify_message


@transaction.atomic
def send_message(
    event: Event,
    *,
    author: User,
    subject: str,
    body: str,
    status: str = Registration.Status.CONFIRMED,
) -> Message:
    """Sends a message to the registrations that now have the status, or by `all` to both kinds."""
    message = Message.objects.create(
        event=event, author=author, subject=subject, body=body, status=status
    )
    message.recipient_count = notify_message(message)
    message.save(update_fields=["recipient_count"])
    return message
