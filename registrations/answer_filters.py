"""Filters of attendees by their answers: `?answer.diet=vegan`."""

import json
import re
from collections.abc import Mapping
from typing import Any

from django.db import connection
from django.db.models import BooleanField, Q
from django.db.models.expressions import RawSQL

from config.api.http.parameters import unknown_parameter
from config.errors import FieldError, UnknownParameter, ValidationFailed
from events.models import Event

from .forms.questions import Question, Type, questions_of
from .forms.values import InvalidAnswer, read_answer
from .statistics.tallies import COUNTED

PREFIX = "answer."

_WAS_OPTION = """
    WITH RECURSIVE version AS (
        SELECT previous_id, questions FROM events_form WHERE id = %s
        UNION ALL
        SELECT form.previous_id, form.questions
        FROM events_form AS form JOIN version ON form.id = version.previous_id
    )
    SELECT FROM version
    CROSS JOIN jsonb_array_elements(questions) AS question
    CROSS JOIN jsonb_array_elements(question -> 'options') AS option
    WHERE question ->> 'key' = %s AND option ->> 'value' = %s
    LIMIT 1
"""

# False where the tally of the event counts all answers, and this one zero times.
_MAY_BE_GIVEN = """
    (NOT EXISTS (
        SELECT FROM registrations_answertally
        WHERE event_id = %s AND form_id = %s
            AND NOT coalesce(figures -> 'chosen' -> %s ? %s, false)
    ) OR EXISTS (
        SELECT FROM registrations_uncountedanswers WHERE event_id = %s
    ))
"""

_FLAGS = {"true": True, "1": True, "false": False, "0": False}


def answers_with(event: Event, parameters: Mapping[str, str], *, are_counted: bool = False) -> Q:
    """The condition for registrations with these answers, of the registrant or of a guest.

    With `are_counted` all rows are confirmed or waitlisted, so the tally of the event has their
    answers. If it has none of the wanted ones, no row is read.

    `parameters` are those whose names begin with `PREFIX`. Raises `UnknownParameter` for a question
    that the form does not have, and `ValidationFailed` for a value that nobody can answer by.
    """
    by_key = questions_of(event.form).by_key if parameters else {}
    known = frozenset(f"{PREFIX}{key}" for key in by_key)
    unknown = sorted(parameters.keys() - known)
    if unknown:
        raise UnknownParameter(*(unknown_parameter(name, known) for name in unknown))
    condition = Q()
    for name, text in parameters.items():
        question = by_key[name.removeprefix(PREFIX)]
        value = _checked_value(event, question, name, text)
        condition &= _has_answer(question, value)
        if are_counted and question.type in COUNTED:
            condition &= _may_be_given(event, question, value)
    return condition


def _checked_value(event: Event, question: Question, name: str, text: str) -> Any:
    if not text or "\x00" in text:
        raise ValidationFailed(FieldError(name, "invalid", "Send a value."))
    try:
        return _value(question, text)
    except InvalidAnswer as error:
        if question.type not in {Type.CHOICE, Type.CHOICES} or not _was_option(
            event, question, text
        ):
            raise ValidationFailed(FieldError(name, error.code, error.detail)) from error
        return [text] if question.type == Type.CHOICES else text


def _has_answer(question: Question, value: Any) -> Q:
    if question.type == Type.CONSENT and not value:
        return ~_contains(question, {"agreed": True})
    return _contains(question, {"agreed": True} if question.type == Type.CONSENT else value)


def _contains(question: Question, value: Any) -> Q:
    answers = {question.key: value}
    condition = Q(answers__contains=answers)
    return (
        condition | Q(guests__contains=[{"answers": answers}])
        if question.asks_guests
        else condition
    )


def _may_be_given(event: Event, question: Question, value: Any) -> Q:
    """Whether a confirmed or waitlisted registration may have the answer.

    The condition depends on no row, so PostgreSQL evaluates it before it reads any, in the snapshot
    of the rows.
    """
    [option] = value if question.type == Type.CHOICES else [value]
    counted = json.dumps(option) if question.type == Type.BOOLEAN else option
    parameters = [event.pk, event.form_id, question.key, counted, event.pk]
    return Q(RawSQL(_MAY_BE_GIVEN, parameters, BooleanField()))  # noqa: S611  # nosec


def _value(question: Question, text: str) -> Any:
    """The value of a parameter. Raises `InvalidAnswer`."""
    if question.type in {Type.BOOLEAN, Type.CONSENT}:
        if text.lower() not in _FLAGS:
            raise InvalidAnswer("invalid", "Send true or false.")
        return _FLAGS[text.lower()]
    if question.type == Type.NUMBER:
        if not re.fullmatch(r"[+-]?[0-9]{1,16}(\.[0-9]{1,15})?", text):
            raise InvalidAnswer("invalid", "Send a number.")
        return float(text)
    if question.type == Type.CHOICES:
        return read_answer(question, [text])
    value = read_answer(question, text)
    if value is None:
        raise InvalidAnswer("invalid", "Send a value.")
    return value


def _was_option(event: Event, question: Question, text: str) -> bool:
    """Whether a version of the form has the option, which may have answers."""
    with connection.cursor() as cursor:
        cursor.execute(_WAS_OPTION, [event.form_id, question.key, text])
        row = cursor.fetchone()
    return row is not None
