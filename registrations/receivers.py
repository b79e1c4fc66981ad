"""What follows here from a change of an event."""

from typing import Any

from django.dispatch import receiver

from events.models import Event
from events.signals import event_edited, event_restored

from .models import LedgerEntry
from .services.waitlist import promote_waiting


@receiver([event_edited, event_restored])
def promote_after_change(event: Event, **kwargs: Any) -> None:
    """More seats, or a later end of registration, may let people in who wait."""
    promote_waiting(event, reason=LedgerEntry.Reason.EVENT_EDITED)
