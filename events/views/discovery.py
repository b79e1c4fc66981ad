"""Routes that help to find events: suggestions and facets."""

from typing import ClassVar

from django.utils import timezone
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import OpenApiParameter
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.key_scopes import OPEN, Scopes
from config.api.openapi.schema import operation
from config.api.views import ApiView

from ..models import Event, EventQuerySet
from ..search.facets import Facets
from ..search.filters import EventFilter
from ..search.suggestions import suggest_names
from ..serializers.discovery import FacetsOut, SuggestionsIn, SuggestionsOut


class SuggestionsView(ApiView):
    permission_classes = (AllowAny,)
    key_scopes: ClassVar[dict[str, Scopes]] = {"GET": OPEN}
    may_lag = True
    query_parameters = {"GET": frozenset({"q"})}

    @operation(
        "Suggest names of events",
        operation_id="suggestEvents",
        parameters=[
            OpenApiParameter(
                "q",
                {"type": "string", "maxLength": 200},
                required=True,
                description="The text typed so far.",
            )
        ],
        responses=SuggestionsOut,
    )
    def get(self, request: Request) -> Response:
        """At most ten names of public upcoming events, for completion while typing."""
        serializer = SuggestionsIn(data=request.query_params)
        serializer.is_valid(raise_exception=True)
        return Response({"results": suggest_names(serializer.validated_data["q"])})


class FacetsView(ApiView):
    is_compressed = True
    permission_classes = (AllowAny,)
    key_scopes: ClassVar[dict[str, Scopes]] = {"GET": OPEN}
    may_lag = True
    sends_etag = True
    filter_backends = (DjangoFilterBackend,)
    filterset_class = EventFilter
    queryset = Event.objects.none()  # for the OpenAPI document

    def known_parameters(self, method: str) -> frozenset[str]:
        return frozenset(self.filterset_class.base_filters)

    @operation(
        "Count events by category, month and location",
        operation_id="countEvents",
        responses=FacetsOut,
        filters=True,
    )
    def get(self, request: Request) -> Response:
        """The counts of the events that the list shows with the same filters.

        Categories with the most events come first. Months are those of the request's zone, in
        order, 120 at most. Locations are the twenty most common ones. For more than 5,000 events
        the counts are estimates from a sample.
        """

        def build_events() -> EventQuerySet:
            return Event.objects.listed_for(request.user)

        parameters = request.query_params
        by_texts = any(parameters.get(name) for name in ("search", "name", "title", "location"))
        plan = EventFilter.plan(request, type(self).__qualname__, build_events)
        zone = timezone.get_current_timezone()
        return Response(Facets(plan, zone, by_texts).as_dict())
