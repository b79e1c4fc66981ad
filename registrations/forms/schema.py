"""The JSON Schema of the answers to a form (draft 2020-12)."""

from typing import Any

from .answers import asked_of
from .countries import COUNTRIES
from .questions import Question, Questions, Type
from .values import DAY, MAX_NUMBER, MAX_PARAGRAPH, MAX_TEXT, MAX_URL, PHONE

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_GUEST_ID = "urn:answers-of-a-guest"

_PLAIN: dict[Type, dict[str, Any]] = {
    Type.TEXT: {"type": "string", "maxLength": MAX_TEXT},
    Type.PARAGRAPH: {"type": "string", "maxLength": MAX_PARAGRAPH},
    Type.BOOLEAN: {"type": "boolean"},
    Type.CONSENT: {"const": True},
    Type.DATE: {"type": "string", "format": "date", "pattern": DAY},
    Type.EMAIL: {"type": "string", "format": "email"},
    Type.PHONE: {"type": "string", "pattern": PHONE},
    Type.URL: {"type": "string", "format": "uri", "pattern": "^https?://", "maxLength": MAX_URL},
    Type.COUNTRY: {"enum": sorted(COUNTRIES)},
}


def answers_schema(questions: Questions) -> dict[str, Any]:
    """The schema of `answers`; `$defs.guest` is that of the `answers` of a guest.

    A guest's question that depends on an answer of the registrant alone is not required there: a
    schema of the guest's answers cannot express it.
    """
    asked = asked_of(questions)
    return {
        "$schema": DIALECT,
        "title": f"Answers to version {questions.version} of the form",
        **_object(asked),
        "$defs": {**_shown_schemas(asked), "guest": _guest_schema(questions)},
    }


def _guest_schema(questions: Questions) -> dict[str, Any]:
    asked = asked_of(questions, guest=True)
    schema, shown = _object(asked), _shown_schemas(asked)
    # With an $id its references mean its own $defs, also after a client has taken it out.
    return {"$id": _GUEST_ID, **schema, "$defs": shown} if shown else schema


def _object(asked: dict[str, Question]) -> dict[str, Any]:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {key: _property(question) for key, question in asked.items()},
        "additionalProperties": False,
    }
    required = [key for key, each in asked.items() if each.required and each.show_if is None]
    if required:
        schema["required"] = required
    conditions = [
        {"if": _shown(question, asked), "then": {"required": [key]}}
        for key, question in asked.items()
        if question.required and question.show_if is not None and question.show_if.key in asked
    ]
    if conditions:
        schema["allOf"] = conditions
    return schema


def _shown(question: Question, asked: dict[str, Question]) -> dict[str, Any]:
    """Holds if the question is asked: its condition is met, and so are those before it."""
    condition = question.show_if
    assert condition is not None  # noqa: S101  # for the type checker
    values: dict[str, Any] = {"enum": list(condition.any_of)}
    source = asked[condition.key]
    if source.type == Type.CHOICES:
        values = {"type": "array", "contains": values}
    shown = {"required": [condition.key], "properties": {condition.key: values}}
    if source.show_if is None:
        return shown
    if source.show_if.key not in asked:
        return {"not": {}}
    return {"allOf": [shown, {"$ref": f"#/$defs/{_name_of_shown(source)}"}]}


def _shown_schemas(asked: dict[str, Question]) -> dict[str, dict[str, Any]]:
    """`_shown` of the questions that conditions refer to.

    Each is written once. Otherwise a long chain of conditions repeats the first ones for each
    question, and a schema is many times as large as its form.
    """
    sources = {each.show_if.key for each in asked.values() if each.show_if is not None}
    return {
        _name_of_shown(each): _shown(each, asked)
        for key, each in asked.items()
        if key in sources and each.show_if is not None and each.show_if.key in asked
    }


def _name_of_shown(question: Question) -> str:
    return f"shown.{question.key}"


def _property(question: Question) -> dict[str, Any]:
    schema = dict(_PLAIN.get(question.type, {}))
    values = [each.value for each in question.options]
    if question.type == Type.NUMBER:
        least = -MAX_NUMBER if question.min is None else question.min
        most = MAX_NUMBER if question.max is None else question.max
        schema = {"type": "number", "minimum": least, "maximum": most}
    elif question.type == Type.CHOICE:
        schema = {"enum": values}
    elif question.type == Type.CHOICES:
        schema = {"type": "array", "items": {"enum": values}}
    described = {"title": question.label, **schema}
    if question.help:
        described["description"] = question.help
    return described
