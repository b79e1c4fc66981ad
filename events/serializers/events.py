from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar, cast
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.validators import validate_slug
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from accounts.models import User
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
from config.api.http.timezones import InstantField, instant_formatter
from config.api.staff_rights import has_staff_right

from ..calendars import google_calendar_url
from ..models import ONLINE, AttendanceMode, Category, Event
from ..models.base import default_reminder_hours
from ..services.attendance import NEEDS_PLACE
from ..services.editing import TIMES
from ..zones import NonexistentTime, instant
from .aliases import FIELD_ALIASES, FIELD_SYNONYMS
from .fields import AttendanceModeField, CategoryField, HoursField, MomentField, WebAddressField

MAX_NAME = 200
MAX_CAPACITY = 2**31 - 1  # what the column holds

_START_MISSING = {
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

# What a whole event needs, in JSON Schema. Nested conditions, since generators of clients skip
# them, but make a type without fields of a choice of required fields.
_NAMED = {
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
_NAMED_OR_VIRTUAL = {
    "if": {"properties": {"name": False, "location": False}},
    "then": {
        "required": ["description"],
        "properties": {
            "description": {"pattern": TITLED_TEXT},
            "attendance_mode": {"not": {"const": AttendanceMode.IN_PERSON.value}},
        },
    },
    "else": _NAMED,
}


@extend_schema_serializer(examples=[OpenApiExample("Event", EVENT_IN_EXAMPLE)])
class EventIn(serializers.Serializer[Event]):
    """An event as its organizer sends it.

    Times without an offset are wall-clock time in the event's zone. `date` and `time` together
    may stand for `start_time`. What is left out takes its default on PUT, and stays on PATCH.
    `title` and `capacity` are read as `name` and `max_capacity`.
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
            extra["then"] = {"not": {"required": ["date"]}, **_NAMED}
            extra["else"] = {"required": ["date"], **_NAMED_OR_VIRTUAL}
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
            "Default: one hour after the start, wherever that is moved. A PATCH of the start"
            " alone, to beyond an end that was chosen, takes the end along."
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
    reminder_hours = HoursField(default=default_reminder_hours)

    def to_internal_value(self, data: Any) -> Any:
        """Errors of the fields that are sent come together with those of missing ones."""
        try:
            attrs: dict[str, Any] = super().to_internal_value(data)
        except ValidationError as error:
            if self.partial or "non_field_errors" in error.detail:
                raise
            found = cast("dict[str, Any]", error.detail)
            raise ValidationError({**self._missing(data), **found}) from error
        if not self.partial and (missing := self._missing(attrs)):
            raise ValidationError(missing)
        return attrs

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Turn wall-clock times into instants in the event's zone."""
        _require_both(attrs, "latitude", "longitude")
        event: Event | None = self.context.get("event")
        if not self.partial:
            self._complete_texts(attrs, event)
        if event is None or (not self.partial and "timezone" not in attrs):
            organizer = event.organizer if event else self.context["request"].user
            attrs.setdefault("timezone", organizer.timezone)
        zone = ZoneInfo(attrs.get("timezone") or event.timezone)  # type: ignore[union-attr]
        start_field = self._join_date_and_time(attrs)
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

    def _missing(self, sent: Mapping[str, Any]) -> dict[str, Any]:
        """Errors for the fields that a whole event needs, and `sent` has not."""
        missing: dict[str, Any] = {}
        is_virtual = _is_virtual(sent)
        if not (is_virtual or "name" in sent):
            missing["name"] = [ErrorDetail("Send a name.", "required")]
        if "location" not in sent and not (is_virtual and self.context.get("event")):
            if sent.get("attendance_mode") == AttendanceMode.IN_PERSON:
                missing["location"] = [ErrorDetail(NEEDS_PLACE, "required")]
            elif not (is_virtual or sent.get("meeting_url")):
                hint = "Send a location, or a meeting_url."
                missing["location"] = [ErrorDetail(hint, "required")]
        if not {"start_time", "date", "time"} & sent.keys():
            missing |= _START_MISSING
        return missing

    def _complete_texts(self, attrs: dict[str, Any], event: Event | None) -> None:
        """Name and location of a virtual event; a PUT of that form keeps those of the event."""
        if event is not None and _is_virtual(attrs):
            attrs["name"], attrs["location"] = event.name, event.location
        if "name" not in attrs:
            attrs["name"] = self._name_in(attrs["description"])
        attrs.setdefault("location", ONLINE)

    def _name_in(self, description: str) -> str:
        """The first line that makes a name. Raises `ValidationError` where none does."""
        field = self.fields["name"]
        for line in description.splitlines():
            name = line.replace("\t", " ").strip()[:MAX_NAME].strip()
            with suppress(ValidationError):
                return str(field.run_validation(name))
        raise _field_error("name", "required", "Send a name; the description has none.")

    def _join_date_and_time(self, attrs: dict[str, Any]) -> str:
        """Make `start_time` of `date` and `time`; returns the field that an error belongs to."""
        parts = {name: attrs.pop(name) for name in ("date", "time") if name in attrs}
        if parts and "start_time" in attrs:
            raise _field_error(
                next(iter(parts)), "conflicting_fields", "Send start_time, or date and time."
            )
        if len(parts) == 1:
            missing = "time" if "date" in parts else "date"
            raise _field_error(missing, "required", "Send date and time together.")
        if parts:
            attrs["start_time"] = datetime.combine(parts["date"], parts["time"])
            if not 1900 <= attrs["start_time"].year <= 9000:
                raise _field_error("date", "invalid", "Choose a year from 1900 to 9000.")
            return "time"
        return "start_time"


def _is_virtual(sent: Mapping[str, Any]) -> bool:
    """Whether a body is of date, time and description, with neither name nor location."""
    description = sent.get("description")
    return (
        {"date", "time"} <= sent.keys()
        and not {"name", "location"} & sent.keys()
        and isinstance(description, str)
        and bool(description.strip())
    )


def _require_both(attrs: dict[str, Any], one: str, other: str) -> None:
    """Both, both null, or none of them."""
    for name, missing in ((one, other), (other, one)):
        if attrs.get(name) is not None and attrs.get(missing) is None:
            raise _field_error(missing, "required", f"Send it with {name}.")
        if name in attrs and missing not in attrs:
            raise _field_error(missing, "required", f"Send it with {name}.")


def _field_error(field: str, code: str, detail: str) -> ValidationError:
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


class OrganizerOut(serializers.ModelSerializer[User]):
    class Meta:
        model = User
        fields = ("id", "username")


EVENT_EXAMPLE = {
    "id": 1,
    "name": "Global AI Summit",
    "description": "",
    "location": "Bengaluru International Exhibition Centre",
    "latitude": 13.0627,
    "longitude": 77.4751,
    "start_time": "2032-03-15T09:00:00Z",
    "end_time": "2032-03-17T17:00:00Z",
    "timezone": "Asia/Kolkata",
    "category": "conference",
    "status": "published",
    "organizer": {"id": 7, "username": "asha"},
    "max_capacity": 750,
    "registered_count": 12,
    "available_seats": 738,
    "waitlist_enabled": False,
    "waitlist_count": 0,
    "registration_opens_at": None,
    "registration_closes_at": None,
    "cancellation_closes_at": None,
    "registration_state": "open",
    "attendance_mode": "in_person",
    "series": None,
    "average_rating": None,
    "feedback_count": 0,
    "calendar_url": "http://localhost:8000/api/events/1/calendar.ics",
    "google_calendar_url": "https://calendar.google.com/calendar/render?action=TEMPLATE",
    "created_at": "2026-11-21T08:00:00Z",
    "updated_at": "2026-11-21T08:00:00Z",
}


@extend_schema_serializer(examples=[OpenApiExample("Event", EVENT_EXAMPLE)])
class EventOut(serializers.ModelSerializer[Event]):
    """An event as everybody sees it; `meeting_url` and `reminder_hours` only for who runs it."""

    start_time = InstantField()
    end_time = InstantField()
    category: Any = serializers.SlugRelatedField("slug", read_only=True, allow_null=True)
    organizer = OrganizerOut(read_only=True)
    available_seats = serializers.IntegerField(
        read_only=True, allow_null=True, help_text="Null without a limit."
    )
    registration_opens_at = InstantField(allow_null=True)
    registration_closes_at = InstantField(allow_null=True)
    cancellation_closes_at = InstantField(allow_null=True)
    registration_state = serializers.ChoiceField(Event.RegistrationState.choices, read_only=True)
    # Not `read_only`, which the OpenAPI document would tell as always there.
    meeting_url = serializers.CharField(required=False, allow_null=True)
    reminder_hours = serializers.ListField(child=serializers.IntegerField(), required=False)
    series = serializers.IntegerField(
        source="series_id",
        read_only=True,
        allow_null=True,
        help_text="The series that it is part of.",
    )
    average_rating = serializers.FloatField(read_only=True, allow_null=True)
    calendar_url = serializers.URLField(read_only=True)
    google_calendar_url = serializers.URLField(read_only=True)
    created_at = InstantField()
    updated_at = InstantField()

    class Meta:
        model = Event
        fields = (
            "id",
            "name",
            "description",
            "location",
            "latitude",
            "longitude",
            "start_time",
            "end_time",
            "timezone",
            "category",
            "status",
            "organizer",
            "max_capacity",
            "registered_count",
            "available_seats",
            "waitlist_enabled",
            "waitlist_count",
            "registration_opens_at",
            "registration_closes_at",
            "cancellation_closes_at",
            "registration_state",
            "attendance_mode",
            "series",
            "average_rating",
            "feedback_count",
            "calendar_url",
            "google_calendar_url",
            "created_at",
            "updated_at",
            "meeting_url",
            "reminder_hours",
        )
        read_only_fields = fields

    @cached_property
    def _answer(self) -> tuple[Callable[[Any], str | None], str, Any, bool]:
        """What is the same for all events of an answer."""
        viewer = self.context["request"].user
        return (
            instant_formatter(),
            settings.PUBLIC_URL,
            viewer.pk,
            has_staff_right(viewer, "events.view_event"),
        )

    def to_representation(self, event: Event) -> dict[str, Any]:
        """By hand: DRF builds every field anew for each answer, which costs more than the rest.

        The fields above are what the OpenAPI document says; a test compares the two.
        """
        told, site, viewer_id, is_seen_by_staff = self._answer
        organizer, category = event.organizer, event.category
        shown = {
            "id": event.pk,
            "name": event.name,
            "description": event.description,
            "location": event.location,
            "latitude": event.latitude,
            "longitude": event.longitude,
            "start_time": told(event.start_time),
            "end_time": told(event.end_time),
            "timezone": event.timezone,
            "category": category and category.slug,
            "status": event.status,
            "organizer": {"id": organizer.pk, "username": organizer.username},
            "max_capacity": event.max_capacity,
            "registered_count": event.registered_count,
            "available_seats": event.available_seats,
            "waitlist_enabled": event.waitlist_enabled,
            "waitlist_count": event.waitlist_count,
            "registration_opens_at": told(event.registration_opens_at),
            "registration_closes_at": told(event.registration_closes_at),
            "cancellation_closes_at": told(event.cancellation_closes_at),
            "registration_state": event.registration_state,
            "attendance_mode": event.attendance_mode,
            "series": event.series_id,
            "average_rating": None if event.average_rating is None else float(event.average_rating),
            "feedback_count": event.feedback_count,
            "calendar_url": f"{site}/api/events/{event.pk}/calendar.ics",
            "google_calendar_url": google_calendar_url(event),
            "created_at": told(event.created_at),
            "updated_at": told(event.updated_at),
        }
        if is_seen_by_staff or viewer_id == event.organizer_id:
            shown["meeting_url"] = event.meeting_url or None
            shown["reminder_hours"] = event.reminder_hours
        return shown


@extend_schema_serializer(examples=[OpenApiExample("Event", EVENT_EXAMPLE)])
class ListedEventOut(EventOut):
    """What the lists of events tell, of which some is told when asked for. For the document."""

    schema_name = "EventListItem"

    headline = serializers.CharField(
        required=False,
        allow_null=True,
        help_text="With `highlight=true`: HTML, with `<mark>` around what was looked for.",
    )

    distance_km = serializers.FloatField(
        required=False, help_text="With `near`: on a sphere, to the metre."
    )

    class Meta(EventOut.Meta):
        fields = read_only_fields = (*EventOut.Meta.fields, "headline", "distance_km")  # type: ignore[assignment]


class CategoryFacetOut(serializers.Serializer[Event]):
    slug = serializers.CharField(allow_null=True)
    name = serializers.CharField(allow_null=True, help_text="Null: without a category.")
    count = serializers.IntegerField()


class MonthFacetOut(serializers.Serializer[Event]):
    month = serializers.RegexField("^[0-9]{4}-(0[1-9]|1[0-2])$")
    count = serializers.IntegerField()


class LocationFacetOut(serializers.Serializer[Event]):
    location = serializers.CharField()
    count = serializers.IntegerField()


_FACETS_EXAMPLE = {
    "count": 31,
    "approximate": False,
    "categories": [{"slug": "conference", "name": "Conference", "count": 31}],
    "months": [{"month": "2032-03", "count": 19}, {"month": "2032-05", "count": 12}],
    "locations": [{"location": "Bengaluru International Exhibition Centre", "count": 7}],
}


@extend_schema_serializer(examples=[OpenApiExample("Facets", _FACETS_EXAMPLE)])
class FacetsOut(serializers.Serializer[Event]):
    schema_name = "EventFacets"

    count = serializers.IntegerField()
    approximate = serializers.BooleanField(help_text="Whether all counts are estimates.")
    categories = CategoryFacetOut(many=True)
    months = MonthFacetOut(many=True)
    locations = LocationFacetOut(many=True)


class SuggestionsIn(serializers.Serializer[Event]):
    q = TextField(max_length=200, allow_blank=True)


@extend_schema_serializer(
    examples=[OpenApiExample("Names", {"results": ["Python Conference", "Python Meetup"]})]
)
class SuggestionsOut(serializers.Serializer[Event]):
    schema_name = "EventSuggestions"

    results = serializers.ListField(child=serializers.CharField(), max_length=10)


@extend_schema_serializer(
    examples=[
        OpenApiExample("Category", {"slug": "conference", "name": "Conference", "event_count": 12})
    ]
)
class CategoryOut(serializers.ModelSerializer[Category]):
    event_count = serializers.IntegerField(read_only=True, help_text="Published events.")

    class Meta:
        model = Category
        fields = ("slug", "name", "event_count")


@extend_schema_serializer(
    examples=[OpenApiExample("Category", {"slug": "conference", "name": "Conference"})]
)
class CategoryIn(serializers.Serializer[Category]):
    schema_name = "CategoryInput"

    slug = TextField(max_length=50, trim_whitespace=False, validators=[validate_slug])
    name = LineField(max_length=100)
