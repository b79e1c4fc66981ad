"""Answers in the cells of a file: as exports write them, and as people do."""

import re
from typing import Any

from .questions import Question, Type

_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_NUMBER = re.compile(r"[+-]?[0-9]{1,16}(\.[0-9]{1,15})?")


def answer_in_cell(question: Question, text: str) -> Any:
    """The answer that the text of a cell means; the text itself if it means none."""
    if question.type in {Type.BOOLEAN, Type.CONSENT}:
        return _FLAGS.get(text.lower(), text)
    if question.type == Type.NUMBER and _NUMBER.fullmatch(text):
        return float(text)
    if question.type == Type.CHOICES:
        return _choices(question, text)
    if question.type == Type.CHOICE:
        return _option(question, text)
    return text


def _choices(question: Question, text: str) -> list[str]:
    """Options are separated by semicolons. One that has a semicolon itself is found as a whole."""
    if text in {option.value for option in question.options}:
        return [text]
    return [_option(question, part.strip()) for part in text.split(";") if part.strip()]


def _option(question: Question, text: str) -> str:
    """The value of the option with this value or label, in any letter case."""
    for name in ("value", "label"):
        for option in question.options:
            if getattr(option, name).casefold() == text.casefold():
                return option.value
    return text
