from typing import Any

import orjson
from django.conf import settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from accounts.calendars import calendar_url
from accounts.models import User
from accounts.notifications.inbox import unread_count
from accounts.notifications.preferences import preferences_of
from accounts.serializers import USER_EXAMPLE, UserOut
from config.api.fields import EmailAddressField, LineField
from config.api.http.timezones import InstantField, instant_formatter
from config.api.text.email_addresses import is_plain
from events.models import Event
from events.serializers.events import EVENT_EXAMPLE, EventOut

from ..models import LedgerEntry, Registration
from ..tickets import manage_token

_REGISTRATION_EXAMPLE = {
    "id": "5f0c7b1e-6a52-4d1c-9a3e-0d9c5a4e7f10",
    "event": {
        "id": 1,
        "name": "Global AI Summit",
        "start_time": "2032-03-15T09:00:00Z",
        "end_time": "2032-03-17T17:00:00Z",
        "timezone": "Asia/Kolkata",
        "location": "Bengaluru International Exhibition Centre",
        "status": "published",
    },
    "name": "Bob",
    "email": "bob@example.com",
    "status": "confirmed",
    "waitlist_position": None,
    "registered_at": "2026-11-21T08:00:00Z",
    "confirmed_at": "2026-11-21T08:00:00Z",
    "cancelled_at": None,
    "checked_in_at": None,
    "meeting_url": None,
    "ticket_code": "MZXW6YTBOI2DKNRX",
    "ticket_url": "http://localhost:8000/api/registrations/5f0c7b1e-6a52-4d1c-9a3e-0d9c5a4e7f10/ticket.svg",
}


class RegisteredEventOut(serializers.ModelSerializer[Event]):
    start_time = InstantField()
    end_time = InstantField()

    class Meta:
        model = Event
        fields = ("id", "name", "start_time", "end_time", "timezone", "location", "status")


@extend_schema_serializer(examples=[OpenApiExample("Registration", _REGISTRATION_EXAMPLE)])
class RegistrationOut(serializers.ModelSerializer[Registration]):
    # Needs rows of `Registration.objects.for_display()`. `hides_meeting_url` in the context is for
    # viewers who may see the people of an event and not the whole event.

    event = RegisteredEventOut(read_only=True)
    waitlist_position = serializers.IntegerField(
        source="position", read_only=True, allow_null=True, help_text="1 is promoted next."
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
        is_shown = registration.status == Registration.Status.CONFIRMED and not self.context.get(
            "hides_meeting_url"
        )
        return (registration.event.meeting_url or None) if is_shown else None

    @extend_schema_field(OpenApiTypes.URI)
    def get_ticket_url(self, registration: Registration) -> str:
        return f"{settings.PUBLIC_URL}/api/registrations/{registration.pk}/ticket.svg"

    def to_representation(self, registration: Registration) -> dict[str, Any]:
        """By hand: DRF builds every field anew for each answer, which costs more than the rest.

        The fields above are what the OpenAPI document says; a test compares the two.
        """
        event, told = registration.event, instant_formatter()
        return {
            "id": registration.pk,
            "event": {
                "id": event.pk,
                "name": event.name,
                "start_time": told(event.start_time),
                "end_time": told(event.end_time),
                "timezone": event.timezone,
                "location": event.location,
                "status": event.status,
            },
            "name": registration.name,
            "email": registration.email,
            "status": registration.status,
            "waitlist_position": registration.position,  # type: ignore[attr-defined]
            "registered_at": told(registration.registered_at),
            "confirmed_at": told(registration.confirmed_at),
            "cancelled_at": told(registration.cancelled_at),
            "checked_in_at": told(registration.checked_in_at),
            "meeting_url": self.get_meeting_url(registration),
            "ticket_code": registration.ticket_code,
            "ticket_url": self.get_ticket_url(registration),
        }


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Registration",
            {**_REGISTRATION_EXAMPLE, "manage_token": "3vQ5r2nW0b4mJ8kT7hS1yX6zC9dF"},
        )
    ]
)
class NewRegistrationOut(RegistrationOut):
    ticket_code = serializers.CharField(
        max_length=16,
        help_text="Empty for a guest where an account has the address, to which it goes by mail.",
    )
    manage_token = serializers.CharField(
        required=False,
        help_text="For guests: opens the registration as ?token=… It does not where the address "
        "belongs to an account, and no longer once the registration joins one.",
    )

    class Meta(RegistrationOut.Meta):
        fields = (*RegistrationOut.Meta.fields, "manage_token")


_OUT = RegistrationOut()


def new_registration(registration: Registration, *, caller_id: int | None) -> dict[str, Any]:
    """What whoever registered is shown; `caller_id` is their account, None for a guest.

    Nobody has proven the address that a guest gives. Where it is that of an account, ticket and
    `meeting_url` are its owner's alone and go by mail. The ticket is empty then and not null: else
    clients with types would have to treat every ticket as one that may be absent.
    """
    shown = _OUT.to_representation(registration)
    if registration.user_id is None or registration.user_id != caller_id:
        shown["manage_token"] = manage_token(registration.pk)
        if registration.user_id is not None:
            shown |= {"ticket_code": "", "meeting_url": None}
    return shown


@extend_schema_serializer(
    examples=[OpenApiExample("Guest", {"name": "Bob", "email": "bob@example.com"})]
)
class RegisterIn(serializers.Serializer[Registration]):
    """A guest sends both; who is signed in may leave out both."""

    schema_name = "RegistrationCreate"

    name = LineField(max_length=200, required=False)
    email = EmailAddressField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Complete what the account knows of its own."""
        user = self.context["request"].user
        own_address = user.email if user.is_authenticated else None
        attrs.setdefault("email", own_address)
        is_own = user.is_authenticated and attrs["email"] == own_address
        attrs.setdefault("name", user.username if is_own else None)
        missing = {
            field: [serializers.ErrorDetail("This field is required.", "required")]
            for field in ("name", "email")
            if attrs[field] is None
        }
        if missing:
            raise serializers.ValidationError(missing)
        attrs["user"] = user if is_own else None
        attrs["registered_by"] = user if user.is_authenticated else None
        return attrs


def plain_guest(body: bytes) -> tuple[str, str] | None:
    """Name and address of a body that says these two alone, in their usual form; None otherwise.

    What is not usual may be valid all the same: `RegisterIn` decides.
    """
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(given, dict) or given.keys() != {"name", "email"}:
        return None
    name, email = given["name"], given["email"]
    is_usual = (
        isinstance(name, str)
        and isinstance(email, str)
        and 1 <= len(name) <= 200
        and name.isprintable()
        and name.strip() == name
        and is_plain(email)
    )
    return (name, email) if is_usual else None


@extend_schema_serializer(
    examples=[
        OpenApiExample("Name", {"name": "Bob Ray"}),
        OpenApiExample("To somebody else", {"name": "Ann", "email": "ann@example.com"}),
    ]
)
class RegistrationEditIn(serializers.Serializer[Registration]):
    name = LineField(max_length=200)
    email = EmailAddressField(
        required=False, help_text="Another address hands the place on, with a new ticket."
    )


@extend_schema_serializer(
    examples=[
        OpenApiExample("Renamed", {**_REGISTRATION_EXAMPLE, "name": "Bob Ray"}),
        OpenApiExample(
            "Handed on",
            {**_REGISTRATION_EXAMPLE, "email": "ann@example.com", "ticket_code": None},
        ),
    ]
)
class EditedRegistrationOut(RegistrationOut):
    ticket_code = serializers.CharField(
        allow_null=True,
        help_text="Null when the place was handed on: the new one is sent by e-mail alone.",
    )


class ActorOut(serializers.ModelSerializer[User]):
    class Meta:
        model = User
        fields = ("id", "username")


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Cancelled by the organizer",
            {
                "id": 42,
                "registration": "5f0c7b1e-6a52-4d1c-9a3e-0d9c5a4e7f10",
                "kind": "cancelled",
                "at": "2026-11-21T08:00:00Z",
                "actor": {"id": 7, "username": "asha"},
                "reason": "by_organizer",
            },
        )
    ]
)
class LedgerEntryOut(serializers.ModelSerializer[LedgerEntry]):
    at = InstantField()
    actor = ActorOut(read_only=True, allow_null=True, help_text="Null for guests.")

    class Meta:
        model = LedgerEntry
        fields = ("id", "registration", "kind", "at", "actor", "reason")


@extend_schema_serializer(examples=[OpenApiExample("Scan", {"ticket_code": "MZXW6YTBOI2DKNRX"})])
class TicketIn(serializers.Serializer[Registration]):
    schema_name = "TicketScan"

    ticket_code = LineField(max_length=64, help_text="What the QR symbol says.")


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "First scan",
            {
                "registration": {
                    **_REGISTRATION_EXAMPLE,
                    "checked_in_at": "2032-03-15T08:41:00Z",
                },
                "already_checked_in": False,
            },
        )
    ]
)
class CheckInOut(serializers.Serializer[Any]):
    registration = RegistrationOut()
    already_checked_in = serializers.BooleanField(
        help_text="A second scan; checked_in_at tells when the first was."
    )


@extend_schema_serializer(
    examples=[OpenApiExample("Undone", {"registration": _REGISTRATION_EXAMPLE})]
)
class CheckInUndoneOut(serializers.Serializer[Any]):
    registration = RegistrationOut()


class OwnEventsOut(serializers.Serializer[Any]):
    count = serializers.IntegerField()
    upcoming = EventOut(many=True, help_text="The next five.")
    url = serializers.URLField()


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Asha",
            {
                **USER_EXAMPLE,
                "notification_preferences": {},
                "unread_notifications": 2,
                "calendar_url": "http://localhost:8000/api/me/calendar.ics?token=7.1.0kD3lqVb",
                "pending_email": None,
                "events_created": {
                    "count": 1,
                    "upcoming": [EVENT_EXAMPLE],
                    "url": "http://localhost:8000/api/me/events/",
                },
                "events_registered": {
                    "count": 0,
                    "upcoming": [],
                    "url": "http://localhost:8000/api/me/registrations/",
                },
            },
        )
    ]
)
class ProfileOut(UserOut):
    notification_preferences = serializers.SerializerMethodField(
        help_text="Whether mails of each kind are wanted."
    )
    unread_notifications = serializers.SerializerMethodField()
    calendar_url = serializers.SerializerMethodField(
        help_text="The secret link to my calendar; null in what staff see of others."
    )
    pending_email = serializers.SerializerMethodField(
        help_text="The new address, while it waits to be confirmed."
    )
    events_created = OwnEventsOut(read_only=True)
    events_registered = OwnEventsOut(read_only=True)

    class Meta(UserOut.Meta):
        model = User
        fields = (
            *UserOut.Meta.fields,
            "pending_email",
            "notification_preferences",
            "unread_notifications",
            "calendar_url",
            "events_created",
            "events_registered",
        )

    @extend_schema_field({"type": "object", "additionalProperties": {"type": "boolean"}})
    def get_notification_preferences(self, user: User) -> dict[str, bool]:
        return preferences_of(user)

    @extend_schema_field({"type": "integer", "minimum": 0})
    def get_unread_notifications(self, user: User) -> int:
        return unread_count(user)

    @extend_schema_field({"type": ["string", "null"], "format": "uri"})
    def get_calendar_url(self, user: User) -> str | None:
        is_own = user.pk == self.context["request"].user.pk
        return calendar_url(user) if is_own else None

    @extend_schema_field({"type": ["string", "null"], "format": "email"})
    def get_pending_email(self, user: User) -> str | None:
        return user.pending_email or None
