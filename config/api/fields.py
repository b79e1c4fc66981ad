"""Input fields with strict types: a string is not a number, and `"yes"` is not true.

Forms have only strings, so the usual notations are read there.

The OpenAPI document describes the same values: `schema_extra` has the JSON Schema keywords that
drf-spectacular does not derive, or derives wrongly (None removes a keyword). The patterns spell
character classes out, since `\\s` and `\\w` differ between Python and JSON Schema. They compile in
Python's `re` and in JavaScript with and without the flag `u`, so they have no `\\p{L}`.
"""

import math
import re
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from django.core.validators import EmailValidator, RegexValidator
from django.http import QueryDict
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.errors import FieldError, ValidationFailed

from .http.day_suggestions import explain_day
from .http.timezones import nearest_zone, zone_names
from .text.email_addresses import MAX_LENGTH as MAX_ADDRESS_LENGTH
from .text.email_addresses import TOO_LONG, InvalidAddress, canonical_address
from .text.visible_characters import INVISIBLE, is_visible

# The characters that `str.strip()` removes.
SPACE = r"\x09-\x0d\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
# Includes the bidirectional controls, which can make one name look like another.
_CONTROL = r"\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069"
# Neither letters nor digits, of the main Unicode blocks, except _ . + and -.
NO_NAME = (
    r"\x00-\x2a\x2c\x2f\x3a-\x40\x5b-\x5e\x60\x7b-\xa9\xab-\xb1\xb4\xb6-\xb8\xbb\xbf\xd7\xf7"
    r"\u0300-\u036f\u2000-\u206f\u20a0-\u20ff\u2190-\u245f\u2500-\u2775\u2794-\u2bff"
    r"\u3000-\u3004\u3008-\u3020\ue000-\uf8ff\ufe00-\ufe6f\ufff0-\uffff"
)
_HAS_CONTROL = re.compile(f"[{_CONTROL}]")

_INVISIBLE = INVISIBLE.replace(r"\x00-", r"\x01-", 1)  # PostgreSQL cannot store NUL
_INK = rf"[^{_CONTROL}\x20\xa0\u1680\u2000-\u200a\u202f\u205f\u3000]"

ANY_TEXT = r"^[^\x00]*$"  # PostgreSQL cannot store NUL
_SOME_TEXT = rf"^[^\x00]*[^\x00{SPACE}][^\x00]*$"
# Text whose first line can be a name.
TITLED_TEXT = rf"^[^{_CONTROL}]*[^{INVISIBLE}][^{_CONTROL}]*(?:[\r\n][^\x00]*)?$"
ZONE_NAME: dict[str, Any] = {
    "pattern": "^[A-Za-z][A-Za-z0-9_+/-]*$",
    "maxLength": 64,
    "examples": ["Asia/Kolkata"],
}

# A host is letters and digits of any script, dots and hyphens.
_HOST = rf"[^{_CONTROL}{SPACE}!-,/:-@\[-`{{-~]+"
WEB_ADDRESS = rf"^[Hh][Tt][Tt][Pp][Ss]?://{_HOST}(:[0-9]{{1,5}})?([/?#][^{_CONTROL}{SPACE}]*)?$"

_YEAR = "(?:19[0-9]{2}|[2-8][0-9]{3}|9000)"
_LEAP_YEAR = "(?:(?:19|[2-8][0-9])(?:0[48]|[2468][048]|[13579][26])|(?:[2468][048]|[357][26])00)"
_DAY = (
    f"(?:{_YEAR}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    "|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
    f"|{_LEAP_YEAR}-02-29)"
)
_CLOCK = "(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9])?"
_MOMENT_CLOCK = (
    r"[Tt ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,9})?)?"
    "(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):?[0-5][0-9])?"
)
MOMENT: dict[str, Any] = {  # not `format: date-time`, which would want an offset
    "pattern": f"^{_DAY}{_MOMENT_CLOCK}$",
    "examples": ["2032-03-15T14:30:00", "2032-03-15T09:00:00Z"],
}


DAY_OR_MOMENT: dict[str, Any] = {
    "pattern": f"^{_DAY}({_MOMENT_CLOCK})?$",
    "examples": ["2032-04-05", "2032-04-05T18:00:00"],
}


def read_moment(text: str) -> datetime:
    """An ISO 8601 date and time; naive when it has no offset. Raises `ValueError`."""
    if re.fullmatch(f"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}{_MOMENT_CLOCK}", text) is None:
        raise ValueError(text)
    day, clock = text[:10], text[11:].upper()
    clock = re.sub(r"(\.[0-9]{6})[0-9]+", r"\1", clock)  # datetime holds microseconds
    return datetime.fromisoformat(f"{day}T{clock}")


def _is_form(field: serializers.Field[Any, Any, Any, Any]) -> bool:
    return isinstance(getattr(field.root, "initial_data", None), QueryDict)


def _line(max_length: int) -> str:
    inner = f"[^{_CONTROL}]{{0,{max_length - 2}}}"
    some_visible = f"(?=[^{_CONTROL}]*[^{INVISIBLE}])"
    return f"^[{SPACE}]*{some_visible}{_INK}({inner}{_INK})?[{SPACE}]*$"


class ListField(serializers.ListField):
    reads_indexes: ClassVar[bool] = False  # for `strict_bodies`
    default_error_messages = {
        "not_a_list": "Send an array: […].",
        "max_length": "Send at most {max_length} items.",
    }

    def get_value(self, dictionary: Any) -> Any:
        """Of a form without the field, or with it left blank, nothing. DRF reads `[]` or `[""]`."""
        if isinstance(dictionary, QueryDict) and not any(dictionary.getlist(str(self.field_name))):
            return serializers.empty
        return super().get_value(dictionary)


class UuidField(serializers.UUIDField):
    """DRF reads numbers and true as ids too."""

    default_error_messages = {
        "invalid": "Send an id such as 5f0c7b1e-6a52-4d1c-9a3e-0d9c5a4e7f10.",
    }

    def to_internal_value(self, data: Any) -> UUID:
        if not isinstance(data, str):
            self.fail("invalid", value=data)
        return super().to_internal_value(data)


class ObjectField(serializers.DictField):
    default_error_messages = {"not_a_dict": "Send an object: {{…}}."}


class TextField(serializers.CharField):
    default_error_messages = {"invalid": "Send a string."}

    @property
    def schema_extra(self) -> dict[str, Any]:
        if any(isinstance(validator, RegexValidator) for validator in self.validators):
            return {}  # drf-spectacular documents that pattern
        if self.trim_whitespace and not self.allow_blank:
            return {"pattern": _SOME_TEXT}
        return {"pattern": ANY_TEXT}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class LineField(TextField):
    """Text on one line, for values that are also in mail headers, calendars and tables.

    Text of invisible characters alone is blank.
    """

    default_error_messages = {"line": "Use no line breaks or control characters."}

    @property
    def schema_extra(self) -> dict[str, Any]:
        """The pattern has the length, since white space at the ends does not count."""
        blank = f"^[{_INVISIBLE}]*$|" if self.allow_blank else ""
        pattern = blank + _line(self.max_length or 2)
        return {"pattern": pattern, "minLength": None, "maxLength": None}

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if not is_visible(text):
            if self.allow_blank:
                return ""
            self.fail("blank")
        if _HAS_CONTROL.search(text):
            self.fail("line")
        return text


class WholeNumberField(serializers.IntegerField):
    default_error_messages = {"invalid": "Send a whole number."}

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or (isinstance(data, str) and not _is_form(self)):
            self.fail("invalid")
        if isinstance(data, float) and data.is_integer():  # 1e9, or a number of more than 64 bits
            data = int(data)
        return super().to_internal_value(data)


class NumberField(serializers.FloatField):
    default_error_messages = {"invalid": "Send a number."}

    def to_internal_value(self, data: Any) -> float:
        if isinstance(data, bool) or (isinstance(data, str) and not _is_form(self)):
            self.fail("invalid")
        number = super().to_internal_value(data)
        if not math.isfinite(number):
            self.fail("invalid")
        return number


class TrueOrFalseField(serializers.BooleanField):
    default_error_messages = {"invalid": "Send true or false."}

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, bool) and not _is_form(self):
            self.fail("invalid", input=data)
        return super().to_internal_value(data)


class ZoneField(TextField):
    """A name of the IANA time zone database."""

    default_error_messages = {
        "unknown_timezone": "Name a zone of the IANA database, such as Europe/Berlin."
    }
    schema_extra: ClassVar[dict[str, Any]] = ZONE_NAME

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=64, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        name = super().to_internal_value(data)
        if name not in zone_names():
            if suggestion := nearest_zone(name):
                raise serializers.ValidationError(f"Did you mean {suggestion}?", "unknown_timezone")
            self.fail("unknown_timezone")
        return name


class ChoiceField(serializers.ChoiceField):
    """A choice by its exact string. DRF's own field accepts other types that print alike."""

    def to_internal_value(self, data: Any) -> Any:
        is_blank = data == "" and self.allow_blank
        if not isinstance(data, str) or not (is_blank or data in self.choices):
            names = ", ".join(map(str, self.choices))
            raise serializers.ValidationError(f"Choose one of: {names}.", "invalid_choice")
        return super().to_internal_value(data)


class EmailAddressField(serializers.EmailField):
    """An e-mail address, in the canonical spelling of its mailbox: see `email_addresses`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.validators = [each for each in self.validators if not isinstance(each, EmailValidator)]

    # Any spelling may be longer than the address.
    schema_extra: ClassVar[dict[str, Any]] = {"maxLength": MAX_ADDRESS_LENGTH}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        try:
            return canonical_address(data)
        except InvalidAddress as error:
            code = "max_length" if str(error) == TOO_LONG else "invalid"
            raise serializers.ValidationError(str(error), code) from error


class DayField(serializers.DateField):
    """A day such as 2027-03-15, in that form alone."""

    schema_extra: ClassVar[dict[str, Any]] = {"pattern": f"^{_YEAR}-"}

    def to_internal_value(self, data: Any) -> Any:
        try:
            if isinstance(data, str) and re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", data):
                return super().to_internal_value(data)
        except serializers.ValidationError:
            pass  # not a day of the calendar
        raise serializers.ValidationError(explain_day(data), "invalid")


@extend_schema_field({"type": "string"})  # `format: time` would want an offset
class ClockField(serializers.TimeField):
    """A time on the clock such as 14:00, without an offset."""

    default_error_messages = {"invalid": "Send a time as HH:MM or HH:MM:SS, such as 09:30."}
    schema_extra: ClassVar[dict[str, Any]] = {"pattern": f"^{_CLOCK}$"}

    def to_internal_value(self, data: Any) -> Any:
        if not (isinstance(data, str) and re.fullmatch(_CLOCK, data)):
            self.fail("invalid")
        return super().to_internal_value(data)


def require_query_text(name: str, text: str) -> None:
    """Raises `ValidationFailed` for NUL, which PostgreSQL cannot store."""
    if "\x00" in text:
        raise ValidationFailed(FieldError(name, "invalid", "Remove the NUL character."))
