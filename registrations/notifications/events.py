"""Notifications to attendees about their event."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from accounts.models import Notification
from accounts.notifications import Kind
from accounts.notifications.kinds import Facts
from events.models import Event

from ..models import Feedback, Message, Registration
from ..tickets import feedback_link
from .facts import (
    Status,
    attach_event,
    attach_removal,
    attach_ticket,
    facts_of,
    is_ahead,
    is_on,
    registrations_of,
)
from .samples import cancelled, earlier, message, sample
from .schedule import Schedule, start_stamp

# So many earlier changes of an event are searched for the last one that a recipient received.
_MAX_EARLIER_CHANGES = 20

_DELIVERED = (Notification.State.SENT, Notification.State.SHOWN)


def changed_key(registration_id: object, sequence: object) -> str:
    return f"event_changed:{registration_id}:{sequence}"


def cancelled_key(registration_id: object, version: object) -> str:
    return f"event_cancelled:{registration_id}:{version}"


def _load_changed(rows: Sequence[Notification]) -> dict[int, Facts]:
    """The last of several changes includes all changes that are not delivered yet.

    A change that was reverted before its delivery is not sent.
    """
    registrations = registrations_of(rows)
    changes = _changes_of(rows, {pk: row.event for pk, row in registrations.items()})
    facts: dict[int, Facts] = {}
    for row in rows:
        registration = registrations.get(row.pk)
        if registration is None or not is_ahead(registration.event):
            continue
        others = changes[row.registration_id]
        if any(sequence > row.facts["sequence"] for sequence in others):
            continue  # the later one includes this one
        old = Schedule.from_facts(_first_undelivered(row, others)["old"])
        new = Schedule.of(registration.event, {})
        differences = old.differences(new)
        if registration.status != Status.CONFIRMED:
            differences.discard("link")
        if differences and registration.status != Status.CANCELLED:
            facts[row.pk] = facts_of(registration, old=old, changed=differences)
    return facts


def _changes_of(
    rows: Sequence[Notification], events: dict[int, Event]
) -> dict[object, dict[int, Notification]]:
    """The notifications of changes, by registration and sequence. `events` belong to the rows."""
    keys = {
        changed_key(row.registration_id, sequence)
        for row in rows
        if row.pk in events
        for sequence in range(
            max(1, row.facts["sequence"] - _MAX_EARLIER_CHANGES), events[row.pk].sequence + 1
        )
    }
    changes: dict[object, dict[int, Notification]] = {row.registration_id: {} for row in rows}
    for other in Notification.objects.filter(key__in=keys).only(
        "registration_id", "facts", "state"
    ):
        changes[other.registration_id][other.facts["sequence"]] = other
    return changes


def _first_undelivered(
    row: Notification, others: dict[int, Notification]
) -> dict[str, dict[str, str]]:
    """The facts of the first change after the last one that was delivered."""
    first = row.facts
    for sequence in sorted(others, reverse=True):
        if sequence < row.facts["sequence"]:
            if others[sequence].state in _DELIVERED:
                break
            first = others[sequence].facts
    return dict(first)


def _load_cancelled(rows: Sequence[Notification]) -> dict[int, Facts]:
    return {
        row.pk: facts_of(registration)
        for row, registration in _pairs(rows)
        if _is_off(registration.event, row)
        and registration.status != Status.CANCELLED
        and registration.event.end_time > timezone.now()
    }


def _is_off(event: Event, row: Notification) -> bool:
    """Whether the fact of `row` still holds. A second deletion has a notification of its own."""
    if row.facts["how"] == "cancelled":
        return event.status == Event.Status.CANCELLED
    return event.deleted_at is not None and event.version == row.facts["version"]


def _load_restored(rows: Sequence[Notification]) -> dict[int, Facts]:
    """Only for recipients of the notification that the event was off."""
    cancellations = {
        cancelled_key(row.registration_id, row.facts["version"] - 1): row.pk for row in rows
    }
    delivered = Notification.objects.filter(key__in=cancellations, state__in=_DELIVERED)
    recipients = {cancellations[key] for key in delivered.values_list("key", flat=True)}
    return {
        row.pk: facts_of(registration)
        for row, registration in _pairs(rows)
        if row.pk in recipients
        and is_ahead(registration.event)
        and registration.status != Status.CANCELLED
    }


def _load_reminder(rows: Sequence[Notification]) -> dict[int, Facts]:
    return {
        row.pk: facts_of(registration, starts_in=_until(registration.event.start_time))
        for row, registration in _pairs(rows)
        if registration.status == Status.CONFIRMED
        and is_on(registration.event)
        and registration.event.start_time > timezone.now()
        and start_stamp(registration.event.start_time) == row.facts["start"]
    }


def _load_feedback(rows: Sequence[Notification]) -> dict[int, Facts]:
    pairs = _pairs(rows)
    reviewed = set(
        Feedback.objects.filter(
            event__in={registration.event_id for _, registration in pairs},
            author__in={registration.user_id for _, registration in pairs},
        ).values_list("event_id", "author_id")
    )
    return {
        row.pk: facts_of(
            registration, feedback_url=feedback_link(registration.pk, registration.user_id)
        )
        for row, registration in pairs
        if registration.user_id is not None
        and registration.status == Status.CONFIRMED
        and is_on(registration.event)
        and (registration.event_id, registration.user_id) not in reviewed
    }


def _load_message(rows: Sequence[Notification]) -> dict[int, Facts]:
    messages = Message.objects.in_bulk({row.facts["message"] for row in rows})
    return {
        row.pk: facts_of(
            registration,
            message=messages[row.facts["message"]],
            in_full=messages[row.facts["message"]].body,
        )
        for row, registration in _pairs(rows)
        if row.facts["message"] in messages
        and registration.status != Status.CANCELLED
        and registration.event.deleted_at is None
    }


def _pairs(rows: Sequence[Notification]) -> list[tuple[Notification, Registration]]:
    """Each row with its registration. Those of erased people are left out."""
    registrations = registrations_of(rows)
    return [(row, registrations[row.pk]) for row in rows if row.pk in registrations]


def _until(start: datetime) -> str:
    """The time until then in words, such as `2 hours`."""
    minutes = max(1, round((start - timezone.now()) / timedelta(minutes=1)))
    if minutes < 60:
        number, unit = minutes, "minute"
    elif minutes < 48 * 60:
        number, unit = round(minutes / 60), "hour"
    else:
        number, unit = round(minutes / 60 / 24), "day"
    return f"{number} {unit}{'s' if number > 1 else ''}"


CHANGED_EVENT = Kind(
    name="event_changed",
    title="Change of time or place",
    template="registrations/mail/event_changed.html",
    sample=sample(old=earlier, changed=lambda event: {"time", "place"}),
    load=_load_changed,
    attach=attach_event,
)
CANCELLED_EVENT = Kind(
    name="event_cancelled",
    title="Event cancelled",
    template="registrations/mail/event_cancelled.html",
    sample=sample(is_cancelled=cancelled),
    load=_load_cancelled,
    attach=attach_removal,
    cannot_wait=True,
)
RESTORED_EVENT = Kind(
    name="event_restored",
    title="Event takes place after all",
    template="registrations/mail/event_restored.html",
    sample=sample(),
    load=_load_restored,
    attach=attach_ticket,
)
REMINDER = Kind(
    name="event_reminder",
    title="Reminder before the start",
    template="registrations/mail/event_reminder.html",
    sample=sample(starts_in=lambda event: "24 hours"),
    load=_load_reminder,
    attach=attach_ticket,
)
FEEDBACK = Kind(
    name="feedback_invitation",
    title="Invitation to give feedback",
    template="registrations/mail/feedback_invitation.html",
    sample=sample(feedback_url=lambda event: settings.PUBLIC_URL),
    load=_load_feedback,
)
MESSAGE = Kind(
    name="organizer_message",
    title="Message of an organizer",
    template="registrations/mail/organizer_message.html",
    sample=sample(message=message),
    load=_load_message,
)
