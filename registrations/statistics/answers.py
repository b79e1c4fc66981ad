"""How often each question of an event is answered, and each option chosen."""

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

from django.db import connection

from events.models import Event

from ..forms.questions import Question, Questions, Type, questions_of

# Other answers are texts and numbers, which mostly differ.
_COUNTED = {Type.CHOICE, Type.CHOICES, Type.BOOLEAN, Type.COUNTRY}

# One pass over the answers of the event. Reading one key at a time would decompress an answer as
# often as there are questions.
_COUNT = """
    SELECT answer.key, answer.value, count(*)
    FROM registrations_registration AS registration
    CROSS JOIN LATERAL (
        SELECT registration.answers
        UNION ALL
        SELECT guest -> 'answers' FROM jsonb_array_elements(registration.guests) AS guest
        WHERE jsonb_typeof(guest -> 'answers') = 'object'
    ) AS person (answers)
    CROSS JOIN LATERAL jsonb_to_record(person.answers) AS given ({columns})
    CROSS JOIN LATERAL (VALUES {values}) AS answer (key, value)
    WHERE registration.event_id = %s AND registration.status IN ('confirmed', 'waitlisted')
        AND answer.value IS NOT NULL
    GROUP BY answer.key, answer.value
"""

_RESPONSES = """
    SELECT count(*) FROM registrations_registration
    WHERE event_id = %s AND status IN ('confirmed', 'waitlisted') AND (
        answers <> '{}' OR EXISTS (
            SELECT FROM jsonb_array_elements(guests) AS guest WHERE guest -> 'answers' <> '{}'
        )
    )
"""


@dataclass(frozen=True)
class AnswerSummary:
    """`responses` are confirmed and waitlisted registrations with an answer.

    `questions` has the number of people who answered by key, and the number who chose each value.
    The latter is None for questions whose answers are texts or numbers.
    """

    responses: int
    questions: dict[str, dict[str, Any]]


def answer_summary(event: Event) -> AnswerSummary:
    questions = questions_of(event.form)
    if not questions.all:
        return AnswerSummary(0, {})
    rows: dict[str, list[tuple[Any, int]]] = {question.key: [] for question in questions.all}
    with connection.cursor() as cursor:
        cursor.execute(_statement(questions), [event.pk])
        for key, value, count in cursor.fetchall():
            rows[key].append((value, count))
        cursor.execute(_RESPONSES, [event.pk])
        [responses] = cursor.fetchone() or (0,)
    return AnswerSummary(
        responses,
        {question.key: _figures(question, rows[question.key]) for question in questions.all},
    )


def _statement(questions: Questions) -> str:
    # Keys have letters, digits, _ and - alone.
    columns = ", ".join(f'"{question.key}" jsonb' for question in questions.all)
    values = ", ".join(f"('{question.key}', {_value(question)})" for question in questions.all)
    return _COUNT.format(columns=columns, values=values)


def _value(question: Question) -> str:
    """The text to group by: the answer, or the same text for all answers that are not counted."""
    column = f'given."{question.key}"'
    if question.type in _COUNTED:
        return f"{column}::text"
    return f"CASE WHEN {column} IS NOT NULL THEN 'null' END"


def _figures(question: Question, rows: list[tuple[str, int]]) -> dict[str, Any]:
    answered = sum(count for _, count in rows)
    if question.type not in _COUNTED:
        return {"answered": answered, "counts": None}
    counts: Counter[str] = Counter()
    for text, count in rows:
        for value in _values(text):
            counts[value] += count
    if question.type == Type.COUNTRY:
        return {"answered": answered, "counts": dict(counts.most_common())}
    known = ["true", "false"]
    if question.type != Type.BOOLEAN:
        known = [option.value for option in question.options]
    # Options that are gone keep their answers.
    gone = sorted(counts.keys() - set(known))
    return {"answered": answered, "counts": {value: counts[value] for value in (*known, *gone)}}


def _values(text: str) -> list[str]:
    """The values in the JSON text of an answer."""
    answer = json.loads(text)
    if isinstance(answer, bool):
        return [text]
    return answer if isinstance(answer, list) else [answer]
