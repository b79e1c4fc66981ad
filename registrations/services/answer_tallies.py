"""Keeps the tallies of answers up to date.

Registering only inserts what it answers, so that no two registrations write the same row. A
periodic task adds these answers to the tally of the event.
"""

import logging
from collections.abc import Iterable, Iterator

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from config.api.sql.time_limits import long_statements
from events.models import Event

from ..forms.questions import questions_of
from ..models import AnswerTally, UncountedAnswers
from ..statistics.tallies import (
    Tally,
    current_tally,
    take_all,
    take_uncounted,
    tally_of_registrations,
)

logger = logging.getLogger(__name__)

# Held by the transaction that changes tallies.
_LOCK = "registrations.answers"


class _FormChanged(Exception):
    """An event has another form than the one that was counted."""


def count_answers() -> None:
    """Adds uncounted answers to the tallies, unless another call is doing so.

    An event without a tally of its current form is counted as a whole. One that cannot be counted
    is logged, and stays uncounted.
    """
    events = UncountedAnswers.objects.order_by().values_list("event_id", flat=True).distinct()
    for event_id in list(events):
        try:
            with transaction.atomic(), long_statements(connection):
                if _is_alone():
                    _count_event(event_id)
        except _FormChanged:
            continue  # nothing is taken, and the next call counts
        except Exception:
            if not connection.is_usable():
                raise
            logger.exception("the answers of event %s cannot be counted", event_id)


def recount_answers(event_ids: Iterable[int]) -> None:
    """Has the events counted as a whole if their form has changed."""
    UncountedAnswers.objects.bulk_create(
        UncountedAnswers(event_id=event_id, people=0, responses=0, answers={})
        for event_id in event_ids
    )


def drop_tally(event_id: int) -> None:
    """Has the event counted as a whole. Blocks while `count_answers` counts an event.

    It would otherwise store what it has read before. Caller has begun a transaction, and has locked
    no event yet.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [_LOCK])
    AnswerTally.objects.filter(event=event_id).delete()
    recount_answers([event_id])


def oldest_uncounted_seconds() -> float:
    """The age of the oldest uncounted answers. 0 without any."""
    rows = UncountedAnswers.objects.order_by("pk").values_list("created_at", flat=True)
    oldest = rows.first()
    return (timezone.now() - oldest).total_seconds() if oldest else 0.0


def events_with_wrong_tallies() -> Iterator[int]:
    """Caller has begun a transaction with one snapshot."""
    events = Event.objects.filter(answer_tally__form=F("form")).select_related("form")
    with connection.cursor() as cursor:
        for event in events.order_by("pk"):
            counted = tally_of_registrations(cursor, event)
            if current_tally(cursor, event).document() != counted.document():
                yield event.pk


def _is_alone() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtext(%s))", [_LOCK])
        return bool(cursor.fetchone() == (True,))


def _count_event(event_id: int) -> None:
    """Raises `_FormChanged`, after which the caller rolls back."""
    event = Event.objects.select_related("form").filter(pk=event_id).first()
    if event is None or event.form is None or not questions_of(event.form).all:
        AnswerTally.objects.filter(event=event_id).delete()
        UncountedAnswers.objects.filter(event_id=event_id).delete()
        return
    with connection.cursor() as cursor:
        stored = AnswerTally.objects.filter(event=event, form=event.form_id).first()
        if stored is None:
            tally = take_all(cursor, event)
        else:
            tally = Tally.of_document(stored.figures)
            tally.add(take_uncounted(cursor, event))
    if not Event.objects.filter(pk=event_id, form=event.form_id).exists():
        raise _FormChanged
    AnswerTally.objects.update_or_create(
        event_id=event_id, defaults={"form": event.form, "figures": tally.document()}
    )
