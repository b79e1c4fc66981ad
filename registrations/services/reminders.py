"""What the clock tells people: reminders before an event, and the question how it was.

Both are queued by one statement for hundreds of events, with no row passing through here; and both
may run twice: a reminder's key has its event's start and its hours.
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

_EVENTS_AT_ONCE = 500
# A worker that was away for longer asks nobody any more how it was.
_ASKED_WITHIN = timedelta(days=7)

_SET_NEXT = """
    UPDATE events_event SET next_reminder_at = next_reminder(start_time, reminder_hours, %s)
    WHERE id IN (
        SELECT id FROM events_event WHERE id = ANY(%s) AND next_reminder_at <= %s
        ORDER BY id FOR NO KEY UPDATE
    )
"""


def queue_reminders() -> int:
    """Queue every reminder that is due, of several of one event the last; returns how many.

    Nobody is reminded who got their seat after the reminder's time: they have just been told.
    """
    queued = 0
    now = timezone.now()
    while events := list(
        Event.objects.filter(next_reminder_at__lte=now)
        .only("start_time", "reminder_hours", "status", "deleted_at")
        .order_by("next_reminder_at")[:_EVENTS_AT_ONCE]
    ):
        due = defaultdict(list)
        for event in events:
            is_on = event.status == Event.Status.PUBLISHED and event.deleted_at is None
            if is_on and not event.has_started(now):
                due[_hours_due(event, now)].append(event.pk)
        queued += sum(_remind(hours, event_ids) for hours, event_ids in due.items())
        # Afterwards, so that who dies in between repeats it; an event that was moved meanwhile has
        # a later one by now and stays as it is.
        with connection.cursor() as cursor:
            cursor.execute(_SET_NEXT, [now, [event.pk for event in events], now])
    return queued


def queue_feedback_invitations() -> int:
    """Ask those with an account who attended, once, how it was; returns how many."""
    queued = 0
    now = timezone.now()
    until = now - timedelta(hours=settings.FEEDBACK_INVITE_HOURS)
    ended = Event.objects.published().filter(
        feedback_asked_at=None, end_time__lte=until, end_time__gt=until - _ASKED_WITHIN
    )
    while event_ids := list(
        ended.order_by("end_time").values_list("pk", flat=True)[:_EVENTS_AT_ONCE]
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
    """Of the reminders that are due, that which is nearest to the start."""
    return min(
        hours for hours in event.reminder_hours if event.start_time - timedelta(hours=hours) <= now
    )


def _remind(hours: int, event_ids: list[int]) -> int:
    # As `start_stamp` has it.
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
