"""What is sent to register and to edit a registration."""

from typing import Any

import orjson
from django.http import QueryDict
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from config.api.fields import EmailAddressField, LineField, TrueOrFalseField, WholeNumberField
from config.api.text.email_addresses import is_plain
from events.models import MAX_PARTY_SIZE

from ..models import Registration
from ..services.parties import surplus_of
from ..services.registering import complete_contact
from .answers import AnswersField

MAX_VERSION = 2**31 - 1


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
        return guests_in_text(str(dictionary[name]))


def guests_in_text(text: str) -> Any:
    """The value of a JSON text; the text itself, which the field refuses, if it is none."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def guests_field(**options: Any) -> Any:
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
    guests: Any = guests_field(required=False)
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
        text = surplus_of(party_size)
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
    guests: Any = guests_field(required=False)
    answers = AnswersField(
        required=False, help_text="The answers to change, by the key of the question; null removes."
    )
    show_name = TrueOrFalseField(
        required=False, help_text="Everybody may see the name, if the event has a list of names."
    )
