"""Many events in one request."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from config.errors import FieldError, ValidationFailed

from ..models import Event
from .editing import new_event

Fields = dict[str, Any]


@transaction.atomic
def create_events(
    organizer: User, rows: Sequence[Fields | ValidationFailed], *, partial: bool = False
) -> list[Event | ValidationFailed]:
    """Creates an event for each row by one INSERT. An invalid row is its `ValidationFailed`.

    With `partial`, the result has the errors of invalid rows among the events, in the order of the
    rows. Otherwise one invalid row prevents all. Raises `ValidationFailed` if no event is created,
    with fields such as `events.<index>.<field>`.
    """
    now = timezone.now()
    outcomes = [_new_event(organizer, now, row) for row in rows]
    events = [outcome for outcome in outcomes if isinstance(outcome, Event)]
    if not events or (len(events) < len(outcomes) and not partial):
        raise ValidationFailed(
            *(
                error
                for index, outcome in enumerate(outcomes)
                if isinstance(outcome, ValidationFailed)
                for error in errors_at(outcome, index)
            )
        )
    Event.objects.bulk_create(events)
    return outcomes


def errors_at(refusal: ValidationFailed, index: int) -> list[FieldError]:
    """The errors of a row, as errors of the whole body."""
    row = f"events.{index}"
    return [
        replace(error, field=row if error.field is None else f"{row}.{error.field}")
        for error in refusal.field_errors
    ]


def _new_event(
    organizer: User, now: datetime, row: Fields | ValidationFailed
) -> Event | ValidationFailed:
    if isinstance(row, ValidationFailed):
        return row
    try:
        return new_event(organizer, now, **row)
    except ValidationFailed as refusal:
        return refusal
