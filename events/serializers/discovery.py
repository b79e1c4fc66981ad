"""Facets and suggestions."""

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from config.api.fields import TextField

from ..models import Event


class CategoryFacetOut(serializers.Serializer[Event]):
    slug = serializers.CharField(allow_null=True)
    name = serializers.CharField(allow_null=True, help_text="Null: without a category.")
    count = serializers.IntegerField()


class MonthFacetOut(serializers.Serializer[Event]):
    month = serializers.RegexField("^[0-9]{4}-(0[1-9]|1[0-2])$")
    count = serializers.IntegerField()


class LocationFacetOut(serializers.Serializer[Event]):
    location = serializers.CharField()
    count = serializers.IntegerField()


_FACETS_EXAMPLE = {
    "count": 31,
    "approximate": False,
    "categories": [{"slug": "conference", "name": "Conference", "count": 31}],
    "months": [{"month": "2032-03", "count": 19}, {"month": "2032-05", "count": 12}],
    "locations": [{"location": "Bengaluru International Exhibition Centre", "count": 7}],
}


@extend_schema_serializer(examples=[OpenApiExample("Facets", _FACETS_EXAMPLE)])
class FacetsOut(serializers.Serializer[Event]):
    schema_name = "EventFacets"

    count = serializers.IntegerField()
    approximate = serializers.BooleanField(help_text="Whether all counts are estimates.")
    categories = CategoryFacetOut(many=True)
    months = MonthFacetOut(many=True)
    locations = LocationFacetOut(many=True)


class SuggestionsIn(serializers.Serializer[Event]):
    q = TextField(max_length=200, allow_blank=True)


@extend_schema_serializer(
    examples=[OpenApiExample("Names", {"results": ["Python Conference", "Python Meetup"]})]
)
class SuggestionsOut(serializers.Serializer[Event]):
    schema_name = "EventSuggestions"

    results = serializers.ListField(child=serializers.CharField(), max_length=10)
