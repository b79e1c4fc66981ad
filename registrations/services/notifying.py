"""Enqueues notifications to attendees, each in one statement of the transaction that causes it."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import F, Func, JSONField, TextField, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast, Concat, JSONObject
from django.utils import timezone

from accounts.notifications import notify, notify_many
from config.api.http.rate_limits import seconds_to_wait
from events.models import Event

from ..models import LedgerEntry, Message, Registration, RegistrationQuerySet
from ..notifications.schedule import NOTIFIED_FIELDS, Schedule
from .mail_limits import count_mails

# Of several undelivered rows of one registration the oldest stays: it has the schedule that was
# last sent. Each join uses a primary key: there may be ten thousand rows without statistics.
_MERGE = """
    WITH undelivered AS MATERIALIZED (
        SELECT row.id, event.sequence,
            'event_changed:' || row.registration_id || ':' || event.sequence AS new_key,
            row_number() OVER (PARTITION BY row.registration_id ORDER BY row.id) AS number
        FROM accounts_notification AS row
        JOIN events_event AS event ON event.id = row.event_id
        JOIN registrations_registration AS current ON current.id = row.registration_id
            AND current.email = row.email AND current.user_id IS NOT DISTINCT FROM row.user_id
        WHERE row.state = 'pending' AND row.claimed_by IS NULL AND row.kind = 'event_changed'
            AND row.event_id = ANY(%(events)s)
    ), duplicate AS (
        DELETE FROM accounts_notification AS other USING undelivered
        WHERE other.id = undelivered.id AND number > 1
            AND other.state = 'pending' AND other.claimed_by IS NULL
    )
    UPDATE accounts_notification AS merged SET
        key = new_key,
        facts = jsonb_set(merged.facts, '{sequence}', to_jsonb(undelivered.sequence)),
        due_at = %(now)s,
        read_at = NULL
    FROM undelivered
    WHERE merged.id = undelivered.id AND number = 1
        AND merged.state = 'pending' AND merged.claimed_by IS NULL
        AND NOT EXISTS (SELECT FROM accounts_notification AS other WHERE other.key = new_key)
"""

_DELAY_MAILS = """
    UPDATE accounts_notification SET
        attempt_at = greatest(attempt_at, (%(moments)s::jsonb ->> event_id::text)::timestamptz)
    WHERE state = 'pending' AND claimed_by IS NULL AND kind = 'event_changed'
        AND event_id = ANY(%(events)s)
"""


def key_of(kind: str, *facts: Any) -> Combinable:
    """The notification's key: the kind, the registration and `facts` (expressions or values)."""
    values = [fact if isinstance(fact, Combinable) else Value(str(fact)) for fact in facts]
    parts = [part for value in values for part in (Value(":"), value)]
    return Concat(Value(f"{kind}:"), Cast("pk", TextField()), *parts, output_field=TextField())


def notify_holder(
    registration: Registration, kind: str, *, key: str, facts: dict[str, Any] | None = None
) -> None:
    notify(
        kind,
        key=key,
        email=registration.email,
        user=registration.user,
        event_id=registration.event_id,
        registration_id=registration.pk,
        facts=facts,
    )


def notify_cancelled(registration: Registration, reason: LedgerEntry.Reason) -> None:
    """Notifies the holder, also if they cancelled themselves."""
    kind = "registration_cancelled"
    notify_holder(
        registration, kind, key=f"{kind}:{registration.pk}", facts={"reason": reason.value}
    )
    count_mails(1, may_refuse=False)


def notify_events_changed(edits: Iterable[tuple[Event, Mapping[str, Any]]]) -> None:
    """Notifies attendees of a new time, place or link, with the former one, which no table stores.

    Raises `RateLimited`: see `count_mails`.
    """
    facts_for_all: dict[str, dict[str, Any]] = {}
    facts_for_confirmed: dict[str, dict[str, Any]] = {}  # only they may see the link to join
    notified: list[Event] = []
    for event, before in edits:
        if before.keys() & NOTIFIED_FIELDS and event.has_people:
            old, new = Schedule.of(event, before), Schedule.of(event, {})
            is_link_only = old.differences(new) == {"link"}
            facts = facts_for_confirmed if is_link_only else facts_for_all
            facts[str(event.pk)] = {"sequence": event.sequence, "old": old.as_facts()}
            notified.append(event)
    if not notified:
        return
    people = Registration.objects.current()
    number = _notify_changed(facts_for_all, people)
    number += _notify_changed(
        facts_for_confirmed, people.filter(status=Registration.Status.CONFIRMED)
    )
    _delay_mails(notified)
    count_mails(number)


def _notify_changed(facts: dict[str, dict[str, Any]], people: RegistrationQuerySet) -> int:
    """Notifies with the facts of each event, by its id as text; returns the number of new rows."""
    if not facts:
        return 0
    of_event = Func(
        Value(facts, JSONField()),
        Cast("event_id", TextField()),
        template="(%(expressions)s)",
        arg_joiner=" -> ",
        output_field=JSONField(),
    )
    people = people.filter(event__in=[int(pk) for pk in facts])
    _merge_into_undelivered(facts)
    return _notify_people("event_changed", people, _event_column("sequence"), facts=of_event)


def _merge_into_undelivered(facts: Mapping[str, Any]) -> None:
    """Merges this change into the undelivered notifications of earlier changes of the event.

    A merged row retains its former schedule, so a change that is reverted is not sent. It gets the
    key of this change, so that no second row is made. Rows claimed by a mailer stay unchanged.
    """
    parameters: dict[str, Any] = {"events": [int(pk) for pk in facts], "now": timezone.now()}
    with connection.cursor() as cursor:
        cursor.execute(_MERGE, parameters)


def _delay_mails(events: list[Event]) -> None:
    """Delays the mails of an event that is edited often, so that they include the next edits.

    Up to `RATE_LIMITS["changes"]` edits are mailed at once. Inboxes show each change at once.
    An edit of several events of a series counts once, for the series: one statement, not hundreds.
    """
    edited: dict[str, list[int]] = defaultdict(list)
    for event in events:
        is_series = len(events) > 1 and event.series_id is not None
        edited[f"series {event.series_id}" if is_series else f"event {event.pk}"].append(event.pk)
    now = timezone.now()
    delayed_until: dict[int, datetime] = {}
    for counted, pks in edited.items():
        if delay := seconds_to_wait("changes", counted):
            delayed_until |= dict.fromkeys(pks, now + timedelta(seconds=delay))
    if delayed_until:
        moments = json.dumps({pk: until.isoformat() for pk, until in delayed_until.items()})
        parameters: dict[str, Any] = {"events": list(delayed_until), "moments": moments}
        with connection.cursor() as cursor:
            cursor.execute(_DELAY_MAILS, parameters)


def notify_events_cancelled(events: Iterable[Event]) -> None:
    _notify_ended("cancelled", events)


def notify_events_deleted(events: Iterable[Event]) -> None:
    """Notifies as for a cancellation. Events that were cancelled before are not notified again."""
    published = [event for event in events if event.status == Event.Status.PUBLISHED]
    _notify_ended("deleted", published)


def notify_events_restored(events: Iterable[Event]) -> None:
    published = [event for event in events if event.status == Event.Status.PUBLISHED]
    _notify_all("event_restored", published, {})


def notify_message(message: Message) -> int:
    """Notifies the event's registrations with the status of the message; returns their number.

    Raises `RateLimited`: see `count_mails`.
    """
    people = Registration.objects.filter(event=message.event_id).live()
    if message.status != Message.Status.ALL:
        people = people.filter(status=message.status)
    number = _notify_people("organizer_message", people, message.pk, facts={"message": message.pk})
    count_mails(number)
    return number


def _notify_ended(action: str, events: Iterable[Event]) -> None:
    _notify_all("event_cancelled", events, {"how": Value(action)})


def _notify_all(kind: str, events: Iterable[Event], facts: dict[str, Combinable]) -> None:
    """Notifies the attendees of these events in one statement; the key has the event's version."""
    attended = _attended(events)
    if attended:
        people = Registration.objects.filter(event__in=attended).current()
        facts_of_each = JSONObject(**facts, version=F("event__version"))
        number = _notify_people(kind, people, _event_column("version"), facts=facts_of_each)
        count_mails(number, may_refuse=False)


def _event_column(column: str) -> Combinable:
    return Cast(F(f"event__{column}"), TextField())


def _attended(events: Iterable[Event]) -> list[Event]:
    """The events with attendees that are not over; there are no notifications of past events."""
    now = timezone.now()
    return [event for event in events if event.has_people and event.end_time > now]


def _notify_people(
    kind: str,
    people: RegistrationQuerySet,
    fact: int | Combinable,
    *,
    facts: dict[str, Any] | Combinable,
) -> int:
    """Notifies each registration; returns the number of new rows. `fact` is part of the key."""
    return notify_many(
        kind,
        people,
        key=key_of(kind, fact),
        email=F("email"),
        user_id=F("user_id"),
        event_id=F("event_id"),
        registration_id=F("pk"),
        facts=facts,
    )
