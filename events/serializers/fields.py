"""Input fields of events and series."""

import re
from datetime import datetime
from typing import Any, ClassVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.api.fields import (
    MOMENT,
    WEB_ADDRESS,
    ChoiceField,
    ListField,
    TextField,
    WholeNumberField,
    read_moment,
)

from ..models import AttendanceMode, Category

MAX_REMINDERS = 10


@extend_schema_field({"type": "string"})
class MomentField(serializers.Field[datetime, str, str, Any]):
    """An ISO 8601 date and time. Without an offset the value is a naive datetime."""

    schema_extra: ClassVar[dict[str, Any]] = MOMENT
    default_error_messages = {
        "invalid": "Send a date and time such as 2027-03-15T09:00:00Z or 2027-03-15T14:30:00.",
        "min_value": "Choose a year from 1900 on.",
        "max_value": "Choose a year up to 9000.",
    }

    def to_internal_value(self, data: Any) -> datetime:
        try:
            moment = read_moment(data)
        except (TypeError, ValueError):
            self.fail("invalid")
        if moment.year < 1900:
            self.fail("min_value")
        if moment.year > 9000:
            self.fail("max_value")
        return moment


@extend_schema_field(OpenApiTypes.STR)
class CategoryField(serializers.Field[Category, str, str, Any]):
    """The slug of an existing category."""

    schema_extra: ClassVar[dict[str, Any]] = {
        "pattern": "^[-a-zA-Z0-9_]+$",
        "examples": ["conference"],
    }
    default_error_messages = {
        "invalid": "Send the slug of a category.",
        "unknown_category": "There is no category {slug}; GET /api/categories/ lists them.",
    }

    def to_internal_value(self, data: Any) -> Category:
        if not isinstance(data, str) or not re.fullmatch(self.schema_extra["pattern"], data):
            self.fail("invalid")
        known = self.context.get("categories")  # looked up in advance for many rows
        category = Category.objects.filter(slug=data).first() if known is None else known.get(data)
        if category is None:
            self.fail("unknown_category", slug=data[:50])
        return category


class WebAddressField(TextField):
    """An http or https address. Null and the empty text mean no address."""

    default_error_messages = {
        "invalid": "Send an address such as https://example.org/room, without user and password."
    }

    schema_extra: ClassVar[dict[str, Any]] = {"pattern": f"^$|{WEB_ADDRESS}"}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=500, allow_blank=True, allow_null=True, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if re.match(WEB_ADDRESS, text) is None:
            self.fail("invalid")
        scheme, colon, rest = text.partition(":")
        return scheme.lower() + colon + rest  # a phone capitalizes what is typed

    def validate_empty_values(self, data: Any) -> tuple[bool, Any]:
        return (True, "") if data is None else super().validate_empty_values(data)


# For a choice that may be null drf-spectacular writes `oneOf`, which client generators read badly.
@extend_schema_field({"type": "string"})
class AttendanceModeField(ChoiceField):
    schema_extra: ClassVar[dict[str, Any]] = {
        "pattern": f"^({'|'.join(AttendanceMode.values)})$",
        "examples": [AttendanceMode.HYBRID.value],
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=AttendanceMode.choices, allow_null=True, **kwargs)


class HoursField(ListField):
    """Whole hours before the start, each once, the earliest reminder first."""

    child = WholeNumberField(min_value=1, max_value=24 * 90)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=MAX_REMINDERS, **kwargs)

    def to_internal_value(self, data: Any) -> list[int]:
        hours = super().to_internal_value(data)
        if len(hours) > MAX_REMINDERS:
            self.fail("max_length", max_length=MAX_REMINDERS)
        return sorted(set(hours), reverse=True)
