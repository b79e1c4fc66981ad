"""How often each question of an event is answered, and each option chosen."""

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction

from events.models import Event

from ..forms.questions import Question, Questions, Type, questions_of

# Other answers are texts and numbers, which mostly differ.
_COUNTED = {Type.CHOICE, Type.CHOICES, Type.BOOLEAN, Type.COUNTRY}

# One pass over the answers of the event, in which each is unpacked once. There is a group for each
# value of each question, and NULL in the columns of the other questions. One row for each answer
# would take four times as long.
_COUNT = """
    SELECT count(*), {values}
    FROM (
        SELECT answers FROM registrations_registration
        WHERE event_id = %(event_id)s AND status IN ('confirmed', 'waitlisted')
        UNION ALL
        SELECT guest -> 'answers'
        FROM registrations_registration CROSS JOIN LATERAL jsonb_array_elements(guests) AS guest
        WHERE event_id = %(event_id)s AND status IN ('confirmed', 'waitlisted')
            AND guests <> '[]' AND jsonb_typeof(guest -> 'answers') = 'object'
    ) AS person (answers)
    CROSS JOIN LATERAL jsonb_to_record(person.answers) AS given ({columns})
    GROUP BY GROUPING SETS ({sets})
"""

_RESPONSES = """
    SELECT count(*) FROM registrations_registration
    WHERE event_id = %(event_id)s AND status IN ('confirmed', 'waitlisted') AND (
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
    rows: list[list[tuple[str, int]]] = [[] for _ in questions.all]
    with transaction.atomic(), connection.cursor() as cursor:
        # The planner may expect that few answers differ, and Memoize adds a third to the time.
        cursor.execute("SET LOCAL enable_memoize = off")
        cursor.execute(_statement(questions), {"event_id": event.pk})
        for count, *values in cursor.fetchall():
            for number, value in enumerate(values):
                if value is not None:
                    rows[number].append((value, count))
        cursor.execute(_RESPONSES, {"event_id": event.pk})
        [responses] = cursor.fetchone() or (0,)
    figures = zip(questions.all, rows, strict=True)
    return AnswerSummary(
        responses, {question.key: _figures(question, found) for question, found in figures}
    )


def _statement(questions: Questions) -> str:
    # Keys have letters, digits, _ and - alone.
    values = [_value(question) for question in questions.all]
    return _COUNT.format(
        columns=", ".join(f'"{question.key}" text' for question in questions.all),
        values=", ".join(values),
        sets=", ".join(f"({value})" for value in values),
    )


def _value(question: Question) -> str:
    """The text to group by: the answer, or the same text for all answers that are not counted."""
    column = f'given."{question.key}"'
    if question.type in _COUNTED:
        return column
    return f"CASE WHEN {column} IS NOT NULL THEN '' END"


def _figures(question: Question, rows: list[tuple[str, int]]) -> dict[str, Any]:
    answered = sum(count for _, count in rows)
    if question.type not in _COUNTED:
        return {"answered": answered, "counts": None}
    counts: Counter[str] = Counter()
    for text, count in rows:
        for value in json.loads(text) if question.type == Type.CHOICES else [text]:
            counts[value] += count
    if question.type == Type.COUNTRY:
        return {"answered": answered, "counts": dict(counts.most_common())}
    known = ["true", "false"]
    if question.type != Type.BOOLEAN:
        known = [option.value for option in question.options]
    # Options that are gone keep their answers.
    gone = sorted(counts.keys() - set(known))
    return {"answered": answered, "counts": {value: counts[value] for value in (*known, *gone)}}
