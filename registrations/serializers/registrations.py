from typing import Any

import orjson
from django.conf import settings
from django.http import QueryDict
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from config.api.fields import EmailAddressField, LineField, TrueOrFalseField, WholeNumberField
from config.api.http.timezones import InstantField
from config.api.text.email_addresses import is_plain
from config.api.text.instants import instant_formatter
from events.links import page_url
from events.models import MAX_PARTY_SIZE, Event

from ..models import Registration
from ..services.registering import complete_contact
from ..tickets import manage_token
from .answers import AnswersField, AnswersOutField

MAX_VERSION = 2**31 - 1

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

    admitted_count = serializers.IntegerField(read_only=True)
    checked_in_at = InstantField(allow_null=True)

    class Meta:
        model = Registration
        fields = ("id", "name", "status", "party_size", "admitted_count", "checked_in_at")


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


class GuestIn(serializers.Serializer[Any]):
    """A person whom the registrant brings. Both fields may be left out."""

    schema_name = "PartyGuest"
    default_error_messages = {"invalid": "Send an object with a name, an email or both."}

    name = LineField(max_length=200, required=False, allow_null=True, default=None)
    email = EmailAddressField(required=False, allow_null=True, default=None)
    answers = AnswersField(required=False, help_text="To the questions that each person is asked.")

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Both fields, also in a PATCH, which applies no defaults."""
        return {"name": None, "email": None, **super().to_internal_value(data)}


def _party_size_field(**options: Any) -> WholeNumberField:
    return WholeNumberField(
        min_value=1,
        max_value=MAX_PARTY_SIZE,
        help_text="The number of people, the registrant included; at most the event's "
        "max_party_size.",
        **options,
    )


class _GuestsField(serializers.ListSerializer[Any]):
    """A list of guests. A form may send it as the text of an array: `guests=[{"name":"Ann"}]`."""

    def get_value(self, dictionary: Any) -> Any:
        name = str(self.field_name)
        if not isinstance(dictionary, QueryDict) or name not in dictionary:
            return super().get_value(dictionary)
        text = str(dictionary[name])
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            return text  # an error of this field


def _guests_field(**options: Any) -> Any:
    return _GuestsField(
        child=GuestIn(),
        max_length=MAX_PARTY_SIZE - 1,
        error_messages={"not_a_list": "Send an array of guests, each an object."},
        help_text="The guests that are named; at most party_size less one.",
        **options,
    )


@extend_schema_serializer(
    examples=[
        OpenApiExample("Guest", {"name": "Bob", "email": "bob@example.com"}),
    ]
)
class RegisterIn(serializers.Serializer[Registration]):
    """A guest sends name and email. A signed-in caller may leave out both."""

    schema_name = "RegistrationCreate"

    name = LineField(max_length=200, required=False)
    email = EmailAddressField(required=False)
    source: Any = LineField(
        max_length=64,
        required=False,
        allow_blank=True,
        help_text="Where the person came from, such as a newsletter, for the statistics.",
    )
    party_size = _party_size_field(default=1)
    guests: Any = _guests_field(required=False)
    answers = AnswersField(
        required=False,
        help_text="By the key of the question. GET /api/events/{id}/form/ lists them.",
    )
    form_version = WholeNumberField(
        required=False,
        min_value=0,
        max_value=MAX_VERSION,
        help_text="The version of the form that was answered. Another current one is a 409.",
    )
    code: Any = LineField(
        max_length=64,
        required=False,
        allow_blank=True,
        help_text="For events of the mode `code`; ignored at others.",
    )

    show_name = TrueOrFalseField(
        default=False, help_text="Everybody may see the name, if the event has a list of names."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        user = self.context["request"].user
        texts = {name: attrs.pop(name, "") for name in ("source", "code")}
        party = {"party_size": attrs.pop("party_size"), "guests": attrs.pop("guests", [])}
        party |= {name: attrs.pop(name) for name in ("answers", "form_version") if name in attrs}
        check_guests(party["guests"], party["party_size"])
        texts["show_name"] = attrs.pop("show_name")
        contact = complete_contact(user if user.is_authenticated else None, **attrs)
        missing = {
            field: [serializers.ErrorDetail("This field is required.", "required")]
            for field, value in contact.items()
            if value is None
        }
        if missing:
            raise serializers.ValidationError(missing)
        return {**contact, **texts, **party}


def check_guests(guests: list[Any], party_size: int) -> None:
    """Raises `ValidationError` if more guests are named than the party has."""
    if len(guests) >= party_size > 0 and guests:
        text = f"A party of {party_size} has at most {party_size - 1} guests."
        raise serializers.ValidationError({"guests": [serializers.ErrorDetail(text, "max_length")]})


def parse_simple_guest(body: bytes) -> tuple[str, str] | None:
    """Name and address from a body that has exactly these two members, both in a common form.

    None for any other body. Such a body may still be valid: `RegisterIn` decides.
    """
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(data, dict) or data.keys() != {"name", "email"}:
        return None
    name, email = data["name"], data["email"]
    is_simple = (
        isinstance(name, str)
        and isinstance(email, str)
        and 1 <= len(name) <= 200
        and name.isprintable()
        and name.strip() == name
        and is_plain(email)
    )
    return (name, email) if is_simple else None


@extend_schema_serializer(
    examples=[
        OpenApiExample("Name", {"name": "Bob Ray"}),
        OpenApiExample("One guest less", {"party_size": 2}),
        OpenApiExample("To somebody else", {"name": "Ann", "email": "ann@example.com"}),
    ]
)
class RegistrationEditIn(serializers.Serializer[Registration]):
    name = LineField(max_length=200)
    email = EmailAddressField(
        required=False, help_text="Another address hands the registration on, with a new ticket."
    )
    party_size = _party_size_field(required=False)
    guests: Any = _guests_field(required=False)
    answers = AnswersField(
        required=False, help_text="The answers to change, by the key of the question; null removes."
    )
    show_name = TrueOrFalseField(
        required=False, help_text="Everybody may see the name, if the event has a list of names."
    )


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
