"""Teams of events and series, and invitations to them."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from config.api.fields import ChoiceField, EmailAddressField
from config.api.http.timezones import InstantField

from ..models import Role, TeamMember
from .events import OrganizerOut

ROLES = [(role.value, role.label) for role in Role if role != Role.OWNER]

MEMBER_EXAMPLE = {
    "id": 5,
    "email": "dora@example.com",
    "user": None,
    "role": "door",
    "state": "invited",
    "expires_at": "2026-12-05T08:00:00Z",
}


@extend_schema_serializer(examples=[OpenApiExample("New role", {"role": "registrar"})])
class MemberEditIn(serializers.Serializer[TeamMember]):
    schema_name = "TeamRoleInput"

    role = ChoiceField(choices=ROLES, help_text="The owner changes by a transfer.")


@extend_schema_serializer(
    examples=[OpenApiExample("Door", {"email": "dora@example.com", "role": "door"})]
)
class MemberIn(MemberEditIn):
    schema_name = "TeamInvitation"

    email = EmailAddressField()


@extend_schema_serializer(examples=[OpenApiExample("New owner", {"email": "dora@example.com"})])
class TransferIn(serializers.Serializer[TeamMember]):
    schema_name = "Transfer"

    email = EmailAddressField()


@extend_schema_serializer(
    examples=[
        OpenApiExample("Invited", MEMBER_EXAMPLE),
        OpenApiExample("Offered", {**MEMBER_EXAMPLE, "role": "owner"}, status_codes=["202"]),
    ]
)
class MemberOut(serializers.ModelSerializer[TeamMember]):
    schema_name = "TeamMember"

    user = OrganizerOut(allow_null=True, help_text="Null until the invitation is accepted.")
    expires_at = InstantField(allow_null=True, help_text="Of an invitation.")

    class Meta:
        model = TeamMember
        fields = ("id", "email", "user", "role", "state", "expires_at")


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Door of an event",
            {
                "id": 5,
                "event": 1,
                "series": None,
                "name": "Global AI Summit",
                "invited_by": {"id": 7, "username": "asha"},
                "role": "door",
                "state": "invited",
                "expires_at": "2026-12-05T08:00:00Z",
            },
        )
    ]
)
class InvitationOut(serializers.ModelSerializer[TeamMember]):
    schema_name = "Invitation"

    event = serializers.IntegerField(source="event_id", allow_null=True, help_text="Its id.")
    series = serializers.IntegerField(source="series_id", allow_null=True, help_text="Its id.")
    name: Any = serializers.CharField(source="row.name", help_text="Of the event or series.")
    invited_by = OrganizerOut()
    expires_at = InstantField(allow_null=True)

    class Meta:
        model = TeamMember
        fields = ("id", "event", "series", "name", "invited_by", "role", "state", "expires_at")
