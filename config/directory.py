"""`GET /api/`: the addresses of the main routes."""

from typing import ClassVar

from django.conf import settings
from django.urls import reverse
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.key_scopes import OPEN, Scopes
from config.api.openapi.schema import operation
from config.api.views import ApiView

# The members of the directory and the names of their routes, in the order of typical use.
ROUTES = {
    "events": "event-list",
    "series": "series-list",
    "categories": "category-list",
    "facets": "event-facets",
    "suggestions": "event-suggestions",
    "calendar": "event-feed",
    "sign_up": "sign-up",
    "sign_in": "sign-in",
    "refresh": "token-refresh",
    "sign_out": "sign-out",
    "me": "profile",
    "my_events": "own-event-list",
    "my_registrations": "own-registrations",
    "my_notifications": "notifications",
    "docs": "docs",
    "redoc": "redoc",
    "schema": "schema",
    "problems": "problem-list",
}
_EXAMPLE = {
    "name": "Event Management API",
    "version": "1.0.0",
    "events": "http://localhost:8000/api/events/",
    "series": "http://localhost:8000/api/series/",
    "categories": "http://localhost:8000/api/categories/",
    "facets": "http://localhost:8000/api/events/facets/",
    "suggestions": "http://localhost:8000/api/events/suggest/",
    "calendar": "http://localhost:8000/api/events/calendar.ics",
    "sign_up": "http://localhost:8000/api/register/",
    "sign_in": "http://localhost:8000/api/login/",
    "refresh": "http://localhost:8000/api/token/refresh/",
    "sign_out": "http://localhost:8000/api/logout/",
    "me": "http://localhost:8000/api/me/",
    "my_events": "http://localhost:8000/api/me/events/",
    "my_registrations": "http://localhost:8000/api/me/registrations/",
    "my_notifications": "http://localhost:8000/api/me/notifications/",
    "docs": "http://localhost:8000/api/docs/",
    "redoc": "http://localhost:8000/api/redoc/",
    "schema": "http://localhost:8000/api/schema/",
    "problems": "http://localhost:8000/problems/",
}


@extend_schema_serializer(examples=[OpenApiExample("Directory", _EXAMPLE)])
class DirectoryOut(serializers.Serializer[None]):
    name = serializers.CharField()
    version = serializers.CharField(help_text="The version of the contract, as in the schema.")
    events = serializers.URLField()
    series = serializers.URLField()
    categories = serializers.URLField()
    facets = serializers.URLField()
    suggestions = serializers.URLField()
    calendar = serializers.URLField()
    sign_up = serializers.URLField()
    sign_in = serializers.URLField()
    refresh = serializers.URLField()
    sign_out = serializers.URLField()
    me = serializers.URLField()
    my_events = serializers.URLField()
    my_registrations = serializers.URLField()
    my_notifications = serializers.URLField()
    docs = serializers.URLField(help_text="Swagger UI, for people.")
    redoc = serializers.URLField(help_text="ReDoc, for people.")
    schema = serializers.URLField(help_text="The OpenAPI document.")
    problems = serializers.URLField(help_text="Every error code, explained.")


class DirectoryView(ApiView):
    permission_classes = (AllowAny,)
    key_scopes: ClassVar[dict[str, Scopes]] = {"GET": OPEN}
    sends_etag = True
    tag = "directory"

    @operation("List the main routes", responses=DirectoryOut)
    def get(self, request: Request) -> Response:
        """The addresses of the main routes, the docs, the schema and its version."""
        document = settings.SPECTACULAR_SETTINGS
        addresses = {
            name: request.build_absolute_uri(reverse(route)) for name, route in ROUTES.items()
        }
        return Response({"name": document["TITLE"], "version": document["VERSION"], **addresses})
