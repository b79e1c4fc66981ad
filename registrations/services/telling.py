"""Noting down what attendees are told; each in the transaction that causes it, in one statement."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import F, Func, JSONField, TextField, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast, Concat, JSONObject
from django.utils import timezone

from accounts.notifications import notify, notify_many
from events.models import Event

from ..models import LedgerEntry, Message, Registration, RegistrationQuerySet
from ..notifications.schedule import TOLD, Schedule


def key_of(kind: str, *facts: Any) -> Combinable:
    """The kind, the registration and what the fact is; expressions or plain values."""
    words = [fact if isinstance(fact, Combinable) else Value(str(fact)) for fact in facts]
    parts = [part for word in words for part in (Value(":"), word)]
    return Concat(Value(f"{kind}:"), Cast("pk", TextField()), *parts, output_field=TextField())


def tell_cancelled(registration: Registration, reason: LedgerEntry.Reason) -> None:
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


def tell_events_changed(edits: Iterable[tuple[Event, Mapping[str, Any]]]) -> None:
    """A new time or place, with the old one, which no table knows any more."""
    everybody: dict[str, dict[str, Any]] = {}
    confirmed: dict[str, dict[str, Any]] = {}  # whom the link to join concerns
    for event, before in edits:
        if before.keys() & TOLD and _has_people(event):
            old, new = Schedule.of(event, before), Schedule.of(event, {})
            told = confirmed if old.differences(new) == {"link"} else everybody
            told[str(event.pk)] = {"sequence": event.sequence, "old": old.as_facts()}
    live = Registration.objects.live()
    _tell_of_each(everybody, live)
    _tell_of_each(confirmed, live.filter(status=Registration.Status.CONFIRMED))


def _tell_of_each(facts: dict[str, dict[str, Any]], people: RegistrationQuerySet) -> None:
    """Of each event its facts, which are by its id as text."""
    if facts:
        of_event = Func(
            Value(facts, JSONField()),
            Cast("event_id", TextField()),
            template="(%(expressions)s)",
            arg_joiner=" -> ",
            output_field=JSONField(),
        )
        people = people.filter(event__in=[int(pk) for pk in facts])
        _tell("event_changed", people, _of_event("sequence"), facts=of_event)


def tell_events_cancelled(events: Iterable[Event]) -> None:
    _tell_called_off("cancelled", events)


def tell_events_deleted(events: Iterable[Event]) -> None:
    """As those that are cancelled. Whoever was told of that is not told again."""
    published = [event for event in events if event.status == Event.Status.PUBLISHED]
    _tell_called_off("deleted", published)


def tell_events_restored(events: Iterable[Event]) -> None:
    published = [event for event in events if event.status == Event.Status.PUBLISHED]
    _tell_all("event_restored", published, {})


def tell_message(message: Message) -> int:
    """To those of the event who have the message's status; returns how many they are."""
    people = Registration.objects.filter(event=message.event_id, status=message.status)
    return _tell("organizer_message", people, message.pk, facts={"message": message.pk})


def _tell_called_off(how: str, events: Iterable[Event]) -> None:
    _tell_all("event_cancelled", events, {"how": Value(how)})


def _tell_all(kind: str, events: Iterable[Event], facts: dict[str, Combinable]) -> None:
    """Of whatever became of these events with their present version; one statement for all."""
    concerned = _concerning_people(events)
    if concerned:
        people = Registration.objects.filter(event__in=concerned).live()
        facts_of_each = JSONObject(**facts, version=F("event__version"))
        _tell(kind, people, _of_event("version"), facts=facts_of_each)


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
