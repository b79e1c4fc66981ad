from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from config.api.fields import LineField

from ..models import Registration
from .registrations import REGISTRATION_EXAMPLE, RegistrationOut


@extend_schema_serializer(examples=[OpenApiExample("Scan", {"ticket_code": "MZXW6YTBOI2DKNRX"})])
class TicketIn(serializers.Serializer[Registration]):
    schema_name = "TicketScan"

    ticket_code = LineField(max_length=64, help_text="The text of the QR symbol.")


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "First scan",
            {
                "registration": {
                    **REGISTRATION_EXAMPLE,
                    "checked_in_at": "2032-03-15T08:41:00Z",
                },
                "already_checked_in": False,
            },
        )
    ]
)
class CheckInOut(serializers.Serializer[Any]):
    registration = RegistrationOut()
    already_checked_in = serializers.BooleanField(
        help_text="True for a second scan; checked_in_at has the time of the first."
    )


@extend_schema_serializer(
    examples=[OpenApiExample("Undone", {"registration": REGISTRATION_EXAMPLE})]
)
class CheckInUndoneOut(serializers.Serializer[Any]):
    registration = RegistrationOut()
