"""Webhooks and their deliveries in bodies and responses."""

from datetime import UTC, datetime
from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.serializers.examples import example
from accounts.serializers.keys import EventIdsField, RotationIn
from config.api.fields import (
    ChoiceField,
    LineField,
    ListField,
    TextField,
    TrueOrFalseField,
    read_moment,
)
from config.api.http.timezones import InstantField

from ..models import CHANGE_TYPES, Webhook, WebhookAttempt, WebhookDelivery

TYPES = sorted({*CHANGE_TYPES, *(f"{name.partition('.')[0]}.*" for name in CHANGE_TYPES)})
_SECRET_EXAMPLE = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwm4kPnQz8vXc="  # noqa: S105  # no secret
WEBHOOK_EXAMPLE = {
    "id": 4,
    "url": "https://hooks.example/events",
    "types": ["registration.*", "event.cancelled"],
    "events": None,
    "description": "Members' list",
    "enabled": True,
    "disabled_reason": None,
    "last_success_at": "2026-11-21T08:00:00Z",
    "failing_since": None,
    "pending": 0,
    "created_at": "2026-11-20T08:00:00Z",
    "updated_at": "2026-11-20T08:00:00Z",
}


class TypesField(ListField):
    """Types of changes, each once. `registration.*` is all of registrations."""

    def __init__(self, **kwargs: Any) -> None:
        child = ChoiceField(choices=TYPES)
        super().__init__(child=child, min_length=1, max_length=len(TYPES), **kwargs)

    def to_internal_value(self, data: Any) -> list[str]:
        return list(dict.fromkeys(super().to_internal_value(data)))


class UrlField(TextField):
    """A URL, whose parts and addresses a service checks."""

    schema_extra: ClassVar[dict[str, Any]] = {
        "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://[^\\x00-\\x20#]+$"
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)


_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@extend_schema_field({"type": "string"})
class SinceField(serializers.Field[Any, Any, Any, Any]):
    """An instant, or a cursor of the changes, which stays a text.

    An instant without an offset is in the time zone of the request.
    """

    default_error_messages = {
        "invalid": "Send a date and time such as 2032-03-15T09:00:00Z, or a next_cursor."
    }

    def to_internal_value(self, data: Any) -> datetime | str:
        if not isinstance(data, str) or not data.strip():
            self.fail("invalid")
        text = data.strip()
        try:
            moment = read_moment(text)
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=timezone.get_current_timezone())
        except (ValueError, OverflowError):
            return text
        try:
            return moment.astimezone(UTC)
        except OverflowError:  # the year is 0 or 10000 in UTC, which PostgreSQL would return
            return _FIRST if moment.year == 1 else _LAST


@example("Edit", {"types": ["registration.*"], "enabled": True})
class WebhookEditIn(serializers.Serializer[Webhook]):
    schema_name = "WebhookInput"

    url = UrlField(
        max_length=2000,
        help_text="Begins with https://, without a port, on a server on the internet.",
    )
    types = TypesField(help_text="Types of changes. `registration.*` is all of registrations.")
    events = EventIdsField(
        required=False, help_text="Null: all on which the caller has a role, later ones too."
    )
    description = LineField(required=False, max_length=200, allow_blank=True)
    enabled = TrueOrFalseField(
        required=False, help_text="Changes that happen while it is false are not sent."
    )


@example(
    "Webhook",
    {"url": "https://hooks.example/events", "types": ["registration.*", "event.cancelled"]},
)
class WebhookIn(serializers.Serializer[Webhook]):
    schema_name = "WebhookCreate"

    url = UrlField(
        max_length=2000,
        help_text="Begins with https://, without a port, on a server on the internet.",
    )
    types = TypesField(help_text="Types of changes. `registration.*` is all of registrations.")
    events = EventIdsField(
        required=False, help_text="Null: all on which the caller has a role, later ones too."
    )
    description = LineField(required=False, max_length=200, allow_blank=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return {"events": None, "description": "", **attrs}


@example("Webhook", WEBHOOK_EXAMPLE)
class WebhookOut(serializers.ModelSerializer[Webhook]):
    schema_name = "Webhook"

    types = serializers.ListField(child=serializers.ChoiceField(TYPES))
    events = serializers.ListField(
        child=serializers.IntegerField(), allow_null=True, help_text="Null: all."
    )
    description = serializers.CharField()
    disabled_reason = serializers.ChoiceField(
        Webhook.DisabledReason.choices,
        allow_null=True,
        help_text="`gone`: the receiver answered 410. `failing`: for five days.",
    )
    last_success_at = InstantField(allow_null=True)
    failing_since = InstantField(
        allow_null=True, help_text="The first failure since the last success."
    )
    pending = serializers.IntegerField(help_text="Deliveries that are still to be sent.")
    created_at = InstantField()
    updated_at = InstantField()

    class Meta:
        model = Webhook
        fields: tuple[str, ...] = tuple(WEBHOOK_EXAMPLE)


@example("New webhook", {**WEBHOOK_EXAMPLE, "secret": _SECRET_EXAMPLE})
class NewWebhookOut(WebhookOut):
    schema_name = "NewWebhook"

    secret = serializers.CharField(help_text="Verifies the signatures. Shown here alone.")

    class Meta(WebhookOut.Meta):
        fields = (*WebhookOut.Meta.fields, "secret")


@example("Overlap", {"overlap_hours": 24})
class SecretRotationIn(RotationIn):
    schema_name = "SecretRotation"


@example("New secret", {"secret": _SECRET_EXAMPLE, "previous_until": "2026-11-22T08:00:00Z"})
class SecretOut(serializers.Serializer[Any]):
    schema_name = "WebhookSecret"

    secret = serializers.CharField(help_text="Shown here alone.")
    previous_until = InstantField(help_text="Until then the former secret signs as well.")


class AttemptOut(serializers.ModelSerializer[WebhookAttempt]):
    schema_name = "WebhookAttempt"

    at = InstantField()
    status = serializers.IntegerField(allow_null=True, help_text="Null without a response.")
    error = serializers.CharField(
        allow_null=True, help_text="Why there was no response, such as `timeout`."
    )
    ms = serializers.IntegerField()
    excerpt = serializers.CharField(help_text="The beginning of the response, 300 characters.")

    class Meta:
        model = WebhookAttempt
        fields = ("at", "status", "error", "ms", "excerpt")


@example(
    "Delivery",
    {
        "id": 91,
        "change": "chg_250",
        "type": "registration.confirmed",
        "state": "pending",
        "attempts": [
            {
                "at": "2026-11-21T08:00:01Z",
                "status": 503,
                "error": None,
                "ms": 41,
                "excerpt": "Try again later.",
            }
        ],
        "next_attempt_at": "2026-11-21T08:00:06Z",
    },
)
class DeliveryOut(serializers.ModelSerializer[WebhookDelivery]):
    schema_name = "WebhookDelivery"

    change = serializers.CharField(help_text="The `webhook-id`: that of the change, or of a test.")
    type = serializers.CharField()
    state = serializers.ChoiceField(WebhookDelivery.State.choices)
    attempts = AttemptOut(many=True)
    next_attempt_at = InstantField(allow_null=True, help_text="Null unless it is pending.")

    class Meta:
        model = WebhookDelivery
        fields = ("id", "change", "type", "state", "attempts", "next_attempt_at")


@example("Since yesterday", {"since": "2026-11-20T08:00:00Z", "types": ["registration.*"]})
class ReplayIn(serializers.Serializer[Any]):
    schema_name = "WebhookReplay"

    since = SinceField(help_text="An instant, or a cursor of the changes.")
    types = TypesField(required=False, help_text="Of those of the webhook. Default: all.")


@example("Queued", {"count": 12})
class ReplayedOut(serializers.Serializer[Any]):
    schema_name = "WebhookReplayed"

    count = serializers.IntegerField(help_text="Deliveries that are queued.")
