"""Answers and guests as the admin's page of a registration shows them, with the form's labels."""

from collections.abc import Mapping
from typing import Any

from django.utils.html import format_html, format_html_join

from ..forms.questions import Question, Questions, plain_value, questions_of
from ..models import Registration

_NONE = "None."
_WORDS = {True: "Yes", False: "No"}


def answers_of(registration: Registration) -> str:
    """A table of the registrant's answers, in the order of the form."""
    questions = questions_of(registration.event.form)
    return _table(_rows(questions, registration.answers)) or _NONE


def guests_of(registration: Registration) -> str:
    """A table of the named guests and their answers."""
    questions = questions_of(registration.event.form)
    rows: list[tuple[str, str]] = []
    for guest in registration.guests:
        rows.append(("Name", guest["name"]))
        if guest.get("email"):
            rows.append(("E-mail", guest["email"]))
        rows += _rows(questions, guest.get("answers", {}))
    return _table(rows) or _NONE


def _rows(questions: Questions, answers: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Label and text of each answer. Those to questions that were removed come last."""
    known = questions.by_key
    keys = [key for key in known if key in answers]
    keys += [key for key in answers if key not in known]
    return [
        (known[key].label if key in known else key, _text(known.get(key), answers[key]))
        for key in keys
    ]


def _text(question: Question | None, answer: Any) -> str:
    value = plain_value(answer)
    labels = {each.value: each.label for each in question.options} if question else {}
    chosen = value if isinstance(value, list) else [value]
    return ", ".join(
        _WORDS[each] if isinstance(each, bool) else labels.get(each, str(each)) for each in chosen
    )


def _table(rows: list[tuple[str, str]]) -> str:
    """Empty without rows."""
    cells = format_html_join("", '<tr><th scope="row">{}</th><td>{}</td></tr>', rows)
    return format_html("<table>{}</table>", cells) if rows else ""
