"""Events in responses."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

from django.conf import settings
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from accounts.models import User
from config.api.http.timezones import InstantField
from config.api.staff_rights import has_staff_right
from config.api.text.instants import instant_formatter

from ..access_keys import key_query
from ..calendars import google_calendar_url
from ..images import image_of
from ..links import page_url
from ..models import (
    SHOWN_RIGHTS,
    Event,
    Right,
    Role,
    Viewer,
    access_to,
    remember_roles,
)


class OrganizerOut(serializers.ModelSerializer[User]):
    class Meta:
        model = User
        fields = ("id", "username")


class EventDetailsOut(serializers.ModelSerializer[Any]):
    """The fields of `EventDetails` in responses, which events and series have in common.

    `meeting_url` and `reminder_hours` are for the organizer and staff only.
    """

    start_time = InstantField()
    end_time = InstantField()
    category: Any = serializers.SlugRelatedField("slug", read_only=True, allow_null=True)
    organizer = OrganizerOut(read_only=True)
    registration_opens_at = InstantField(allow_null=True)
    registration_closes_at = InstantField(allow_null=True)
    cancellation_closes_at = InstantField(allow_null=True)
    created_at = InstantField()
    updated_at = InstantField()
    # Not `read_only`: the OpenAPI document lists such fields as required.
    my_role = serializers.ChoiceField(
        Role.choices,
        required=False,
        allow_null=True,
        help_text="For signed-in callers: the strongest role of the caller, or null.",
    )
    my_rights = serializers.ListField(
        child=serializers.ChoiceField([right.value for right in SHOWN_RIGHTS]),
        required=False,
        help_text="For signed-in callers: what the caller may do.",
    )
    meeting_url = serializers.CharField(required=False, allow_null=True)
    reminder_hours = serializers.ListField(child=serializers.IntegerField(), required=False)

    first_fields = (
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
    )


_FILE = "http://localhost:8000/media/events/3f2a9c1e8b7a4c3f6e0d1b2a5d8f2c01-1600x900"
IMAGE_EXAMPLE = {
    "url": f"{_FILE}-1600.webp",
    "srcset": f"{_FILE}-480.webp 480w, {_FILE}-960.webp 960w, {_FILE}-1600.webp 1600w",
    "alt": "A full hall, seen from the stage",
}


class EventImageOut(serializers.Serializer[Any]):
    url = serializers.URLField(help_text="The largest width. An address never changes its image.")
    srcset = serializers.CharField(help_text="All widths, as the attribute of HTML.")
    alt = serializers.CharField(help_text="What the image shows.")


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
    "max_party_size": 1,
    "waitlist_policy": "strict",
    "registration_mode": "open",
    "registration_opens_at": None,
    "registration_closes_at": None,
    "cancellation_closes_at": None,
    "registration_state": "open",
    "attendance_mode": "in_person",
    "visibility": "public",
    "attendee_list": "hidden",
    "series": None,
    "average_rating": None,
    "feedback_count": 0,
    "image": None,
    "page_url": "http://localhost:8000/e/1-global-ai-summit",
    "calendar_url": "http://localhost:8000/api/events/1/calendar.ics",
    "google_calendar_url": "https://calendar.google.com/calendar/render?action=TEMPLATE",
    "created_at": "2026-11-21T08:00:00Z",
    "updated_at": "2026-11-21T08:00:00Z",
}


@extend_schema_serializer(examples=[OpenApiExample("Event", EVENT_EXAMPLE)])
class EventOut(EventDetailsOut):
    """An event. `meeting_url` and `reminder_hours` are for its organizer and staff only."""

    available_seats = serializers.IntegerField(
        read_only=True, allow_null=True, help_text="Null without a limit."
    )
    registration_state = serializers.ChoiceField(Event.RegistrationState.choices, read_only=True)
    series = serializers.IntegerField(
        source="series_id",
        read_only=True,
        allow_null=True,
        help_text="The series that it is part of.",
    )
    average_rating = serializers.FloatField(read_only=True, allow_null=True)
    pending_count = serializers.IntegerField(
        required=False,
        help_text="For the organizer: how many people wait for a decision.",
    )
    image = EventImageOut(read_only=True, allow_null=True)
    page_url = serializers.URLField(
        read_only=True,
        allow_null=True,
        help_text="The page for people, of an unlisted event with its secret key. Null if the "
        "pages are switched off.",
    )
    calendar_url = serializers.URLField(
        read_only=True, help_text="Of an unlisted event with its secret key."
    )
    google_calendar_url = serializers.URLField(read_only=True)

    class Meta:
        model = Event
        fields = (
            *EventDetailsOut.first_fields,
            "registered_count",
            "available_seats",
            "waitlist_enabled",
            "waitlist_count",
            "max_party_size",
            "waitlist_policy",
            "registration_mode",
            "registration_opens_at",
            "registration_closes_at",
            "cancellation_closes_at",
            "registration_state",
            "attendance_mode",
            "visibility",
            "attendee_list",
            "series",
            "average_rating",
            "feedback_count",
            "image",
            "page_url",
            "calendar_url",
            "google_calendar_url",
            "created_at",
            "updated_at",
            "my_role",
            "my_rights",
            "pending_count",
            "meeting_url",
            "reminder_hours",
        )
        read_only_fields = fields

    @cached_property
    def _render_context(self) -> tuple[Callable[[Any], str | None], str, Any, bool]:
        """The values that are the same for all events of a response."""
        viewer = self.context["request"].user
        return (
            instant_formatter(),
            settings.PUBLIC_URL,
            viewer,
            has_staff_right(viewer, "events.view_event"),
        )

    def to_representation(self, event: Event) -> dict[str, Any]:
        """Renders without DRF's fields: building them for each response costs more than the rest.

        The declared fields are those of the OpenAPI document. A test compares the two.
        """
        format_instant, site, viewer, is_for_staff = self._render_context
        organizer, category = event.organizer, event.category
        representation = {
            "id": event.pk,
            "name": event.name,
            "description": event.description,
            "location": event.location,
            "latitude": event.latitude,
            "longitude": event.longitude,
            "start_time": format_instant(event.start_time),
            "end_time": format_instant(event.end_time),
            "timezone": event.timezone,
            "category": category and category.slug,
            "status": event.status,
            "organizer": {"id": organizer.pk, "username": organizer.username},
            "max_capacity": event.max_capacity,
            "registered_count": event.registered_count,
            "available_seats": event.available_seats,
            "waitlist_enabled": event.waitlist_enabled,
            "waitlist_count": event.waitlist_count,
            "max_party_size": event.max_party_size,
            "waitlist_policy": event.waitlist_policy,
            "registration_mode": event.registration_mode,
            "registration_opens_at": format_instant(event.registration_opens_at),
            "registration_closes_at": format_instant(event.registration_closes_at),
            "cancellation_closes_at": format_instant(event.cancellation_closes_at),
            "registration_state": event.registration_state,
            "attendance_mode": event.attendance_mode,
            "visibility": event.visibility,
            "attendee_list": event.attendee_list,
            "series": event.series_id,
            "average_rating": None if event.average_rating is None else float(event.average_rating),
            "feedback_count": event.feedback_count,
            "image": _image(event) if event.image_name else None,
            "page_url": page_url(event),
            "calendar_url": f"{site}/api/events/{event.pk}/calendar.ics{key_query(event)}",
            "google_calendar_url": google_calendar_url(event),
            "created_at": format_instant(event.created_at),
            "updated_at": format_instant(event.updated_at),
        }
        return representation | viewer_fields(viewer, event, is_for_staff=is_for_staff)


# The columns that `viewer_fields` reads.
VIEWER_COLUMNS = (
    "id",
    "organizer_id",
    "series_id",
    "pending_count",
    "meeting_url",
    "reminder_hours",
)


def viewer_fields(viewer: Viewer, event: Event, *, is_for_staff: bool) -> dict[str, Any]:
    """The last fields of `EventOut`, which depend on the viewer. Guests get none of them."""
    access = access_to(viewer, event)
    if not is_for_staff and access.role is None:
        return {"my_role": None, "my_rights": []} if viewer.pk else {}
    fields: dict[str, Any] = {"my_role": access.role, "my_rights": access.shown_rights}
    if is_for_staff or Right.PEOPLE in access.rights:
        fields["pending_count"] = event.pending_count
    if is_for_staff or access.sees_details:
        fields["meeting_url"] = event.meeting_url or None
        fields["reminder_hours"] = event.reminder_hours
    return fields


def viewer_fields_of_page(viewer: Viewer, events: list[Event]) -> list[dict[str, Any]]:
    """`viewer_fields` of each event, with one query for the roles of them all."""
    remember_roles(viewer, events)
    is_for_staff = has_staff_right(viewer, "events.view_event")
    return [viewer_fields(viewer, event, is_for_staff=is_for_staff) for event in events]


def _image(event: Event) -> dict[str, str] | None:
    image = image_of(event)
    if image is None:
        return None
    return {"url": image.url, "srcset": image.srcset, "alt": image.alt}


@extend_schema_serializer(examples=[OpenApiExample("Event", EVENT_EXAMPLE)])
class ListedEventOut(EventOut):
    """An event of a list, for the OpenAPI document. The optional fields are rendered on request."""

    schema_name = "EventListItem"

    headline = serializers.CharField(
        required=False,
        allow_null=True,
        help_text="With `highlight=true`: HTML, with `<mark>` around the matches.",
    )

    distance_km = serializers.FloatField(
        required=False, help_text="With `near`: on a sphere, to the metre."
    )

    class Meta(EventOut.Meta):
        fields = read_only_fields = (*EventOut.Meta.fields, "headline", "distance_km")  # type: ignore[assignment]
