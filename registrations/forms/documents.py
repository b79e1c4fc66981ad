"""A form as clients see it."""

from collections.abc import Mapping
from typing import Any

from .questions import Option, Question, Questions

Taken = Mapping[tuple[str, str], int]
"""How often options with a limit are chosen, by the key of the question and the value."""


def form_document(questions: Questions, taken: Taken | None) -> dict[str, Any]:
    """The version and its questions. `taken` is None for a series, whose events have the limits."""
    return {
        "version": questions.version,
        "questions": [_question(question, taken) for question in questions.all],
    }


def _question(question: Question, taken: Taken | None) -> dict[str, Any]:
    condition = question.show_if
    return {
        "key": question.key,
        "label": question.label,
        "help": question.help,
        "type": question.type.value,
        "required": question.required,
        "active": question.active,
        "ask": question.ask.value,
        "min": question.min,
        "max": question.max,
        "options": [_option(question.key, option, taken) for option in question.options],
        "show_if": condition and {"key": condition.key, "any_of": list(condition.any_of)},
        "retention_days": question.retention_days,
    }


def _option(key: str, option: Option, taken: Taken | None) -> dict[str, Any]:
    document: dict[str, Any] = {
        "value": option.value,
        "label": option.label,
        "limit": option.limit,
    }
    if option.limit is not None and taken is not None:
        document["left"] = option.limit - taken.get((key, option.value), 0)
    return document
