"""The secret keys of unlisted events."""

from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.audit import audited

from ..access_keys import opens
from ..models import Event
from .editing import lock_event, save_edit


@transaction.atomic
@audited("key_reset", always=True)
def reset_key(event: Event) -> Event:
    """Replaces the key of an event. Links with the earlier one no longer open it."""
    event = lock_event(event.pk)
    event.key_number += 1
    save_edit(event, {"key_number"}, timezone.now())
    return event


def is_key_of(key: str | None, event_id: Any) -> bool:
    """Whether a key opens the event with an id, or with that of a query. A public one opens to any.

    Costs a query if there is a key.
    """
    if not key:
        return False
    event = Event.objects.only("visibility", "key_number").filter(pk=event_id).first()
    return event is not None and opens(key, event)
