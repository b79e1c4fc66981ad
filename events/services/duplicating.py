"""Copies of events."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from config.errors import FieldError, ValidationFailed

from ..models import Event
from .editing import new_event
from .planned_times import times_at
from .series import SHARED

_COPIED = (*SHARED, "category")


@transaction.atomic
def duplicate_event(
    event: Event, owner: User, *, start_time: datetime, name: str | None = None
) -> Event:
    """Creates a draft of `owner` with the settings of the event, which starts at `start_time`.

    The end and the windows of registration move with the start on the clock of the event's zone.
    People, feedback, messages and the series are not copied. Raises `ValidationFailed`.
    """
    now = timezone.now()
    fields: dict[str, Any] = {field: getattr(event, field) for field in _COPIED}
    if not fields.pop("is_attendance_mode_set"):
        fields["attendance_mode"] = None  # derived, as in the event
    try:
        fields |= times_at(event, start_time, event.zone)
    except OverflowError:
        far = "Choose an earlier start: the event would end beyond the calendar."
        raise ValidationFailed(FieldError("start_time", "max_value", far)) from None
    if event.ends_by_default:
        fields["end_time"] = None
    copy = new_event(owner, now, **fields | {"name": name or event.name})
    copy.status = Event.Status.DRAFT
    copy.image_name, copy.image_alt = event.image_name, event.image_alt
    copy.save()
    return copy
