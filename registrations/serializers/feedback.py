from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from accounts.models import User
from config.api.fields import TextField, WholeNumberField
from config.api.http.timezones import InstantField

from ..models import Feedback


class AuthorOut(serializers.ModelSerializer[User]):
    class Meta:
        model = User
        fields = ("id", "username")


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Feedback",
            {
                "id": 42,
                "rating": 5,
                "comment": "The workshops alone were worth the journey.",
                "author": {"id": 8, "username": "bob"},
                "created_at": "2032-03-18T08:00:00Z",
            },
        )
    ]
)
class FeedbackOut(serializers.ModelSerializer[Feedback]):
    author = AuthorOut(read_only=True)
    created_at = InstantField()

    class Meta:
        model = Feedback
        fields = ("id", "rating", "comment", "author", "created_at")
        read_only_fields = fields


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Feedback", {"rating": 5, "comment": "The workshops alone were worth the journey."}
        )
    ]
)
class FeedbackIn(serializers.Serializer[Feedback]):
    schema_name = "FeedbackCreate"

    rating = WholeNumberField(
        min_value=1,
        max_value=5,
        help_text="5 is the best.",
        error_messages={"required": "Choose a rating from 1 to 5."},
    )
    comment = TextField(max_length=5_000, allow_blank=True, default="")
