from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from accounts.models import User
from config.api.fields import ChoiceField, LineField, TextField
from config.api.http.timezones import InstantField

from ..models import Message

_MESSAGE_EXAMPLE = {
    "subject": "The doors open at eight",
    "body": "Dear all,\n\nbring your ticket, on paper or on a screen.",
    "status": "confirmed",
}


class SenderOut(serializers.ModelSerializer[User]):
    class Meta:
        model = User
        fields = ("id", "username")


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Message",
            {
                "id": 42,
                **_MESSAGE_EXAMPLE,
                "recipient_count": 738,
                "author": {"id": 7, "username": "asha"},
                "created_at": "2032-03-14T08:00:00Z",
            },
        )
    ]
)
class MessageOut(serializers.ModelSerializer[Message]):
    recipient_count = serializers.IntegerField(read_only=True, help_text="Of when it was sent.")
    author = SenderOut(read_only=True)
    created_at = InstantField()

    class Meta:
        model = Message
        fields = (
            "id",
            "subject",
            "body",
            "status",
            "recipient_count",
            "author",
            "created_at",
        )
        read_only_fields = fields


@extend_schema_serializer(examples=[OpenApiExample("Message", _MESSAGE_EXAMPLE)])
class MessageIn(serializers.Serializer[Message]):
    schema_name = "MessageCreate"

    subject = LineField(max_length=200, help_text="1 to 200 characters on one line.")
    body = TextField(max_length=10_000, help_text="Plain text.")
    status = ChoiceField(
        choices=Message.Status.choices,
        default=Message.Status.CONFIRMED.value,
        help_text="Of the registrations to which it goes; `all` are both.",
    )
