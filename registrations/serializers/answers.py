"""Answers in bodies and responses. The rules of their values depend on the form of the event."""

from typing import Any, ClassVar

import orjson
from django.http import QueryDict
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": True,  # clients do without alternatives: GET …/form/schema/ has them
    "example": {"diet": "vegan"},
}


@extend_schema_field(_SCHEMA)
class AnswersField(serializers.Field[dict[str, Any], Any, Any, Any]):
    """An object by the keys of questions; in a form, the text of one. Null is an empty object."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "invalid": 'Send an object of answers by the key of the question: {{"diet": "vegan"}}.'
    }

    def validate_empty_values(self, data: Any) -> tuple[bool, Any]:
        return (True, {}) if data is None else super().validate_empty_values(data)

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        is_form = isinstance(getattr(self.root, "initial_data", None), QueryDict)
        if is_form and isinstance(data, str):
            try:
                data = orjson.loads(data)
            except orjson.JSONDecodeError:
                self.fail("invalid")
        if not isinstance(data, dict):
            self.fail("invalid")
        return data


@extend_schema_field(_SCHEMA)
class AnswersOutField(serializers.DictField):
    """Answers as they are stored. A consent is {agreed, version, at}."""
