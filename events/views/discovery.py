from typing import Any

from django.utils import timezone
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import OpenApiParameter
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.pagination import is_short
from config.api.schema import operation
from config.api.views import ApiView

from ..facets import Facets
from ..filters import EventFilter
from ..models import Event, EventQuerySet
from ..narrowing import Narrowing
from ..serializers import FacetsOut, SuggestionsIn, SuggestionsOut
from ..suggestions import suggest_names
from ..ways import Listed


class SuggestionsView(ApiView):
    permission_classes = (AllowAny,)
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
                description="What somebody has typed so far.",
            )
        ],
        responses=SuggestionsOut,
    )
    def get(self, request: Request) -> Response:
        """At most ten names of published upcoming events, for completion while typing."""
        given = SuggestionsIn(data=request.query_params)
        given.is_valid(raise_exception=True)
        return Response({"results": suggest_names(given.validated_data["q"])})


class FacetsView(ApiView):
    permission_classes = (AllowAny,)
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
        """Of the events that the list shows with the same filters: categories with the most events
        first, months in order (120 at most) in the request's zone, the twenty most common
        locations. Of more than 5,000 events, estimates from a sample."""
        given = request.query_params
        by_texts = any(given.get(name) for name in ("search", "name", "title", "location"))
        zone = timezone.get_current_timezone()
        return Response(Facets(self._narrowing(request), zone, by_texts).told())

    def _narrowing(self, request: Request) -> Narrowing:
        def make() -> EventQuerySet:
            return Event.objects.visible_to(request.user)

        if not request.user.pk and is_short(request):
            kept = EventFilter.kept_narrowing(request, make)
            if kept is not None:
                return kept
        events: Any = self.filter_queryset(make())
        return events.narrowing or Narrowing(lambda: Listed(events))
