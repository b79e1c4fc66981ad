"""Noting down what attendees are told; each in the transaction that causes it, in one statement."""

import json
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import F, Func, JSONField, TextField, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast, Concat, JSONObject
from django.utils import timezone

from accounts.notifications import notify, notify_many
from config.api.http import token_buckets
from events.models import Event

from ..models import LedgerEntry, Message, Registration, RegistrationQuerySet
from ..notifications.schedule import TOLD, Schedule
from .mail_limits import count_mails

# Of several undelivered rows of one registration the oldest knows what was told last; it stays.
# Each join goes by a primary key: there may be ten thousand rows, which no statistics know yet.
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
    ), repeated AS (
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

_HOLD_BACK = """
    UPDATE accounts_notification SET
        attempt_at = greatest(attempt_at, (%(moments)s::jsonb ->> event_id::text)::timestamptz)
    WHERE state = 'pending' AND claimed_by IS NULL AND kind = 'event_changed'
        AND event_id = ANY(%(events)s)
"""


def key_of(kind: str, *facts: Any) -> Combinable:
    """The kind, the registration and what the fact is; expressions or plain values."""
    words = [fact if isinstance(fact, Combinable) else Value(str(fact)) for fact in facts]
    parts = [part for word in words for part in (Value(":"), word)]
    return Concat(Value(f"{kind}:"), Cast("pk", TextField()), *parts, output_field=TextField())


def notify_cancelled(registration: Registration, reason: LedgerEntry.Reason) -> None:
    """To whoever had the place, also when they gave it up themselves."""
    notify(
        "registration_cancelled",
        key=f"registration_cancelled:{registration.pk}",
        email=registration.email,
        user=registration.user,
        event_id=registration.event_id,
        registration_id=registration.pk,
        facts={"reason": reason.value},
    )
    count_mails(1, may_refuse=False)


def notify_events_changed(edits: Iterable[tuple[Event, Mapping[str, Any]]]) -> None:
    """A new time or place, with the old one, which no table knows any more.

    Raises `RateLimited`: see `count_mails`.
    """
    everybody: dict[str, dict[str, Any]] = {}
    confirmed: dict[str, dict[str, Any]] = {}  # whom the link to join concerns
    for event, before in edits:
        if before.keys() & TOLD and _has_people(event):
            old, new = Schedule.of(event, before), Schedule.of(event, {})
            told = confirmed if old.differences(new) == {"link"} else everybody
            told[str(event.pk)] = {"sequence": event.sequence, "old": old.as_facts()}
    live = Registration.objects.live()
    number = _notify_each(everybody, live)
    number += _notify_each(confirmed, live.filter(status=Registration.Status.CONFIRMED))
    _hold_back([*everybody, *confirmed])
    count_mails(number)


def _notify_each(facts: dict[str, dict[str, Any]], people: RegistrationQuerySet) -> int:
    """Of each event its facts, which are by its id as text; returns how many rows are new."""
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
    return _tell("event_changed", people, _of_event("sequence"), facts=of_event)


def _merge_into_undelivered(facts: Mapping[str, Any]) -> None:
    """Let what nobody was notified of yet stand for this change of the event too.

    Such a row keeps what it says of the time before, so what is changed back is not told. It takes
    the key of this change, and so no second row is made. Rows that a mailer has in hand stay.
    """
    parameters: dict[str, Any] = {"events": [int(pk) for pk in facts], "now": timezone.now()}
    with connection.cursor() as cursor:
        cursor.execute(_MERGE, parameters)


def _hold_back(event_ids: Iterable[str]) -> None:
    """Let mails about an event that is edited all the time wait for the next few edits.

    `RATE_LIMITS["changes"]` is how often they go at once. Inboxes show each change at once.
    """
    limit, now = settings.RATE_LIMITS["changes"], timezone.now()
    if limit is None:
        return
    waits = {int(pk): token_buckets.take("changes", f"event {pk}", *limit) for pk in event_ids}
    held = {pk: now + timedelta(seconds=wait) for pk, wait in waits.items() if wait}
    if held:
        moments = json.dumps({pk: until.isoformat() for pk, until in held.items()})
        parameters: dict[str, Any] = {"events": list(held), "moments": moments}
        with connection.cursor() as cursor:
            cursor.execute(_HOLD_BACK, parameters)


def notify_events_cancelled(events: Iterable[Event]) -> None:
    _notify_called_off("cancelled", events)


def notify_events_deleted(events: Iterable[Event]) -> None:
    """As those that are cancelled. Whoever was told of that is not told again."""
    published = [event for event in events if event.status == Event.Status.PUBLISHED]
    _notify_called_off("deleted", published)


def notify_events_restored(events: Iterable[Event]) -> None:
    published = [event for event in events if event.status == Event.Status.PUBLISHED]
    _notify_all("event_restored", published, {})


def notify_message(message: Message) -> int:
    """To those of the event who have the message's status; returns how many they are.

    Raises `RateLimited`: see `count_mails`.
    """
    people = Registration.objects.filter(event=message.event_id, status=message.status)
    number = _tell("organizer_message", people, message.pk, facts={"message": message.pk})
    count_mails(number)
    return number


def _notify_called_off(how: str, events: Iterable[Event]) -> None:
    _notify_all("event_cancelled", events, {"how": Value(how)})


def _notify_all(kind: str, events: Iterable[Event], facts: dict[str, Combinable]) -> None:
    """Of whatever became of these events with their present version; one statement for all."""
    concerned = _concerning_people(events)
    if concerned:
        people = Registration.objects.filter(event__in=concerned).live()
        facts_of_each = JSONObject(**facts, version=F("event__version"))
        told = _tell(kind, people, _of_event("version"), facts=facts_of_each)
        count_mails(told, may_refuse=False)


def _of_event(column: str) -> Combinable:
    return Cast(F(f"event__{column}"), TextField())


def _concerning_people(events: Iterable[Event]) -> list[Event]:
    """Those that have attendees and are not over: nobody is told of what is past."""
    now = timezone.now()
    return [event for event in events if _has_people(event) and event.end_time > now]


def _has_people(event: Event) -> bool:
    return event.registered_count + event.waitlist_count > 0


def _tell(
    kind: str,
    people: RegistrationQuerySet,
    fact: int | Combinable,
    *,
    facts: dict[str, Any] | Combinable,
) -> int:
    """The key is the kind, the registration and `fact`."""
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
