"""Periodic notifications: reminders before an event, and invitations to give feedback after it.

One statement queues them for hundreds of events; no row is loaded into Python. Both may run twice:
the key of a reminder has the start of its event and the hours before it.
"""

from collections import defaultdict
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import BigIntegerField, Exists, F, Func, JSONField, OuterRef, TextField, Value
from django.db.models.functions import Cast, JSONObject
from django.utils import timezone

from accounts.notifications import notify_many
from config.api.sql.locking import locked_in_order
from events.models import Event

from ..models import Feedback, Registration
from .notifying import key_of

_EVENTS_OF_A_BATCH = 500
# After this time no invitation is sent, for example if no worker was running.
_INVITATION_WINDOW = timedelta(days=7)

_SET_NEXT = """
    UPDATE events_event SET next_reminder_at = next_reminder(start_time, reminder_hours, %s)
    WHERE id IN (
        SELECT id FROM events_event WHERE id = ANY(%s) AND next_reminder_at <= %s
        ORDER BY id FOR NO KEY UPDATE
    )
"""


def queue_reminders() -> int:
    """Queues every due reminder and returns their number. Of several for one event only the last.

    Attendees who got their seat after the time of the reminder get none: their confirmation has
    just been sent.
    """
    queued = 0
    now = timezone.now()
    while events := list(
        Event.objects.filter(next_reminder_at__lte=now)
        .only("start_time", "reminder_hours", "status", "deleted_at")
        .order_by("next_reminder_at")[:_EVENTS_OF_A_BATCH]
    ):
        due = defaultdict(list)
        for event in events:
            is_on = event.status == Event.Status.PUBLISHED and event.deleted_at is None
            if is_on and not event.has_started(now):
                due[_hours_due(event, now)].append(event.pk)
        queued += sum(_remind(hours, event_ids) for hours, event_ids in due.items())
        # Last, so that the work is repeated after a crash. An event that was moved meanwhile has a
        # later `next_reminder_at` and is not matched.
        with connection.cursor() as cursor:
            cursor.execute(_SET_NEXT, [now, [event.pk for event in events], now])
    return queued


def queue_feedback_invitations() -> int:
    """Queues one invitation for each account that attended; returns their number."""
    queued = 0
    now = timezone.now()
    until = now - timedelta(hours=settings.FEEDBACK_INVITE_HOURS)
    ended = Event.objects.published().filter(
        feedback_asked_at=None, end_time__lte=until, end_time__gt=until - _INVITATION_WINDOW
    )
    while event_ids := list(
        ended.order_by("end_time").values_list("pk", flat=True)[:_EVENTS_OF_A_BATCH]
    ):
        queued += notify_many(
            "feedback_invitation",
            Registration.objects.filter(
                ~Exists(Feedback.objects.filter(event=OuterRef("event"), author=OuterRef("user"))),
                event__in=event_ids,
                status=Registration.Status.CONFIRMED,
                user__isnull=False,
            ),
            key=key_of("feedback_invitation"),
            email=F("email"),
            user_id=F("user_id"),
            event_id=F("event_id"),
            registration_id=F("pk"),
        )
        with transaction.atomic():
            events = Event.objects.filter(pk__in=event_ids)
            locked_in_order(events).update(feedback_asked_at=now)
    return queued


def _hours_due(event: Event, now: datetime) -> int:
    """The hours of the due reminder that is nearest to the start."""
    return min(
        hours for hours in event.reminder_hours if event.start_time - timedelta(hours=hours) <= now
    )


def _remind(hours: int, event_ids: list[int]) -> int:
    # The SQL of `start_stamp`.
    start = F("event__start_time")
    stamp = Func(
        start,
        template="(EXTRACT(EPOCH FROM %(expressions)s) * 1000000)::bigint",
        output_field=BigIntegerField(),
    )
    return notify_many(
        "event_reminder",
        Registration.objects.filter(
            event__in=event_ids,
            status=Registration.Status.CONFIRMED,
            confirmed_at__lte=start - timedelta(hours=hours),
        ),
        key=key_of("event_reminder", Cast(stamp, TextField()), hours),
        email=F("email"),
        user_id=F("user_id"),
        event_id=F("event_id"),
        registration_id=F("pk"),
        facts=Cast(JSONObject(start=stamp, hours=Value(hours)), JSONField()),
    )
