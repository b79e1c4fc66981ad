from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from config.api.http.timezones import InstantField

from ..models import CHANGE_TYPES
from .registrations import REGISTRATION_EXAMPLE


@extend_schema_field({"oneOf": [{"type": "integer"}, {"type": "string", "format": "uuid"}]})
class ObjectIdField(serializers.Field[Any, Any, Any, Any]):
    """A UUID for a registration, else an integer."""


class ChangedObjectOut(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(
        ["event", "series", "registration", "feedback", "message", "team", "form"]
    )
    id = ObjectIdField(
        help_text="A UUID for a registration, else an integer. A team and a form have the event's."
    )


class ChangeActorOut(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(["guest", "user", "key", "staff", "system"])
    id = serializers.IntegerField(allow_null=True, help_text="Of the account or the key.")
    on_behalf_of = serializers.IntegerField(allow_null=True, help_text="The owner of the key.")


class ChangeOut(serializers.Serializer[Any]):
    id = serializers.CharField()
    type = serializers.ChoiceField(CHANGE_TYPES)
    at = InstantField()
    event = serializers.IntegerField(allow_null=True, help_text="Null for a change of a series.")
    object = ChangedObjectOut()
    sequence = serializers.IntegerField(help_text="Increases with every change of the same object.")
    actor = ChangeActorOut()
    reason = serializers.CharField(allow_null=True, help_text="The reason in the ledger.")
    data = serializers.DictField(  # type: ignore[assignment]  # a field of the contract
        allow_null=True,
        help_text="The object as its GET answers the caller now. Null if it is deleted or hidden.",
    )


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Changes",
            {
                "results": [
                    {
                        "id": "chg_250",
                        "type": "registration.confirmed",
                        "at": "2026-11-21T08:00:00Z",
                        "event": 1,
                        "object": {
                            "kind": "registration",
                            "id": "5f0c7b1e-6a52-4d1c-9a3e-0d9c5a4e7f10",
                        },
                        "sequence": 250,
                        "actor": {"kind": "guest", "id": None, "on_behalf_of": None},
                        "reason": "by_guest",
                        "data": REGISTRATION_EXAMPLE,
                    }
                ],
                "next_cursor": "WzcsIjBmM2Ui",
                "has_more": False,
            },
        )
    ]
)
class ChangesOut(serializers.Serializer[Any]):
    schema_name = "ChangePage"

    results = ChangeOut(many=True)
    next_cursor = serializers.CharField(help_text="Always present. Opaque.")
    has_more = serializers.BooleanField(help_text="False once everything visible was returned.")
