"""The form of an event or a series: its questions, in order, and the answers to it."""

from collections.abc import Iterator
from typing import Any

import orjson
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from config.api.files.tables import column_key

from ..forms.questions import (
    MAX_FORM_BYTES,
    MAX_QUESTIONS,
    WITH_OPTIONS,
    Question,
    Type,
    parse_questions,
)
from ..forms.values import InvalidAnswer, read_answer
from .questions import QuestionOut, QuestionSerializer

DIET = {
    "key": "diet",
    "label": "Food",
    "help": "",
    "type": "choice",
    "required": True,
    "active": True,
    "ask": "registrant",
    "min": None,
    "max": None,
    "options": [
        {"value": "vegan", "label": "Vegan", "limit": 20},
        {"value": "any", "label": "Anything", "limit": None},
    ],
    "show_if": None,
    "retention_days": None,
}
_SHOWN_DIET = {
    **DIET,
    "options": [{**DIET["options"][0], "left": 4}, DIET["options"][1]],  # type: ignore[index]
}
FORM_EXAMPLE: dict[str, Any] = {"version": 3, "questions": [_SHOWN_DIET]}


@extend_schema_serializer(examples=[OpenApiExample("Form", {"questions": [DIET]})])
class FormIn(serializers.Serializer[Any]):
    schema_name = "FormReplacement"

    questions: Any = serializers.ListSerializer(
        child=QuestionSerializer(),
        max_length=MAX_QUESTIONS,
        error_messages={"not_a_list": "Send an array of questions, each an object."},
    )

    def validate_questions(self, questions: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if len(orjson.dumps(questions)) > MAX_FORM_BYTES:
            text = f"The questions are too large: as JSON at most {MAX_FORM_BYTES:,} bytes."
            raise serializers.ValidationError(text, "max_length")
        errors: dict[int, dict[str, Any]] = {}
        former: dict[str, Question] = {}
        keys: set[str] = set()
        for index, (fields, question) in enumerate(
            zip(questions, parse_questions(0, questions).all, strict=True)
        ):
            of_question = dict(_problems(fields, question, former))
            if column_key(question.key) in keys:  # as the columns of an import
                of_question["key"] = _error("Another question has this key.", "unique")
            if of_question:
                errors[index] = of_question
            keys.add(column_key(question.key))
            former[question.key] = question
        if errors:
            raise serializers.ValidationError(errors)  # type: ignore[arg-type]
        return questions


def _problems(
    fields: dict[str, Any], question: Question, former: dict[str, Question]
) -> Iterator[tuple[str, Any]]:
    """What the fields of one question have to do with each other, and with earlier questions."""
    if question.type in WITH_OPTIONS and not question.options:
        yield "options", _error("Give at least one option.", "required")
    elif question.type not in WITH_OPTIONS and question.options:
        yield "options", _error(f"A question of type {question.type} has no options.", "invalid")
    values: set[str] = set()
    repeated = {}
    for index, option in enumerate(question.options):
        if option.value in values:
            repeated[index] = {"value": _error("Another option has this value.", "unique")}
        values.add(option.value)
    if repeated:
        yield "options", repeated
    for name in ("min", "max"):
        if fields[name] is not None and question.type != Type.NUMBER:
            yield name, _error("Only a number has a least and a greatest value.", "invalid")
    least, most = question.min, question.max
    if question.type == Type.NUMBER and least is not None and most is not None and most < least:
        yield "max", _error("It must not be less than min.", "min_value")
    if question.show_if is not None:
        source = former.get(question.show_if.key)
        if source is None:
            yield "show_if", {"key": _error("Name an earlier question.", "invalid_choice")}
        else:
            yield from _impossible_answers(source, question.show_if.any_of)


def _impossible_answers(source: Question, any_of: tuple[Any, ...]) -> Iterator[tuple[str, Any]]:
    errors = {}
    for index, value in enumerate(any_of):
        try:
            wanted = [value] if source.type == Type.CHOICES else value
            if read_answer(source, wanted) is None:
                raise InvalidAnswer("invalid", "Nobody can give this answer.")
        except InvalidAnswer:
            errors[index] = _error(f"Nobody can answer {source.key} by this.", "invalid_choice")
    if errors:
        yield "show_if", {"any_of": errors}


def _error(detail: str, code: str) -> list[serializers.ErrorDetail]:
    return [serializers.ErrorDetail(detail, code)]


@extend_schema_serializer(examples=[OpenApiExample("Form", FORM_EXAMPLE)])
class FormOut(serializers.Serializer[Any]):
    version = serializers.IntegerField(min_value=0, help_text="0 if there is no form.")
    questions = QuestionOut(many=True)

    def to_representation(self, document: dict[str, Any]) -> dict[str, Any]:
        return document  # `form_document` has the fields


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Schema",
            {
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "title": "Answers to version 3 of the form",
                "type": "object",
                "properties": {"diet": {"title": "Food", "enum": ["vegan", "any"]}},
                "additionalProperties": False,
                "required": ["diet"],
                "$defs": {"guest": {"type": "object", "properties": {}}},
            },
        )
    ]
)
class AnswersSchemaOut(serializers.Serializer[Any]):
    """A JSON Schema."""

    def to_representation(self, document: dict[str, Any]) -> dict[str, Any]:
        return document


class AnswerCountsOut(serializers.Serializer[Any]):
    answered = serializers.IntegerField(min_value=0, help_text="The people who answered.")
    counts = serializers.DictField(
        child=serializers.IntegerField(min_value=0),
        allow_null=True,
        help_text="The people who chose each value; null for texts, numbers and consents.",
    )


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Summary",
            {
                "responses": 11,
                "questions": {"diet": {"answered": 11, "counts": {"vegan": 4, "any": 7}}},
            },
        )
    ]
)
class FormSummaryOut(serializers.Serializer[Any]):
    responses = serializers.IntegerField(
        min_value=0, help_text="Confirmed and waitlisted registrations with an answer."
    )
    questions = serializers.DictField(child=AnswerCountsOut(), help_text="By the key.")
