"""Links to the check-in page of an event, in bodies and responses."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from config.api.fields import LineField
from config.api.http.timezones import InstantField
from events.serializers.events import OrganizerOut

from ..models import DoorLink

DOOR_LINK_EXAMPLE = {
    "id": 4,
    "name": "Main entrance",
    "created_by": {"id": 7, "username": "asha"},
    "created_at": "2032-03-10T08:00:00Z",
    "expires_at": "2032-03-16T17:00:00Z",
    "last_used_at": None,
}
_URL_EXAMPLE = "https://events.example.com/door/3kT9bYc0QzWm1HnV7sXr5LpJ2dGf8RaU4tEoZK_vN6w"


@extend_schema_serializer(examples=[OpenApiExample("Volunteer", {"name": "Main entrance"})])
class DoorLinkIn(serializers.Serializer[DoorLink]):
    schema_name = "DoorLinkInput"

    name = LineField(
        max_length=100,
        required=False,
        default="",
        help_text="Who gets the link, or where it is used.",
    )


@extend_schema_serializer(examples=[OpenApiExample("Link", DOOR_LINK_EXAMPLE)])
class DoorLinkOut(serializers.ModelSerializer[DoorLink]):
    schema_name = "DoorLink"

    created_by = OrganizerOut(help_text="The link ends with the rights of this account.")
    created_at = InstantField()
    expires_at: Any = InstantField(help_text="A day after the end of the event.")
    last_used_at = InstantField(allow_null=True, help_text="To the minute.")

    class Meta:
        model = DoorLink
        fields = ("id", "name", "created_by", "created_at", "expires_at", "last_used_at")


@extend_schema_serializer(
    examples=[OpenApiExample("New link", {**DOOR_LINK_EXAMPLE, "url": _URL_EXAMPLE})]
)
class NewDoorLinkOut(DoorLinkOut):
    schema_name = "NewDoorLink"

    url: Any = serializers.URLField(help_text="The page for the door. It is shown once.")

    class Meta(DoorLinkOut.Meta):
        fields = (*DoorLinkOut.Meta.fields, "url")  # type: ignore[assignment]
