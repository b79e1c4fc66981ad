"""The response to a dry run, in the OpenAPI document."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from ..http.dry_runs import WARNINGS

_ANYTHING: dict[str, Any] = {}


@extend_schema_field(_ANYTHING)
class AnyField(serializers.Field[Any, Any, Any, Any]):
    """Any JSON value."""


class DryRunChangeOut(serializers.Serializer[Any]):
    def get_fields(self) -> dict[str, Any]:
        return {"field": serializers.CharField(), "from": AnyField(), "to": AnyField()}


class DryRunRemindersOut(serializers.Serializer[Any]):
    moved = serializers.IntegerField(help_text="Reminders that would get another time.")
    dropped = serializers.IntegerField(help_text="Reminders that would not be sent.")


class DryRunEffectsOut(serializers.Serializer[Any]):
    changed = DryRunChangeOut(many=True)
    promoted = serializers.IntegerField(help_text="Registrations that would get a seat.")
    cancelled = serializers.IntegerField(help_text="Registrations that would be cancelled.")
    mails = serializers.DictField(
        child=serializers.IntegerField(), help_text="Notifications by kind."
    )
    reminders = DryRunRemindersOut()


class DryRunWarningOut(serializers.Serializer[Any]):
    code = serializers.ChoiceField(choices=[(code, code) for code in WARNINGS])
    detail = serializers.CharField()


class DryRunOut(serializers.Serializer[Any]):
    dry_run = serializers.BooleanField(help_text="Always true.")
    result: Any = AnyField(help_text="The response that the request would get; null for DELETE.")
    effects = DryRunEffectsOut()
    warnings = DryRunWarningOut(many=True)


EXAMPLE: dict[str, Any] = {
    "dry_run": True,
    "result": None,
    "effects": {
        "changed": [{"field": "status", "from": "confirmed", "to": "cancelled"}],
        "promoted": 1,
        "cancelled": 1,
        "mails": {"registration_cancelled": 1, "registration_promoted": 1},
        "reminders": {"moved": 0, "dropped": 0},
    },
    "warnings": [],
}
