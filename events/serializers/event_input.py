"""Events in request bodies."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, cast
from zoneinfo import ZoneInfo

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from config.api.fields import (
    TITLED_TEXT,
    ChoiceField,
    ClockField,
    DayField,
    LineField,
    NumberField,
    TextField,
    TrueOrFalseField,
    WholeNumberField,
    ZoneField,
)

from ..models import (
    MAX_PARTY_SIZE,
    AttendanceMode,
    AttendeeList,
    Event,
    RegistrationMode,
    Visibility,
    WaitlistPolicy,
)
from ..models.base import default_reminder_hours
from ..services.attendance import NEEDS_PLACE
from ..services.planned_times import TIMES
from ..services.virtual_events import MAX_NAME, complete_texts, is_virtual
from ..zones import NonexistentTime, instant
from .aliases import FIELD_ALIASES, FIELD_SYNONYMS
from .fields import AttendanceModeField, CategoryField, HoursField, MomentField, WebAddressField

MAX_CAPACITY = 2**31 - 1  # what the column holds

START_MISSING = {
    "start_time": [ErrorDetail("Send start_time, or date and time.", "required")],
}

EVENT_IN_EXAMPLE = {
    "name": "Global AI Summit",
    "location": "Bengaluru International Exhibition Centre",
    "start_time": "2032-03-15T14:30:00",
    "end_time": "2032-03-17T22:30:00",
    "timezone": "Asia/Kolkata",
    "category": "conference",
    "max_capacity": 750,
}

# The required fields of a whole event, in JSON Schema. The conditions are nested: generators of
# clients skip those, but turn a choice of required fields into a type without fields.
_REQUIRED_FIELDS = {
    "required": ["name"],
    "if": {"properties": {"location": False}},
    "then": {
        "required": ["meeting_url"],
        "properties": {
            "meeting_url": {"type": "string", "minLength": 1},
            "attendance_mode": {"not": {"const": AttendanceMode.IN_PERSON.value}},
        },
    },
}
_REQUIRED_FIELDS_WITH_DATE = {
    "if": {"properties": {"name": False, "location": False}},
    "then": {
        "required": ["description"],
        "properties": {
            "description": {"pattern": TITLED_TEXT},
            "attendance_mode": {"not": {"const": AttendanceMode.IN_PERSON.value}},
        },
    },
    "else": _REQUIRED_FIELDS,
}


@extend_schema_serializer(examples=[OpenApiExample("Event", EVENT_IN_EXAMPLE)])
class EventIn(serializers.Serializer[Event]):
    """An event, as its organizer sends it.

    Times without an offset are wall-clock times in the event's zone. `date` and `time` together
    may replace `start_time`. A field that is left out gets its default on PUT, and stays unchanged
    on PATCH. `title` and `capacity` are read as `name` and `max_capacity`.
    """

    schema_name = "EventReplace"
    aliases: ClassVar[dict[str, str]] = FIELD_ALIASES
    synonyms: ClassVar[dict[str, str]] = FIELD_SYNONYMS

    @property
    def schema_extra(self) -> dict[str, Any]:
        extra: dict[str, Any] = {"dependentRequired": {"date": ["time"], "time": ["date"]}}
        if self.partial:
            extra["not"] = {"required": ["start_time", "date"]}
        else:
            extra["if"] = {"required": ["start_time"]}
            extra["then"] = {"not": {"required": ["date"]}, **_REQUIRED_FIELDS}
            extra["else"] = {"required": ["date"], **_REQUIRED_FIELDS_WITH_DATE}
        return extra

    name = LineField(
        max_length=MAX_NAME,
        required=False,
        help_text=(
            "1 to 200 characters on one line. A body of date, time and description alone makes a"
            " virtual event, whose name is the first line of the description."
        ),
    )
    description = TextField(max_length=10_000, allow_blank=True, default="")
    location = LineField(
        max_length=255,
        required=False,
        help_text=(
            "1 to 255 characters on one line. `Online` when it is left out with a meeting_url, or"
            " of a virtual event."
        ),
    )
    latitude = NumberField(
        min_value=-90,
        max_value=90,
        allow_null=True,
        default=None,
        help_text="Degrees north, with longitude: for `near`.",
    )
    longitude = NumberField(
        min_value=-180, max_value=180, allow_null=True, default=None, help_text="Degrees east."
    )
    start_time = MomentField(required=False, help_text="Or send date and time.")
    date = DayField(required=False, help_text="With time, instead of start_time.")
    time = ClockField(required=False, help_text="On the clock in the event's zone.")
    end_time = MomentField(
        required=False,
        help_text=(
            "Default: one hour after the start, also after a move. If a PATCH moves the start alone"
            " beyond a chosen end, the end moves as well."
        ),
    )
    timezone = ZoneField(required=False, help_text="IANA name. Default: the organizer's.")
    category = CategoryField(allow_null=True, default=None)
    max_capacity = WholeNumberField(
        min_value=1,
        max_value=MAX_CAPACITY,
        allow_null=True,
        default=None,
        help_text="Null: no limit.",
    )
    waitlist_enabled = TrueOrFalseField(default=False)
    max_party_size = WholeNumberField(
        min_value=1,
        max_value=MAX_PARTY_SIZE,
        default=1,
        help_text="How many people one registration may bring, the registrant included. Existing "
        "registrations keep their size.",
    )
    waitlist_policy = ChoiceField(
        choices=WaitlistPolicy.choices,
        default=WaitlistPolicy.STRICT,
        help_text="`strict`: nobody overtakes the queue, and seats stay free until its first party "
        "fits. `first_fit`: the first party that fits gets the seats, and so does a newcomer.",
    )
    registration_mode = ChoiceField(
        choices=RegistrationMode.choices,
        default=RegistrationMode.OPEN,
        help_text="`confirm_address`: guests first open a link in an e-mail. `approval`: the "
        "organizer decides on each registration. `code`: registering needs a code.",
    )
    registration_opens_at = MomentField(allow_null=True, default=None)
    registration_closes_at = MomentField(
        allow_null=True, default=None, help_text="Default: the start."
    )
    cancellation_closes_at = MomentField(
        allow_null=True,
        default=None,
        help_text="Until when attendees may cancel, at or before the start. Default: the start.",
    )
    meeting_url = WebAddressField(
        default="", help_text="Shown to the organizer, staff and confirmed attendees."
    )
    attendance_mode = AttendanceModeField(
        default=None,
        help_text=(
            "`in_person`, `online` or `hybrid`. Default, and null: derived from location and"
            " meeting_url, again at each edit."
        ),
    )
    visibility = ChoiceField(
        choices=Visibility.choices,
        default=Visibility.PUBLIC.value,
        help_text=(
            "`unlisted` events are in no list, search or feed of others. They need the secret key"
            " of their links, a role or a place."
        ),
    )
    attendee_list = ChoiceField(
        choices=AttendeeList.choices,
        default=AttendeeList.HIDDEN.value,
        help_text="`names`: everybody sees the names of confirmed attendees with `show_name`.",
    )
    reminder_hours = HoursField(default=default_reminder_hours)

    def to_internal_value(self, data: Any) -> Any:
        """Reports the errors of missing fields together with those of the other fields."""
        try:
            attrs: dict[str, Any] = super().to_internal_value(data)
        except ValidationError as error:
            if self.partial or "non_field_errors" in error.detail:
                raise
            errors = cast("dict[str, Any]", error.detail)
            raise ValidationError({**self._missing(data), **errors}) from error
        if not self.partial and (missing := self._missing(attrs)):
            raise ValidationError(missing)
        return attrs

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Converts wall-clock times in the event's zone to instants."""
        _require_both(attrs, "latitude", "longitude")
        event: Event | None = self.context.get("event")
        if not self.partial:
            attrs = complete_texts(attrs, event, is_name=self._is_name)
            if "name" not in attrs:
                raise field_error("name", "required", "Send a name; the description has none.")
        if event is None or (not self.partial and "timezone" not in attrs):
            organizer = event.organizer if event else self.context["request"].user
            attrs.setdefault("timezone", organizer.timezone)
        zone = ZoneInfo(attrs.get("timezone") or event.timezone)  # type: ignore[union-attr]
        start_field = join_date_and_time(attrs)
        errors = {}
        for name in TIMES:
            if attrs.get(name) is None:
                continue
            try:
                attrs[name] = instant(attrs[name], zone)
            except NonexistentTime:
                errors[start_field if name == "start_time" else name] = [
                    ErrorDetail(f"The clocks in {zone} skip this time.", "nonexistent_time")
                ]
        if errors:
            raise ValidationError(errors)
        if not self.partial:
            attrs.setdefault("end_time", None)
        return attrs

    def _missing(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The errors of required fields that are not in `values`."""
        missing: dict[str, Any] = {}
        has_texts = is_virtual(values)
        if not (has_texts or "name" in values):
            missing["name"] = [ErrorDetail("Send a name.", "required")]
        if "location" not in values and not (has_texts and self.context.get("event")):
            if values.get("attendance_mode") == AttendanceMode.IN_PERSON:
                missing["location"] = [ErrorDetail(NEEDS_PLACE, "required")]
            elif not (has_texts or values.get("meeting_url")):
                hint = "Send a location, or a meeting_url."
                missing["location"] = [ErrorDetail(hint, "required")]
        if not {"start_time", "date", "time"} & values.keys():
            missing |= START_MISSING
        return missing

    def _is_name(self, text: str) -> bool:
        try:
            self.fields["name"].run_validation(text)
        except ValidationError:
            return False
        return True


def join_date_and_time(attrs: dict[str, Any]) -> str:
    """Replaces `date` and `time` by `start_time`. Returns the field for errors of the start."""
    parts = {name: attrs.pop(name) for name in ("date", "time") if name in attrs}
    if parts and "start_time" in attrs:
        raise field_error(
            next(iter(parts)), "conflicting_fields", "Send start_time, or date and time."
        )
    if len(parts) == 1:
        missing = "time" if "date" in parts else "date"
        raise field_error(missing, "required", "Send date and time together.")
    if parts:
        attrs["start_time"] = datetime.combine(parts["date"], parts["time"])
        if not 1900 <= attrs["start_time"].year <= 9000:
            raise field_error("date", "invalid", "Choose a year from 1900 to 9000.")
        return "time"
    return "start_time"


def _require_both(attrs: dict[str, Any], one: str, other: str) -> None:
    """Requires both fields, both of them null, or neither."""
    for name, missing in ((one, other), (other, one)):
        if attrs.get(name) is not None and attrs.get(missing) is None:
            raise field_error(missing, "required", f"Send it with {name}.")
        if name in attrs and missing not in attrs:
            raise field_error(missing, "required", f"Send it with {name}.")


def field_error(field: str, code: str, detail: str) -> ValidationError:
    return ValidationError({field: [ErrorDetail(detail, code)]})


class EventCreateIn(EventIn):
    status = ChoiceField(
        choices=[Event.Status.PUBLISHED.value, Event.Status.DRAFT.value],
        default=Event.Status.PUBLISHED.value,
    )


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Move to another zone, keeping the time on the clock",
            {"timezone": "Europe/Berlin", "keep_local_time": True},
        )
    ]
)
class EventEditIn(EventIn):
    keep_local_time = TrueOrFalseField(
        default=False,
        help_text="With a new timezone: keep the wall-clock time and move the instant.",
    )


@extend_schema_serializer(
    examples=[OpenApiExample("With a reason", {"reason": "The venue was flooded."})]
)
class CancellationIn(serializers.Serializer[Event]):
    schema_name = "EventCancellation"

    reason = TextField(max_length=500, allow_blank=True, default="")
