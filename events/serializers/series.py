"""Series of events in request and response bodies."""

import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from config.api.fields import WholeNumberField
from config.api.filters import MAX_ID
from config.api.http.timezones import InstantField
from config.api.staff_rights import has_staff_right
from config.api.text.instants import instant_formatter

from ..models import Event, Series, access_to
from ..recurrence import (
    InvalidRecurrence,
    Recurrence,
    exclusion_in_zone,
    parse_moment,
    rendered_exclusion,
)
from .event_input import EVENT_IN_EXAMPLE, EventCreateIn, EventEditIn
from .events import EventDetailsOut
from .recurrence_fields import RULE_EXAMPLE, ExcludedListField, RecurrenceField

SERIES_IN_EXAMPLE = {
    **EVENT_IN_EXAMPLE,
    "name": "Yoga in the park",
    "location": "Cubbon Park",
    "category": "meetup",
    "start_time": "2032-03-15T18:00:00",
    "end_time": "2032-03-15T19:30:00",
    "recurrence": RULE_EXAMPLE,
}


_EXDATES = (
    "RFC 5545 EXDATE: days such as 2032-04-05 on which the rule gives no occurrence, or times. "
    "A time is an instant; without an offset it is a wall-clock time in the series' zone."
)


@extend_schema_serializer(examples=[OpenApiExample("Ten Mondays", SERIES_IN_EXAMPLE)])
class SeriesIn(EventCreateIn):
    """The first event of a series, and the recurrence rule of the others."""

    schema_name = "SeriesCreate"

    recurrence = RecurrenceField(
        help_text="RFC 5545 RRULE; lines of EXDATE may follow. At most 366 occurrences, the last "
        "within 100 years. Without COUNT or UNTIL they always exist for a year ahead."
    )
    exdates = ExcludedListField(
        required=False,
        help_text=_EXDATES,
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        recurrence, excluded = _convert_to_zone(attrs, ZoneInfo(attrs["timezone"]))
        assert recurrence is not None  # noqa: S101  # the field is required
        excluded = recurrence.excluded | (excluded or frozenset())
        attrs["recurrence"] = Recurrence(recurrence.rule, excluded)
        return attrs


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "An hour later from one event on",
            {
                "from_event": 12,
                "start_time": "2032-04-12T19:00:00",
            },
        ),
        OpenApiExample("Another rule", {"recurrence": "FREQ=WEEKLY;INTERVAL=2;COUNT=5"}),
    ]
)
class SeriesEditIn(EventEditIn):
    """Changes of the future occurrences that were not edited by hand.

    Times are those of the first event or, with `from_event`, of that one. The others move by the
    same difference on the clock and keep their registrations. Only `recurrence` and `exdates` may
    remove or cancel an occurrence.
    """

    recurrence = RecurrenceField(
        required=False,
        help_text="A new RFC 5545 RRULE. An occurrence gets the new time of its day, and the "
        "others the remaining times, in order. An occurrence without a time is removed, or "
        "cancelled if it has registrations.",
    )
    exdates = ExcludedListField(required=False, help_text=f"{_EXDATES} The whole list.")
    from_event = WholeNumberField(
        required=False,
        min_value=1,
        max_value=MAX_ID,
        help_text="The edit applies to this event and later ones.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        sent_exdates = set(attrs.get("exdates", ()))
        attrs = super().validate(attrs)
        series: Series = self.context["event"]
        zone = ZoneInfo(attrs.get("timezone") or series.timezone)
        recurrence, excluded = _convert_to_zone(attrs, zone)
        # A client may send the unchanged list back together with another zone.
        if sent_exdates and sent_exdates == set(map(parse_moment, rendered_exdates(series))):
            excluded = None
        if recurrence is not None:
            attrs["rule"] = recurrence.rule
            if recurrence.excluded:
                excluded = recurrence.excluded | (excluded or frozenset())
        if excluded is not None:
            attrs["excluded"] = excluded
        return attrs


def _convert_to_zone(
    attrs: dict[str, Any], zone: ZoneInfo
) -> tuple[Recurrence | None, frozenset[datetime.date] | None]:
    """The recurrence and the exclusions with instants for times in `zone`. None if not sent."""
    recurrence, moments = attrs.pop("recurrence", None), attrs.pop("exdates", None)
    try:
        recurrence = recurrence and recurrence.in_zone(zone)
    except InvalidRecurrence as error:  # a time beyond the calendar, in that zone
        raise ValidationError(
            {"recurrence": [ErrorDetail(str(error), "invalid_recurrence")]}
        ) from error
    if moments is None:
        return recurrence, None
    try:
        return recurrence, frozenset(exclusion_in_zone(moment, zone) for moment in moments)
    except InvalidRecurrence as error:
        raise ValidationError({"exdates": [ErrorDetail(str(error), "invalid")]}) from error


def rendered_exdates(series: Series) -> list[str]:
    """The exclusions: days, and wall-clock times of the series' zone."""
    zone = ZoneInfo(series.timezone)
    return [rendered_exclusion(stored, zone) for stored in series.excluded]


SERIES_EXAMPLE = {
    "id": 3,
    "name": "Yoga in the park",
    "description": "",
    "location": "Cubbon Park",
    "latitude": None,
    "longitude": None,
    "start_time": "2032-03-15T12:30:00Z",
    "end_time": "2032-03-15T14:00:00Z",
    "timezone": "Asia/Kolkata",
    "category": "meetup",
    "status": "published",
    "organizer": {"id": 7, "username": "asha"},
    "max_capacity": 750,
    "waitlist_enabled": False,
    "max_party_size": 1,
    "waitlist_policy": "strict",
    "registration_mode": "open",
    "registration_opens_at": None,
    "registration_closes_at": None,
    "cancellation_closes_at": None,
    "attendance_mode": "in_person",
    "visibility": "public",
    "attendee_list": "hidden",
    "recurrence": RULE_EXAMPLE,
    "exdates": [],
    "occurrence_count": 10,
    "events_url": "http://localhost:8000/api/events/?series=3&when=all",
    "created_at": "2026-11-21T08:00:00Z",
    "updated_at": "2026-11-21T08:00:00Z",
}


@extend_schema_serializer(examples=[OpenApiExample("Series", SERIES_EXAMPLE)])
class SeriesOut(EventDetailsOut):
    """A series, with the values of its coming events. Its times are those of the first event."""

    recurrence = serializers.CharField(
        source="rule",
        help_text="RFC 5545 RRULE. If no RRULE describes a move, such as to the days after last "
        "Fridays, it is the nearest one.",
    )
    exdates = serializers.SerializerMethodField()
    occurrence_count = serializers.IntegerField(
        help_text="Events that are not cancelled. A public series does not count unlisted ones."
    )
    events_url = serializers.SerializerMethodField()

    class Meta:
        model = Series
        fields = (
            *EventDetailsOut.first_fields,
            "waitlist_enabled",
            "max_party_size",
            "waitlist_policy",
            "registration_mode",
            "registration_opens_at",
            "registration_closes_at",
            "cancellation_closes_at",
            "attendance_mode",
            "visibility",
            "attendee_list",
            "recurrence",
            "exdates",
            "occurrence_count",
            "events_url",
            "created_at",
            "updated_at",
            "my_role",
            "my_rights",
            "meeting_url",
            "reminder_hours",
        )
        read_only_fields = fields

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_exdates(self, series: Series) -> list[str]:
        return rendered_exdates(series)

    @extend_schema_field(OpenApiTypes.URI)
    def get_events_url(self, series: Series) -> str:
        drafts = "&status=draft" if series.status == Series.Status.DRAFT else ""
        return f"{settings.PUBLIC_URL}/api/events/?series={series.pk}&when=all{drafts}"

    def to_representation(self, series: Series) -> dict[str, Any]:
        representation = super().to_representation(series)
        viewer = self.context["request"].user
        access = access_to(viewer, series)
        for name in ("my_role", "my_rights"):
            representation.pop(name, None)
        if viewer.pk:
            representation["my_role"] = access.role
            representation["my_rights"] = access.shown_rights
        if access.sees_details or has_staff_right(viewer, "events.view_series"):
            representation["meeting_url"] = series.meeting_url or None
        else:
            del representation["meeting_url"], representation["reminder_hours"]
        return representation


class OccurrenceOut(serializers.Serializer[Event]):
    start_time = InstantField()
    end_time = InstantField()


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Two Mondays",
            {
                "occurrence_count": 2,
                "occurrences": [
                    {"start_time": "2032-03-15T12:30:00Z", "end_time": "2032-03-15T14:00:00Z"},
                    {"start_time": "2032-03-22T12:30:00Z", "end_time": "2032-03-22T14:00:00Z"},
                ],
            },
        )
    ]
)
class SeriesPreviewOut(serializers.Serializer[Any]):
    """The occurrences that a series would have. Nothing is written."""

    occurrence_count = serializers.IntegerField()
    occurrences = OccurrenceOut(many=True)

    def to_representation(self, events: list[Event]) -> dict[str, Any]:
        format_instant = instant_formatter()
        return {
            "occurrence_count": len(events),
            "occurrences": [
                {
                    "start_time": format_instant(event.start_time),
                    "end_time": format_instant(event.end_time),
                }
                for event in events
            ],
        }
