"""The inbox."""

from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from config.api.fields import (
    ListField,
    TrueOrFalseField,
    WholeNumberField,
)
from config.api.http.timezones import InstantField

from ..models import Notification
from .examples import example


@example(
    "Registration confirmed",
    {
        "id": 101,
        "kind": "registration_confirmed",
        "subject": "You have a seat at Global AI Summit",
        "body": "15 March 2032, 14:30 IST, Bengaluru International Exhibition Centre",
        "event": 1,
        "created_at": "2026-11-21T08:00:00Z",
        "read_at": None,
    },
)
class NotificationOut(serializers.ModelSerializer[Notification]):
    event = serializers.IntegerField(source="event_id", allow_null=True, help_text="Its id.")
    created_at = InstantField(source="due_at", help_text="Since when it is in the inbox.")
    read_at = InstantField(allow_null=True)

    class Meta:
        model = Notification
        fields = ("id", "kind", "subject", "body", "event", "created_at", "read_at")


class TrueField(TrueOrFalseField):
    schema_extra: ClassVar[dict[str, Any]] = {"const": True}
    default_error_messages = {"invalid_choice": "Send true, or leave it out."}

    def to_internal_value(self, data: Any) -> Any:
        if super().to_internal_value(data) is not True:
            self.fail("invalid_choice")
        return True


@extend_schema_serializer(
    examples=[
        OpenApiExample("Some", {"ids": [101, 102]}),
        OpenApiExample("All", {"all": True}),
    ]
)
class ReadIn(serializers.Serializer[Any]):
    """Either `ids` or `all`."""

    schema_name = "NotificationsRead"
    schema_extra: ClassVar[dict[str, Any]] = {
        "if": {"required": ["ids"]},
        "then": {"not": {"required": ["all"]}},
        "else": {"required": ["all"]},
    }

    ids = ListField(
        child=WholeNumberField(min_value=1, max_value=10**18 - 1), max_length=1000, required=False
    )
    all = TrueField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len(attrs) == 2:
            raise serializers.ValidationError(
                {"all": serializers.ErrorDetail("Send ids or all.", "conflicting_fields")}
            )
        if not attrs:
            raise serializers.ValidationError(
                {"ids": serializers.ErrorDetail("Send ids or all.", "required")}
            )
        return {"ids": attrs.get("ids")}


@example("None left", {"unread_count": 0})
class UnreadOut(serializers.Serializer[Any]):
    schema_name = "UnreadCount"

    unread_count = serializers.IntegerField(min_value=0)
