"""Bodies of confirmations, decisions on pending registrations, and codes."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from config.api.fields import (
    ChoiceField,
    EmailAddressField,
    LineField,
    TextField,
    UuidField,
    WholeNumberField,
)
from config.api.http.timezones import InstantField
from events.serializers.fields import MomentField

from ..models import Registration, RegistrationCode
from ..services.deciding import Decision, Outcome
from ..tickets import manage_token
from .registrations import REGISTRATION_EXAMPLE, RegistrationOut

MAX_DECISIONS = 1000

_REASON = "Is sent to the person."


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Unconfirmed",
            {"status": "unconfirmed", "expires_at": "2032-03-02T09:00:00Z"},
            status_codes=["202"],
        )
    ]
)
class UnconfirmedOut(serializers.Serializer[Any]):
    """A request that takes effect when its address is confirmed. It has no seat and no token."""

    status = serializers.ChoiceField([("unconfirmed", "Unconfirmed")])
    expires_at = InstantField()


@extend_schema_serializer(
    examples=[OpenApiExample("Token", {"token": "Xw3fK2m1Q9O0vJ8r.3vQ5r2nW0b4mJ8kT7hS1yX6zC9dF"})]
)
class ConfirmRegistrationIn(serializers.Serializer[Any]):
    schema_name = "RegistrationConfirmation"

    token = LineField(max_length=200, help_text="From the link in the e-mail.")


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Registration",
            {**REGISTRATION_EXAMPLE, "manage_token": "3vQ5r2nW0b4mJ8kT7hS1yX6zC9dF"},
        )
    ]
)
class ConfirmedRegistrationOut(RegistrationOut):
    """For the owner of the mailbox, who has the token from the e-mail."""

    manage_token = serializers.SerializerMethodField(help_text="Opens the registration as ?token=…")

    class Meta(RegistrationOut.Meta):
        fields = (*RegistrationOut.Meta.fields, "manage_token")

    def get_manage_token(self, registration: Registration) -> str:
        return manage_token(registration.pk, registration.link_version)

    def to_representation(self, registration: Registration) -> dict[str, Any]:
        return {
            **super().to_representation(registration),
            "manage_token": self.get_manage_token(registration),
        }


@extend_schema_serializer(
    examples=[OpenApiExample("With a reason", {"reason": "The workshop is for beginners."})]
)
class RejectIn(serializers.Serializer[Any]):
    schema_name = "Rejection"

    reason = TextField(max_length=500, required=False, default="", help_text=_REASON)


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Approve", {"ids": ["5f0c7b1e-6a52-4d1c-9a3e-0d9c5a4e7f10"], "decision": "approve"}
        )
    ]
)
class DecideIn(serializers.Serializer[Any]):
    schema_name = "Decisions"

    ids: Any = serializers.ListField(
        child=UuidField(),
        min_length=1,
        max_length=MAX_DECISIONS,
        error_messages={"not_a_list": "Send an array of ids of registrations."},
    )
    decision = ChoiceField(choices=Decision.choices)
    reason = TextField(
        max_length=500, required=False, default="", help_text=f"Of a rejection. {_REASON}"
    )

    def validate_decision(self, value: str) -> Decision:
        return Decision(value)


class OutcomeOut(serializers.Serializer[Any]):
    schema_name = "DecisionOutcome"

    id = serializers.UUIDField()
    status = serializers.ChoiceField(
        Registration.Status.choices, allow_null=True, help_text="After the decision."
    )
    code = serializers.CharField(
        required=False, help_text="Why it was not decided on: the code of the problem."
    )

    def to_representation(self, outcome: Outcome) -> dict[str, Any]:
        shown: dict[str, Any] = {"id": str(outcome.id), "status": outcome.status}
        return shown if outcome.error is None else {**shown, "code": outcome.error.code}


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "One event was full",
            {
                "results": [
                    {"id": "5f0c7b1e-6a52-4d1c-9a3e-0d9c5a4e7f10", "status": "confirmed"},
                    {
                        "id": "0d9c5a4e-7f10-4d1c-9a3e-5f0c7b1e6a52",
                        "status": "pending",
                        "code": "event_full",
                    },
                ]
            },
        )
    ]
)
class OutcomesOut(serializers.Serializer[Any]):
    schema_name = "DecisionOutcomes"

    results = OutcomeOut(many=True)


CODE_EXAMPLE = {
    "id": 3,
    "code": "MZXW6YTBOI",
    "max_uses": 20,
    "uses": 4,
    "expires_at": "2032-03-14T09:00:00Z",
    "email": None,
    "created_at": "2026-11-21T08:00:00Z",
}


@extend_schema_serializer(examples=[OpenApiExample("Code", CODE_EXAMPLE)])
class CodeOut(serializers.ModelSerializer[RegistrationCode]):
    schema_name = "RegistrationCode"

    expires_at = InstantField(allow_null=True)
    created_at = InstantField()
    email = serializers.SerializerMethodField()
    uses = serializers.IntegerField(
        read_only=True, help_text="Registrations that have used it and are not cancelled."
    )

    class Meta:
        model = RegistrationCode
        fields = ("id", "code", "max_uses", "uses", "expires_at", "email", "created_at")

    def get_email(self, row: RegistrationCode) -> str | None:
        return row.email or None


@extend_schema_serializer(
    examples=[OpenApiExample("For twenty people", {"code": "SPEAKERS", "max_uses": 20})]
)
class CodeIn(serializers.Serializer[RegistrationCode]):
    schema_name = "RegistrationCodeCreate"

    code = LineField(
        max_length=64, required=False, default="", help_text="Default: ten random characters."
    )
    max_uses = WholeNumberField(
        min_value=1,
        max_value=1_000_000,
        required=False,
        allow_null=True,
        default=None,
        help_text="Null: no limit.",
    )
    expires_at = MomentField(required=False, allow_null=True, default=None)
    email = EmailAddressField(
        required=False,
        allow_null=True,
        default=None,
        help_text="Only this address may register with the code.",
    )

    def validate_email(self, value: str | None) -> str:
        return value or ""
