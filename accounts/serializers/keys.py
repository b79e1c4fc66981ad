"""API keys in bodies and responses."""

from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.api.fields import (
    MOMENT,
    ChoiceField,
    LineField,
    ListField,
    TextField,
    WholeNumberField,
    read_moment,
)
from config.api.http.timezones import InstantField
from config.api.key_scopes import Scope

from ..models import ApiKey
from ..services.keys import DEFAULT_LIFETIME
from .examples import example

MAX_EVENTS_OF_KEY = 1000
MAX_OVERLAP_HOURS = 72

KEY_EXAMPLE = {
    "id": 3,
    "name": "Ticket shop",
    "hint": "evk_3kT9",
    "scopes": ["events:read", "registrations:write"],
    "events": [1],
    "created_at": "2026-11-21T08:00:00Z",
    "expires_at": "2027-11-21T08:00:00Z",
    "last_used_at": None,
}
_SECRET_EXAMPLE = "evk_3kT9bYc0QzWm1HnV7sXr5LpJ2dGf8RaU4tEoZK"  # noqa: S105  # no key


_LONGEST_LIFETIME = timedelta(days=36525)


@extend_schema_field({"type": "string"})
class FutureMomentField(serializers.Field[datetime, Any, str, Any]):
    """An instant in the future. Without an offset it is in the time zone of the request."""

    default_error_messages = {
        "invalid": "Send a date and time such as 2032-03-15T09:00:00Z.",
        "in_the_past": "Choose a time in the future.",
        "max_value": "Choose a time within a hundred years, or null for a key without an end.",
    }
    schema_extra: ClassVar[dict[str, Any]] = MOMENT

    def to_internal_value(self, data: Any) -> datetime:
        try:
            moment = read_moment(data if isinstance(data, str) else "")
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=timezone.get_current_timezone())
            now = timezone.now()
            is_over, is_far = moment <= now, moment > now + _LONGEST_LIFETIME
        except (ValueError, OverflowError):
            self.fail("invalid")
        if is_over:
            self.fail("in_the_past")
        if is_far:  # the last days of the calendar do not exist in every time zone
            self.fail("max_value")
        return moment


class ScopesField(ListField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(child=ChoiceField(choices=Scope.choices), min_length=1, **kwargs)

    def to_internal_value(self, data: Any) -> list[str]:
        sent = set(super().to_internal_value(data))
        return [scope for scope in Scope.values if scope in sent]


class EventIdsField(ListField):
    """Ids of events, each once. The route checks that they are the caller's."""

    def __init__(self, **kwargs: Any) -> None:
        child = WholeNumberField(min_value=1, max_value=2**63 - 1)
        super().__init__(
            child=child, min_length=1, max_length=MAX_EVENTS_OF_KEY, allow_null=True, **kwargs
        )

    def to_internal_value(self, data: Any) -> list[int]:
        return sorted(set(super().to_internal_value(data)))


@example("Fewer rights", {"name": "Door", "scopes": ["checkin"]})
class KeyEditIn(serializers.Serializer[ApiKey]):
    """What can be edited. Rights can only be narrowed."""

    schema_name = "ApiKeyInput"

    name = LineField(max_length=100)
    scopes = ScopesField(help_text="What the key may do.")
    events = EventIdsField(
        required=False, help_text="The events that it is restricted to. Null: all, later ones too."
    )
    expires_at = FutureMomentField(
        required=False, allow_null=True, help_text="Null: never. Default: in a year."
    )


@example(
    "Key",
    {
        "name": "Ticket shop",
        "scopes": ["events:read", "registrations:write"],
        "events": [1],
        "password": "correct horse battery staple",
    },
)
class KeyIn(KeyEditIn):
    schema_name = "ApiKeyCreate"

    password = TextField(
        trim_whitespace=False, max_length=256, write_only=True, help_text="The account's."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs.setdefault("events", None)
        attrs.setdefault("expires_at", timezone.now() + DEFAULT_LIFETIME)
        return attrs


@example("Key", KEY_EXAMPLE)
class KeyOut(serializers.ModelSerializer[ApiKey]):
    schema_name = "ApiKey"

    hint = serializers.CharField(help_text="How the key begins, to recognize it by.")
    scopes = serializers.ListField(child=serializers.ChoiceField(Scope.choices))
    events = serializers.ListField(
        child=serializers.IntegerField(), allow_null=True, help_text="Null: all."
    )
    created_at = InstantField()
    expires_at = InstantField(allow_null=True, help_text="Null: never.")
    last_used_at = InstantField(allow_null=True, help_text="To the minute.")

    class Meta:
        model = ApiKey
        fields: tuple[str, ...] = (
            "id",
            "name",
            "hint",
            "scopes",
            "events",
            "created_at",
            "expires_at",
            "last_used_at",
        )


@example("New key", {**KEY_EXAMPLE, "key": _SECRET_EXAMPLE})
class NewKeyOut(KeyOut):
    schema_name = "NewApiKey"

    key = serializers.CharField(help_text="Shown here alone: only its hash is stored.")

    class Meta(KeyOut.Meta):
        fields = (*KeyOut.Meta.fields, "key")


class KeyOwnerOut(serializers.Serializer[Any]):
    schema_name = "ApiKeyOwner"

    id = serializers.IntegerField()
    username = serializers.CharField()


@example("Key", {**KEY_EXAMPLE, "owner": {"id": 7, "username": "asha"}})
class CurrentKeyOut(KeyOut):
    schema_name = "CurrentApiKey"

    owner = KeyOwnerOut(source="user")

    class Meta(KeyOut.Meta):
        fields = (*KeyOut.Meta.fields, "owner")


@example("Overlap", {"overlap_hours": 24})
class RotationIn(serializers.Serializer[ApiKey]):
    schema_name = "KeyRotation"

    overlap_hours = WholeNumberField(
        default=24,
        min_value=0,
        max_value=MAX_OVERLAP_HOURS,
        help_text="For how long the former key works as well.",
    )


@example("Found key", {"key": _SECRET_EXAMPLE})
class FoundKeyIn(serializers.Serializer[ApiKey]):
    schema_name = "FoundKey"

    key = TextField(max_length=1000)
