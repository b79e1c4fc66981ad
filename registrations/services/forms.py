"""Forms: the questions of an event or a series, in versions that are kept.

Lock order: series, its events by id, registrations.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from accounts.audit import audited
from config.api.versions import check_version
from events.errors import EventCancelled
from events.models import Event, Form, Series
from events.services import lock_event
from events.services.series import lock_events, lock_series

from ..errors import QuestionInUse
from ..forms.questions import questions_of
from .answer_tallies import recount_answers
from .option_limits import set_limits

# Cancelled registrations keep their answers, which must stay readable.
_ANSWERED = """
    SELECT key FROM unnest(%(keys)s::text[]) WITH ORDINALITY AS wanted (key, position)
    WHERE EXISTS (
        SELECT FROM registrations_registration AS registration
        WHERE event_id = ANY(%(event_ids)s) AND (
            answers ? key
            OR EXISTS (
                SELECT FROM jsonb_array_elements(guests) AS guest WHERE guest -> 'answers' ? key
            )
        )
    )
    ORDER BY position LIMIT 1
"""


def form_tag(row: Event | Series) -> str:
    """Identifies the form of a row, for `If-Match`; see `config.api.http.conditional`."""
    return f"{row.pk}.form{row.form_id or 0}"


@transaction.atomic
@audited("edited")
def put_form(
    event: Event, questions: list[dict[str, Any]], *, expected_versions: set[str] | None = None
) -> Event:
    """Gives an event its own questions. The same questions change nothing.

    The event counts as edited by hand, so later forms of its series leave it as it is. Raises
    `PreconditionFailed`, `EventCancelled`, `QuestionInUse` and `LimitBelowTaken`.
    """
    event = lock_event(event.pk)
    check_version(form_tag(event), expected_versions)
    if event.status == Event.Status.CANCELLED:
        raise EventCancelled
    if _questions(event.form) == questions:
        return event
    _check_answered_stay([event], questions)
    event.form = _new_version(event.form, questions)
    event.set_edited()
    event.save(update_fields=["form", "edited_by_hand", "edited_since_import"])
    set_limits(event.pk, event.form)
    recount_answers([event.pk])
    return event


@transaction.atomic
@audited("edited")
def put_series_form(
    series: Series, questions: list[dict[str, Any]], *, expected_versions: set[str] | None = None
) -> Series:
    """Gives a series its questions, and its coming events that were not edited by hand.

    Each event has its own limits of options. Raises `PreconditionFailed`, `QuestionInUse` and
    `LimitBelowTaken`.
    """
    series = lock_series(series.pk)
    check_version(form_tag(series), expected_versions)
    if _questions(series.form) == questions:
        return series
    coming = series.events.existing().filter(start_time__gt=timezone.now(), edited_by_hand=False)
    events = lock_events(coming.exclude(status=Event.Status.CANCELLED))
    _check_answered_stay(events, questions)
    series.form = _new_version(series.form, questions)
    series.save(update_fields=["form"])
    Event.objects.filter(pk__in=[event.pk for event in events]).update(form=series.form)
    for event in events:
        set_limits(event.pk, series.form)
    recount_answers(event.pk for event in events)
    return series


def _questions(form: Form | None) -> list[dict[str, Any]]:
    return [] if form is None else form.questions


def _new_version(former: Form | None, questions: list[dict[str, Any]]) -> Form:
    version = 1 if former is None else former.version + 1
    return Form.objects.create(version=version, previous=former, questions=questions)


def _check_answered_stay(events: Iterable[Event], questions: list[dict[str, Any]]) -> None:
    """Raises `QuestionInUse` if a question with answers is gone, or has another type.

    Caller holds the event locks.
    """
    types = {question["key"]: question["type"] for question in questions}
    by_form: dict[int | None, list[Event]] = defaultdict(list)
    for event in events:
        by_form[event.form_id].append(event)
    for of_form in by_form.values():
        former = questions_of(of_form[0].form).all
        changed = [each.key for each in former if types.get(each.key) != each.type]
        key = _first_answered([event.pk for event in of_form], changed)
        if key is not None:
            raise QuestionInUse(
                f"The question {key} has answers: keep it with its type, if need be with "
                "active: false.",
                key=key,
            )


def _first_answered(event_ids: list[int], keys: list[str]) -> str | None:
    if not keys:
        return None
    with connection.cursor() as cursor:
        cursor.execute(_ANSWERED, {"event_ids": event_ids, "keys": keys})
        row = cursor.fetchone()
    return row[0] if row else None
