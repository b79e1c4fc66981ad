from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from accounts.models import ApiKey, User
from config.api.http.timezones import InstantField

from ..models import LedgerEntry


class ActorOut(serializers.ModelSerializer[User]):
    class Meta:
        model = User
        fields = ("id", "username")


class LedgerKeyOut(serializers.ModelSerializer[ApiKey]):
    schema_name = "ActorKey"

    class Meta:
        model = ApiKey
        fields = ("id", "name")


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
                "key": {"id": 3, "name": "Ticket shop"},
                "reason": "by_organizer",
                "people": 1,
            },
        )
    ]
)
class LedgerEntryOut(serializers.ModelSerializer[LedgerEntry]):
    at = InstantField()
    actor = ActorOut(read_only=True, allow_null=True, help_text="Null for guests.")
    key = LedgerKeyOut(
        read_only=True, allow_null=True, help_text="The API key of the actor, if it was used."
    )

    class Meta:
        model = LedgerEntry
        fields = ("id", "registration", "kind", "at", "actor", "key", "reason", "people")
