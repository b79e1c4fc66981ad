"""Registrations as they are shown: to their people, to organizers, at the door, to everybody."""

from typing import Any

from django.conf import settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from config.api.http.timezones import InstantField
from config.api.text.instants import instant_formatter
from events.links import page_url
from events.models import Event

from ..models import Registration
from ..tickets import manage_token
from .answers import AnswersOutField

REGISTRATION_EXAMPLE: dict[str, Any] = {
    "id": "5f0c7b1e-6a52-4d1c-9a3e-0d9c5a4e7f10",
    "event": {
        "id": 1,
        "name": "Global AI Summit",
        "start_time": "2032-03-15T09:00:00Z",
        "end_time": "2032-03-17T17:00:00Z",
        "timezone": "Asia/Kolkata",
        "location": "Bengaluru International Exhibition Centre",
        "status": "published",
        "page_url": "http://localhost:8000/e/1-global-ai-summit",
    },
    "name": "Bob",
    "email": "bob@example.com",
    "status": "confirmed",
    "waitlist_position": None,
    "people_ahead": None,
    "party_size": 1,
    "admitted_count": 0,
    "guests": [],
    "registered_at": "2026-11-21T08:00:00Z",
    "show_name": False,
    "confirmed_at": "2026-11-21T08:00:00Z",
    "cancelled_at": None,
    "checked_in_at": None,
    "meeting_url": None,
    "ticket_code": "MZXW6YTBOI2DKNRX",
    "ticket_url": "http://localhost:8000/api/registrations/5f0c7b1e-6a52-4d1c-9a3e-0d9c5a4e7f10/ticket.svg",
}


class GuestOut(serializers.Serializer[Any]):
    name = serializers.CharField(allow_null=True)
    email = serializers.CharField(allow_null=True)
    answers = AnswersOutField(required=False, help_text="If the event asks its guests questions.")


class RegisteredEventOut(serializers.ModelSerializer[Event]):
    start_time = InstantField()
    end_time = InstantField()
    page_url = serializers.SerializerMethodField(
        help_text="The page for people, of an unlisted event with its secret key. Null if pages "
        "are switched off, for a cancelled registration for an unlisted event, and at its door.",
    )

    location = serializers.CharField(
        help_text="Empty for a registration for an unlisted event that was cancelled or rejected."
    )

    class Meta:
        model = Event
        fields = (
            *("id", "name", "start_time", "end_time", "timezone", "location", "status"),
            "page_url",
        )

    @extend_schema_field({"type": ["string", "null"], "format": "uri"})
    def get_page_url(self, event: Event) -> str | None:
        return None if self.context.get("is_at_door") and event.is_unlisted else page_url(event)


@extend_schema_serializer(examples=[OpenApiExample("Registration", REGISTRATION_EXAMPLE)])
class RegistrationOut(serializers.ModelSerializer[Registration]):
    # Its rows come from `Registration.objects.for_display()`. `hides_meeting_url` in the context is
    # for viewers who may see the people of an event and not the whole event.

    event = RegisteredEventOut(read_only=True)
    waitlist_position = serializers.IntegerField(
        source="position", read_only=True, allow_null=True, help_text="1 is promoted next."
    )
    people_ahead = serializers.IntegerField(
        read_only=True, allow_null=True, help_text="How many people wait before this party."
    )
    admitted_count = serializers.IntegerField(
        read_only=True, help_text="How many of the party are checked in."
    )
    guests: Any = GuestOut(many=True, read_only=True, help_text="The guests that are named.")
    answers = AnswersOutField(
        required=False, help_text="By the key of the question, if the event asks questions."
    )
    registered_at = InstantField()
    confirmed_at = InstantField(allow_null=True)
    cancelled_at = InstantField(allow_null=True)
    checked_in_at = InstantField(allow_null=True)
    meeting_url = serializers.SerializerMethodField(help_text="For confirmed attendees.")
    ticket_url = serializers.SerializerMethodField()

    class Meta:
        model = Registration
        fields: tuple[str, ...] = (
            "id",
            "event",
            "name",
            "email",
            "status",
            "waitlist_position",
            "people_ahead",
            "party_size",
            "admitted_count",
            "guests",
            "answers",
            "show_name",
            "registered_at",
            "confirmed_at",
            "cancelled_at",
            "checked_in_at",
            "meeting_url",
            "ticket_code",
            "ticket_url",
        )

    @extend_schema_field({"type": ["string", "null"]})
    def get_meeting_url(self, registration: Registration) -> str | None:
        return None if self.context.get("hides_meeting_url") else registration.meeting_url or None

    @extend_schema_field(OpenApiTypes.URI)
    def get_ticket_url(self, registration: Registration) -> str:
        return f"{settings.PUBLIC_URL}/api/registrations/{registration.pk}/ticket.svg"

    def to_representation(self, registration: Registration) -> dict[str, Any]:
        """Renders the fields without DRF, which would build each field again for every response.

        That takes longer than everything else. The fields above are for the OpenAPI document; a
        test compares them with this method.
        """
        event, render = registration.event, instant_formatter()
        has_answers = event.form_id is not None or registration.answers
        return {
            "id": registration.pk,
            "event": {
                "id": event.pk,
                "name": event.name,
                "start_time": render(event.start_time),
                "end_time": render(event.end_time),
                "timezone": event.timezone,
                "location": registration.location,
                "status": event.status,
                "page_url": registration.page_url,
            },
            "name": registration.name,
            "email": registration.email,
            "status": registration.status,
            "waitlist_position": registration.position,  # type: ignore[attr-defined]
            "people_ahead": registration.people_ahead,  # type: ignore[attr-defined]
            "party_size": registration.party_size,
            "admitted_count": registration.admitted_count,
            "guests": registration.guests,
            **({"answers": registration.answers} if has_answers else {}),
            "show_name": registration.show_name,
            "registered_at": render(registration.registered_at),
            "confirmed_at": render(registration.confirmed_at),
            "cancelled_at": render(registration.cancelled_at),
            "checked_in_at": render(registration.checked_in_at),
            "meeting_url": self.get_meeting_url(registration),
            "ticket_code": registration.ticket_code,
            "ticket_url": self.get_ticket_url(registration),
        }


def short_registration(registration: Registration) -> dict[str, Any]:
    """What callers get who may not read the people of the event."""
    return {
        "id": registration.pk,
        "status": registration.status,
        "party_size": registration.party_size,
    }


class DoorRegistrationOut(serializers.ModelSerializer[Registration]):
    """A registration for those who check people in: no address, no ticket."""

    checked_in_at = InstantField(allow_null=True)

    class Meta:
        model = Registration
        fields: tuple[str, ...] = ("id", "name", "status", "party_size", "checked_in_at")


class ScannedAtDoorOut(DoorRegistrationOut):
    """A registration after a scan or its undo: how many of the party are in belongs to it."""

    admitted_count = serializers.IntegerField(read_only=True)

    class Meta(DoorRegistrationOut.Meta):
        fields = (*DoorRegistrationOut.Meta.fields, "admitted_count")


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Registration",
            {**REGISTRATION_EXAMPLE, "manage_token": "3vQ5r2nW0b4mJ8kT7hS1yX6zC9dF"},
        )
    ]
)
class NewRegistrationOut(RegistrationOut):
    ticket_code = serializers.CharField(
        max_length=32,
        help_text="Empty for a guest if an account has the address; its owner gets it by mail.",
    )
    manage_token = serializers.CharField(
        required=False,
        help_text="For guests: opens the registration as ?token=… Not valid if the address "
        "belongs to an account, or once the registration joins one.",
    )

    class Meta(RegistrationOut.Meta):
        fields = (*RegistrationOut.Meta.fields, "manage_token")


_REGISTRATION_OUT = RegistrationOut()


def render_new_registration(registration: Registration, *, caller_id: int | None) -> dict[str, Any]:
    """The fields of `NewRegistrationOut`; `caller_id` is the caller's account, None for a guest.

    The address that a guest sends is not proven. If it belongs to an account, the ticket and
    `meeting_url` are for the owner only and are sent by mail. The ticket is then an empty string
    and not null: otherwise typed clients would have to treat every ticket as optional.
    """
    fields = _REGISTRATION_OUT.to_representation(registration)
    if registration.user_id is None or registration.user_id != caller_id:
        fields["manage_token"] = manage_token(registration.pk)
        if registration.user_id is not None:
            fields |= {"ticket_code": "", "meeting_url": None}
    return fields


class PublicNameOut(serializers.ModelSerializer[Registration]):
    """An attendee for everybody."""

    class Meta:
        model = Registration
        fields = ("name",)


@extend_schema_serializer(
    examples=[
        OpenApiExample("Renamed", {**REGISTRATION_EXAMPLE, "name": "Bob Ray"}),
        OpenApiExample(
            "Handed on",
            {**REGISTRATION_EXAMPLE, "email": "ann@example.com", "ticket_code": None},
        ),
    ]
)
class EditedRegistrationOut(RegistrationOut):
    ticket_code = serializers.CharField(
        allow_null=True,
        help_text="Null after a hand-on: the new ticket is sent by e-mail only.",
    )
