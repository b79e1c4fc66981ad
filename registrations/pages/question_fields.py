"""The questions of an event as fields of its page's form, and the answers that are sent by them.

A field has the path of its answer as its name, such as `answers.diet` or `guests.0.answers.diet`.
So the errors of the API name the field.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..forms.answers import asked_of
from ..forms.countries import COUNTRIES
from ..forms.questions import Question, Questions, Type

Sent = Mapping[str, list[str]]
Left = Mapping[tuple[str, str], int]

_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{1,18})?")
_INPUT_TYPES = {
    Type.TEXT: "text",
    Type.NUMBER: "number",
    Type.DATE: "date",
    Type.EMAIL: "email",
    Type.PHONE: "tel",
    Type.URL: "url",
}
_WORDS = {True: "yes", False: "no"}


@dataclass(frozen=True)
class Choice:
    value: str
    label: str
    is_chosen: bool
    is_full: bool


@dataclass(frozen=True)
class QuestionField:
    """What the template shows of one question to one person."""

    name: str
    question: Question
    choices: list[Choice]
    text: str
    error: str | None
    condition: str
    depends_on: str
    shown_for: str
    may_be_empty: bool

    @property
    def kind(self) -> str:
        """`input`, `textarea`, `select`, `radio` or `checkbox`."""
        match self.question.type:
            case Type.PARAGRAPH:
                return "textarea"
            case Type.COUNTRY:
                return "select"
            case Type.BOOLEAN | Type.CHOICE:
                return "radio"
            case Type.CHOICES | Type.CONSENT:
                return "checkbox"
            case _:
                return "input"

    @property
    def is_group(self) -> bool:
        """Whether it consists of several controls."""
        return self.kind in {"radio", "checkbox"} and self.question.type != Type.CONSENT

    @property
    def input_type(self) -> str:
        return _INPUT_TYPES.get(self.question.type, "text")

    @property
    def is_required(self) -> bool:
        """Whether the browser requires it.

        A question with a condition may be hidden, and of several boxes the browser would require
        each.
        """
        is_certain = self.question.show_if is None and not self.may_be_empty
        return self.question.required and is_certain and self.question.type != Type.CHOICES


def fields_of(
    questions: Questions,
    sent: Sent,
    errors: Mapping[str, str],
    left: Left,
    *,
    path: str = "answers",
    is_guest: bool = False,
    is_edit: bool = False,
) -> list[QuestionField]:
    """The questions that one person is asked, with what was sent, in the order of the form.

    A guest may stay unnamed, and an edit may leave open what was open before. So fields of both may
    be empty to the browser.
    """
    asked = asked_of(questions, guest=is_guest)
    return [
        _field(
            questions, question, sent, errors, left, path=path, is_guest=is_guest, is_edit=is_edit
        )
        for question in asked.values()
    ]


def _field(
    questions: Questions,
    question: Question,
    sent: Sent,
    errors: Mapping[str, str],
    left: Left,
    *,
    path: str,
    is_guest: bool,
    is_edit: bool,
) -> QuestionField:
    name = f"{path}.{question.key}"
    given, condition = sent.get(name, []), question.show_if
    depends_on = ""
    if condition is not None:
        # A guest's question may depend on an answer of the registrant.
        is_own = condition.key in asked_of(questions, guest=is_guest)
        depends_on = f"{path if is_own else 'answers'}.{condition.key}"
    return QuestionField(
        name=name,
        question=question,
        choices=_choices(question, given, left),
        text=given[0] if given else "",
        error=errors.get(name),
        condition=_condition_in_words(questions, question),
        depends_on=depends_on,
        shown_for=json.dumps([_text(value) for value in condition.any_of]) if condition else "",
        may_be_empty=is_guest or is_edit,
    )


def _choices(question: Question, given: list[str], left: Left) -> list[Choice]:
    choices = _options(question, given, left)
    if not question.required and question.type in {Type.BOOLEAN, Type.CHOICE}:
        # Otherwise the browser has no way to take a choice back.
        is_chosen = not any(choice.is_chosen for choice in choices)
        choices.append(Choice("", "No answer", is_chosen, False))
    return choices


def _options(question: Question, given: list[str], left: Left) -> list[Choice]:
    if question.type == Type.BOOLEAN:
        pairs = [("true", "Yes"), ("false", "No")]
        return [Choice(value, label, value in given, False) for value, label in pairs]
    if question.type == Type.COUNTRY:
        return [Choice(code, code, code in given, False) for code in sorted(COUNTRIES)]
    choices = []
    for option in question.options:
        free = left.get((question.key, option.value))
        note = "" if free is None else f" ({max(0, free)} left)"
        is_full = free is not None and free <= 0
        # No browser sends a disabled control, so one that looks chosen would be lost.
        is_chosen = option.value in given and not is_full
        choices.append(Choice(option.value, option.label + note, is_chosen, is_full))
    return choices


def _condition_in_words(questions: Questions, question: Question) -> str:
    """When the question is asked, for people without JavaScript."""
    condition = question.show_if
    other = questions.by_key.get(condition.key) if condition is not None else None
    if condition is None or other is None:
        return ""
    labels = {option.value: option.label for option in other.options}
    values = [_word(value, labels) for value in condition.any_of]
    return f"Only if “{other.label}” is: {' or '.join(values)}"


def _word(value: Any, labels: Mapping[str, str]) -> str:
    return _WORDS[value] if isinstance(value, bool) else labels.get(str(value), str(value))


def _text(value: Any) -> str:
    """A value of a condition as a control sends it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)


def read_answers(
    questions: Questions, sent: Sent, *, path: str = "answers", is_guest: bool = False
) -> dict[str, Any]:
    """The answers as a client of the API sends them. Empty controls are left out."""
    asked = asked_of(questions, guest=is_guest)
    given = {key: _filled(sent, f"{path}.{key}") for key in asked}
    return {key: _value(asked[key], texts) for key, texts in given.items() if texts}


def changed_answers(
    questions: Questions,
    sent: Sent,
    stored: Mapping[str, Any],
    *,
    path: str = "answers",
    of_registrant: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The answers that differ from what the form showed of the stored ones. None removes one.

    So what the form cannot show stays: an option that the question has no more, and an answer to a
    question that is not asked. `of_registrant` are the answers of the registrant of a guest.
    """
    changes: dict[str, Any] = {}
    visible = questions.visible_keys(stored, of_registrant)
    for key, question in asked_of(questions, guest=of_registrant is not None).items():
        given, shown = _filled(sent, f"{path}.{key}"), texts_of(question, stored.get(key))
        if given and sorted(given) != sorted(shown):
            changes[key] = _value(question, given)
        elif shown and not given and key in visible:
            changes[key] = None
    return changes


def stored_texts(
    questions: Questions,
    answers: Mapping[str, Any],
    *,
    path: str = "answers",
    is_guest: bool = False,
) -> dict[str, list[str]]:
    """The values of the fields that show one person's answers."""
    asked = asked_of(questions, guest=is_guest)
    return {f"{path}.{key}": texts_of(each, answers.get(key)) for key, each in asked.items()}


def answer_key(name: str) -> str:
    """The key of the question that a field asks. Empty for other fields."""
    return name.partition("answers.")[2]


def texts_of(question: Question, answer: Any) -> list[str]:
    """What the control of a question shows of an answer."""
    match question.type:
        case _ if answer is None:
            return []
        case Type.CHOICE | Type.CHOICES:
            chosen = answer if isinstance(answer, list) else [answer]
            known = {option.value for option in question.options}
            return [value for value in chosen if value in known]
        case Type.CONSENT:
            return ["true"]
        case Type.BOOLEAN:
            return [_text(answer)]
        case _:
            return [str(answer)]


def _filled(sent: Sent, name: str) -> list[str]:
    """The values that are not blank. Browsers end lines in their own way."""
    texts = [text.replace("\r\n", "\n") for text in sent.get(name, ())]
    return [text for text in texts if text.strip()]


def _value(question: Question, given: list[str]) -> Any:
    """The value that the control stands for. Any other is sent as text, which the rules reject."""
    text = given[0]
    match question.type:
        case Type.CHOICES:
            return given
        case Type.BOOLEAN | Type.CONSENT if text in {"true", "false"}:
            return text == "true"
        case Type.NUMBER if _NUMBER.fullmatch(text.strip()):
            number = float(text)
            return int(number) if number.is_integer() else number
        case _:
            return text
