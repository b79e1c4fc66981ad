"""How often each question of an event is answered, and each option chosen."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from events.models import Event

from ..forms.questions import Question, Type, questions_of
from .snapshots import one_snapshot
from .tallies import COUNTED, Tally, current_tally


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
    with one_snapshot() as cursor:
        tally = current_tally(cursor, event)
    return AnswerSummary(
        tally.responses,
        {question.key: _figures(question, tally) for question in questions.all},
    )


def _figures(question: Question, tally: Tally) -> dict[str, Any]:
    answered = tally.answered[question.key]
    if question.type not in COUNTED:
        return {"answered": answered, "counts": None}
    counts = +tally.chosen.get(question.key, Counter())
    if question.type == Type.COUNTRY:
        return {"answered": answered, "counts": dict(counts.most_common())}
    known = ["true", "false"]
    if question.type != Type.BOOLEAN:
        known = [option.value for option in question.options]
    # Options that are gone keep their answers.
    gone = sorted(counts.keys() - set(known))
    return {"answered": answered, "counts": {value: counts[value] for value in (*known, *gone)}}
