"""A copy of an event, in a request body."""

from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from config.api.fields import ClockField, DayField, LineField

from ..models import Event
from ..services.virtual_events import MAX_NAME
from ..zones import NonexistentTime, instant
from .aliases import FIELD_ALIASES
from .event_input import START_MISSING, field_error, join_date_and_time
from .fields import MomentField


@extend_schema_serializer(
    examples=[
        OpenApiExample("A year later", {"date": "2033-03-15", "time": "14:30"}),
        OpenApiExample(
            "With another name", {"start_time": "2033-03-15T09:00:00Z", "name": "AI Summit 2033"}
        ),
    ]
)
class DuplicateIn(serializers.Serializer[Event]):
    """The start of the copy, and its name."""

    schema_name = "EventDuplicate"
    aliases: ClassVar[dict[str, str]] = {
        alias: name for alias, name in FIELD_ALIASES.items() if name == "name"
    }
    schema_extra: ClassVar[dict[str, Any]] = {
        "dependentRequired": {"date": ["time"], "time": ["date"]},
        "if": {"required": ["start_time"]},
        "then": {"not": {"required": ["date"]}},
        "else": {"required": ["date"]},
    }

    start_time = MomentField(required=False, help_text="Or send date and time.")
    date = DayField(required=False, help_text="With time, instead of start_time.")
    time = ClockField(required=False, help_text="On the clock in the event's zone.")
    name = LineField(max_length=MAX_NAME, required=False, help_text="Default: the same name.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not {"start_time", "date", "time"} & attrs.keys():
            raise ValidationError(START_MISSING)
        start_field = join_date_and_time(attrs)
        event: Event = self.context["event"]
        try:
            attrs["start_time"] = instant(attrs["start_time"], event.zone)
        except NonexistentTime:
            skipped = f"The clocks in {event.timezone} skip this time."
            raise field_error(start_field, "nonexistent_time", skipped) from None
        return attrs
