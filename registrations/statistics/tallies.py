"""Counts of answers: how often each question is answered, and each option chosen.

`AnswerTally` has the counts of an event, and `UncountedAnswers` what has changed since. The two
change in one transaction, so their sum is exact in every snapshot.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from events.models import Event

from ..forms.questions import Question, Questions, Type, questions_of
from ..models import AnswerTally

# Other answers are texts and numbers, which mostly differ. Triggers have the same list.
COUNTED = {Type.CHOICE, Type.CHOICES, Type.BOOLEAN, Type.COUNTRY}

# One pass over the answers of the event, in which each is unpacked once. There is a group for each
# value of each question, and NULL in the columns of the other questions. One row for each answer
# would take four times as long.
#
# The keys of questions are names of columns here. They begin with a letter, so names that begin
# with _ are none of them. The other parts see no column of these, since they are in FROM or WITH.
_COUNT = """
    WITH {before} _responses AS ({responses})
    SELECT {people}, (SELECT _number FROM _responses), {values}
    FROM ({persons}) AS _person
    CROSS JOIN LATERAL jsonb_to_record(_person._answers) AS _given ({columns})
    GROUP BY GROUPING SETS ({sets})
"""


@dataclass(frozen=True)
class _Source:
    """Whose answers are counted.

    `persons` selects the answers as `_answers`, `people` is how many people they are of, and
    `responses` selects the number of registrations with an answer as `_number`. `before` has what
    `persons` and `responses` share.
    """

    persons: str
    people: str
    responses: str
    before: str = ""


_REGISTRATIONS = _Source(
    persons="""
        SELECT answers AS _answers FROM registrations_registration
        WHERE event_id = %(event_id)s AND status IN ('confirmed', 'waitlisted')
        UNION ALL
        SELECT guest -> 'answers'
        FROM registrations_registration CROSS JOIN LATERAL jsonb_array_elements(guests) AS guest
        WHERE event_id = %(event_id)s AND status IN ('confirmed', 'waitlisted')
            AND guests <> '[]' AND jsonb_typeof(guest -> 'answers') = 'object'
    """,
    people="count(*)",
    responses="""
        SELECT count(*) AS _number FROM registrations_registration
        WHERE event_id = %(event_id)s AND status IN ('confirmed', 'waitlisted') AND (
            answers <> '{}' OR EXISTS (
                SELECT FROM jsonb_array_elements(guests) AS guest WHERE guest -> 'answers' <> '{}'
            )
        )
    """,
)
_UNCOUNTED = _Source(
    persons="""
        SELECT people AS _people, answers AS _answers FROM registrations_uncountedanswers
        WHERE event_id = %(event_id)s
    """,
    people="sum(_person._people)",
    responses="""
        SELECT sum(responses) AS _number FROM registrations_uncountedanswers
        WHERE event_id = %(event_id)s
    """,
)
_TAKE = "_taken AS (DELETE FROM registrations_uncountedanswers WHERE event_id = %(event_id)s"
_TAKEN = _Source(
    before=f"{_TAKE} RETURNING people, responses, answers),",
    persons="SELECT people AS _people, answers AS _answers FROM _taken",
    people="sum(_person._people)",
    responses="SELECT sum(responses) AS _number FROM _taken",
)
_REGISTRATIONS_INSTEAD = _Source(
    before=f"{_TAKE}),",
    persons=_REGISTRATIONS.persons,
    people=_REGISTRATIONS.people,
    responses=_REGISTRATIONS.responses,
)


@dataclass
class Tally:
    """`responses` are registrations with an answer.

    `answered` is the number of people by the key of the question, and `chosen` of those by value,
    for questions whose values are counted. Uncounted answers may have negative numbers.
    """

    responses: int = 0
    answered: Counter[str] = field(default_factory=Counter)
    chosen: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, other: "Tally") -> None:
        self.responses += other.responses
        self.answered.update(other.answered)
        for key, values in other.chosen.items():
            self.chosen.setdefault(key, Counter()).update(values)

    def document(self) -> dict[str, Any]:
        """What `AnswerTally.figures` stores, without zeros."""
        chosen = {key: _without_zeros(values) for key, values in self.chosen.items()}
        return {
            "responses": self.responses,
            "answered": _without_zeros(self.answered),
            "chosen": {key: values for key, values in chosen.items() if values},
        }

    @classmethod
    def of_document(cls, document: Mapping[str, Any]) -> "Tally":
        chosen = {key: Counter(values) for key, values in document["chosen"].items()}
        return cls(document["responses"], Counter(document["answered"]), chosen)


def current_tally(cursor: Any, event: Event) -> Tally:
    """The answers of confirmed and waitlisted registrations, with their guests.

    Caller has begun a transaction with one snapshot.
    """
    stored = AnswerTally.objects.filter(event=event.pk, form=event.form_id).first()
    if stored is None:
        return tally_of_registrations(cursor, event)
    tally = Tally.of_document(stored.figures)
    tally.add(_count(cursor, event, _UNCOUNTED))
    return tally


def tally_of_registrations(cursor: Any, event: Event) -> Tally:
    """The current tally, counted anew. Takes 25 µs for each registration with 50 answers."""
    return _count(cursor, event, _REGISTRATIONS)


def take_uncounted(cursor: Any, event: Event) -> Tally:
    """Deletes the uncounted answers of the event, and returns their tally."""
    return _count(cursor, event, _TAKEN)


def take_all(cursor: Any, event: Event) -> Tally:
    """Deletes the uncounted answers of the event, and returns the tally of its registrations.

    Both are of one snapshot: what is committed later stays uncounted.
    """
    return _count(cursor, event, _REGISTRATIONS_INSTEAD)


def _count(cursor: Any, event: Event, source: _Source) -> Tally:
    questions = questions_of(event.form)
    # The planner may expect that few answers differ, and Memoize adds a third to the time.
    cursor.execute("SET LOCAL enable_memoize = off")
    cursor.execute(_statement(questions, source), {"event_id": event.pk})
    tally = Tally()
    for people, responses, *values in cursor.fetchall():
        tally.responses = responses
        for question, value in zip(questions.all, values, strict=True):
            if value is not None:
                _add(tally, question, value, int(people))
    return tally


def _add(tally: Tally, question: Question, value: str, people: int) -> None:
    tally.answered[question.key] += people
    if question.type in COUNTED:
        chosen = tally.chosen.setdefault(question.key, Counter())
        for option in json.loads(value) if question.type == Type.CHOICES else [value]:
            chosen[option] += people


def _statement(questions: Questions, source: _Source) -> str:
    # Keys have letters, digits, _ and - alone, so they need no escapes.
    values = [_value(question) for question in questions.all]
    return _COUNT.format(
        before=source.before,
        people=source.people,
        responses=source.responses,
        persons=source.persons,
        columns=", ".join(f'"{question.key}" text' for question in questions.all),
        values=", ".join(values),
        sets=", ".join(f"({value})" for value in values),
    )


def _value(question: Question) -> str:
    """The text to group by: the answer, or the same text for all answers that are not counted."""
    column = f'_given."{question.key}"'
    if question.type in COUNTED:
        return column
    return f"CASE WHEN {column} IS NOT NULL THEN '' END"


def _without_zeros(counts: Counter[str]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count}
