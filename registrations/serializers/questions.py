"""One question of a form: its fields, options and condition."""

import re
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.api.fields import (
    ChoiceField,
    LineField,
    NumberField,
    TextField,
    TrueOrFalseField,
    WholeNumberField,
)

from ..forms.questions import (
    MAX_CONDITION_LENGTH,
    MAX_KEY_LENGTH,
    MAX_OPTIONS,
    MAX_VALUE_LENGTH,
    TYPES,
    Ask,
)
from ..forms.values import MAX_NUMBER

KEY = f"^[A-Za-z][A-Za-z0-9_-]{{0,{MAX_KEY_LENGTH - 1}}}$"
MAX_LIMIT = 2**31 - 1


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


class OptionOut(OptionSerializer):
    schema_name = "QuestionOption"

    left = serializers.IntegerField(
        required=False, help_text="How many can still choose it, under a limit."
    )


class QuestionOut(QuestionSerializer):
    schema_name = "Question"

    options: Any = OptionOut(many=True)
