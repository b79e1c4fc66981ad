from typing import Any

from django.utils import timezone
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import OpenApiParameter
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.openapi.schema import operation
from config.api.pagination.paginator import is_cacheable
from config.api.views import ApiView

from ..models import Event, EventQuerySet
from ..search.facets import Facets
from ..search.filters import EventFilter
from ..search.page_planner import PagePlan
from ..search.page_sql import Listed
from ..search.suggestions import suggest_names
from ..serializers.events import FacetsOut, SuggestionsIn, SuggestionsOut


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
        return Response(Facets(self._page_plan(request), zone, by_texts).told())

    def _page_plan(self, request: Request) -> PagePlan:
        def make() -> EventQuerySet:
            return Event.objects.visible_to(request.user)

        if not request.user.pk and is_cacheable(request):
            kept = EventFilter.compiled_page_plan(request, make)
            if kept is not None:
                return kept
        events: Any = self.filter_queryset(make())
        return events.page_plan or PagePlan(lambda: Listed(events))
