"""Examples of the OpenAPI document that several serializers use."""

from collections.abc import Callable
from typing import Any, TypeVar

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

S = TypeVar("S", bound=serializers.Serializer[Any])

USER_EXAMPLE = {
    "id": 7,
    "username": "asha",
    "email": "asha@example.com",
    "email_verified": True,
    "role": "organizer",
    "timezone": "Asia/Kolkata",
    "date_joined": "2026-11-20T10:30:00Z",
}
LINK_EXAMPLE = "7.1795251600.q0tHnJ0x3vVw5mC2e8Zr1bKd6sYpLfGuAiTnXoWcE9M"
TOKENS_EXAMPLE = {
    "access": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI3In0.8m0ZqkX3",
    "refresh": "eyJhbGciOiJIUzI1NiJ9.eyJqdGkiOiI0MiJ9.p1Vt6yQd",
}


def example(name: str, value: dict[str, Any]) -> Callable[[type[S]], type[S]]:
    """Add one example to the OpenAPI document of a serializer."""
    statuses = ["200", "201", "202"]
    return extend_schema_serializer(examples=[OpenApiExample(name, value, status_codes=statuses)])
