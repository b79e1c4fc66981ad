"""Input fields that take JSON at its word: a number is not a string, `"yes"` is not true.

Forms have strings only, so there the usual notations are read.
"""

import re
from typing import Any

from django.http import QueryDict
from rest_framework import serializers

from config.errors import FieldError, ValidationFailed

from .timezones import zone_names

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def _is_form(field: serializers.Field[Any, Any, Any, Any]) -> bool:
    return isinstance(getattr(field.root, "initial_data", None), QueryDict)


class TextField(serializers.CharField):
    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class LineField(TextField):
    """Text on one line: names and places end up in mail headers, calendars and tables."""

    default_error_messages = {"line": "Use no line breaks or control characters."}

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if _CONTROL.search(text):
            self.fail("line")
        return text


class WholeNumberField(serializers.IntegerField):
    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or (isinstance(data, str) and not _is_form(self)):
            self.fail("invalid")
        if isinstance(data, float) and data.is_integer():  # 1e9, or more than 64 bits hold
            data = int(data)
        return super().to_internal_value(data)


class TrueOrFalseField(serializers.BooleanField):
    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, bool) and not _is_form(self):
            self.fail("invalid", input=data)
        return super().to_internal_value(data)


class ZoneField(TextField):
    """A name of the IANA time zone database."""

    default_error_messages = {
        "unknown_timezone": "Name a zone of the IANA database, such as Europe/Berlin."
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=64, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        name = super().to_internal_value(data)
        if name not in zone_names():
            self.fail("unknown_timezone")
        return name


class ChoiceField(serializers.ChoiceField):
    """A choice given as its exact string; DRF's own takes whatever prints alike."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str):
            self.fail("invalid_choice", input=data)
        return super().to_internal_value(data)


class EmailAddressField(serializers.EmailField):
    """An e-mail address, stored in lower case."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=254, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data).lower()


def require_query_text(name: str, text: str) -> None:
    """Refuse what PostgreSQL cannot hold in a text parameter: NUL."""
    if "\x00" in text:
        raise ValidationFailed(FieldError(name, "invalid", "Remove the NUL character."))
