"""The form of an event or a series: its questions."""

import re
from collections.abc import Iterator
from typing import Any, ClassVar

import orjson
from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from config.api.fields import (
    ChoiceField,
    LineField,
    NumberField,
    TextField,
    TrueOrFalseField,
    WholeNumberField,
)
from config.api.files.tables import column_key

from ..forms.questions import (
    MAX_CONDITION_LENGTH,
    MAX_FORM_BYTES,
    MAX_KEY_LENGTH,
    MAX_OPTIONS,
    MAX_QUESTIONS,
    MAX_VALUE_LENGTH,
    TYPES,
    WITH_OPTIONS,
    Ask,
    Question,
    Type,
    parse_questions,
)
from ..forms.values import MAX_NUMBER, InvalidAnswer, read_answer

KEY = f"^[A-Za-z][A-Za-z0-9_-]{{0,{MAX_KEY_LENGTH - 1}}}$"
MAX_LIMIT = 2**31 - 1

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


class KeyField(TextField):
    """The key of a question: letters, digits, `_` and `-`."""

    schema_extra: ClassVar[dict[str, Any]] = {"pattern": KEY}
    default_error_messages = {
        "invalid": f"Use at most {MAX_KEY_LENGTH} letters, digits, _ and -, with a letter first."
    }

    def to_internal_value(self, data: Any) -> str:
        key = super().to_internal_value(data)
        if re.match(KEY, key) is None:
            self.fail("invalid")
        return key


_ANY_OF: dict[str, Any] = {
    "type": "array",
    "items": {},  # a text, a number, true or false
    "minItems": 1,
    "maxItems": MAX_OPTIONS,
    "example": ["vegan"],
}


@extend_schema_field(_ANY_OF)
class AnyOfField(serializers.Field[list[Any], Any, Any, Any]):
    """Answers to an earlier question; the form checks them."""

    default_error_messages = {
        "invalid": "Send an array of answers, such as [true].",
        "max_length": f"Send at most {MAX_OPTIONS} answers.",
        "min_length": "Send at least one answer.",
        "too_long": f"Compare with texts of at most {MAX_CONDITION_LENGTH} characters.",
    }

    def to_internal_value(self, data: Any) -> list[Any]:
        if not isinstance(data, list) or any(
            each is not None and not isinstance(each, str | int | float) for each in data
        ):
            self.fail("invalid")
        if not data:
            self.fail("min_length")
        if len(data) > MAX_OPTIONS:
            self.fail("max_length")
        if any(isinstance(each, str) and len(each) > MAX_CONDITION_LENGTH for each in data):
            raise serializers.ValidationError(self.error_messages["too_long"], "max_length")
        return data


class OptionSerializer(serializers.Serializer[Any]):
    schema_name = "QuestionOptionReplacement"
    default_error_messages: ClassVar[dict[str, Any]] = {"invalid": "Send an object with a value."}

    value = LineField(max_length=MAX_VALUE_LENGTH)
    label: Any = LineField(
        max_length=200, required=False, allow_blank=True, help_text="By default the value."
    )
    limit = WholeNumberField(
        required=False,
        allow_null=True,
        default=None,
        min_value=0,
        max_value=MAX_LIMIT,
        help_text="How many answers may choose it; null for no limit.",
    )
    left = serializers.IntegerField(
        read_only=True, required=False, help_text="How many can still choose it, under a limit."
    )


# A nested serializer that may be null is documented as an alternative, which client generators
# read badly.
@extend_schema_field(
    {
        "type": "object",
        "required": ["key", "any_of"],
        "properties": {
            "key": {"type": "string", "pattern": KEY, "description": "Of an earlier question."},
            "any_of": _ANY_OF,
        },
        "additionalProperties": False,
    }
)
class ConditionSerializer(serializers.Serializer[Any]):
    default_error_messages: ClassVar[dict[str, Any]] = {
        "invalid": "Send an object with key and any_of."
    }

    key = KeyField(help_text="Of an earlier question.")
    any_of = AnyOfField(help_text="The question is asked after one of these answers.")


class QuestionSerializer(serializers.Serializer[Any]):
    schema_name = "QuestionReplacement"
    default_error_messages: ClassVar[dict[str, Any]] = {
        "invalid": "Send an object with key, label and type."
    }

    key = KeyField()
    label: Any = LineField(max_length=200)
    help: Any = TextField(max_length=1000, required=False, allow_blank=True, default="")
    type = ChoiceField(choices=TYPES)
    required: Any = TrueOrFalseField(default=False)
    active = TrueOrFalseField(default=True, help_text="Inactive questions are no longer asked.")
    ask = ChoiceField(choices=[each.value for each in Ask], default=Ask.REGISTRANT.value)
    min = NumberField(
        required=False, allow_null=True, default=None, min_value=-MAX_NUMBER, max_value=MAX_NUMBER
    )
    max = NumberField(
        required=False, allow_null=True, default=None, min_value=-MAX_NUMBER, max_value=MAX_NUMBER
    )
    options: Any = serializers.ListSerializer(
        child=OptionSerializer(),
        required=False,
        allow_null=True,
        max_length=MAX_OPTIONS,
        error_messages={"not_a_list": "Send an array of options, each an object."},
        help_text="Of a choice and of choices alone.",
    )
    show_if: Any = ConditionSerializer(required=False, allow_null=True, default=None)
    retention_days = WholeNumberField(
        required=False,
        allow_null=True,
        default=None,
        min_value=0,
        max_value=36_500,
        help_text="Answers are erased so many days after the end of the event; null keeps them.",
    )

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        values = super().to_internal_value(data)
        options = values.pop("options", None) or []
        stored: dict[str, Any] = {str(name): values[name] for name in self.fields if name in values}
        stored["options"] = [
            {
                "value": each["value"],
                "label": each.get("label") or each["value"],
                "limit": each["limit"],
            }
            for each in options
        ]
        for name in ("min", "max"):
            number = values[name]
            stored[name] = int(number) if number is not None and number.is_integer() else number
        if stored["show_if"] is not None:
            stored["show_if"] = dict(stored["show_if"])
        return stored


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


class OptionOut(OptionSerializer):
    schema_name = "QuestionOption"

    left = serializers.IntegerField(
        required=False, help_text="How many can still choose it, under a limit."
    )


class QuestionOut(QuestionSerializer):
    schema_name = "Question"

    options: Any = OptionOut(many=True)


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
