"""Categories in request and response bodies."""

from django.core.validators import validate_slug
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from config.api.fields import LineField, TextField

from ..models import Category


@extend_schema_serializer(
    examples=[
        OpenApiExample("Category", {"slug": "conference", "name": "Conference", "event_count": 12})
    ]
)
class CategoryOut(serializers.ModelSerializer[Category]):
    event_count = serializers.IntegerField(read_only=True, help_text="Published events.")

    class Meta:
        model = Category
        fields = ("slug", "name", "event_count")


@extend_schema_serializer(
    examples=[OpenApiExample("Category", {"slug": "conference", "name": "Conference"})]
)
class CategoryIn(serializers.Serializer[Category]):
    schema_name = "CategoryInput"

    slug = TextField(max_length=50, trim_whitespace=False, validators=[validate_slug])
    name = LineField(max_length=100)
