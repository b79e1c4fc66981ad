import re
from collections.abc import Callable
from typing import Any, ClassVar
from urllib.parse import unquote

from django.db.models import QuerySet
from django.http import HttpResponse
from django.utils import timezone
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.permissions import AllowAny, BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from accounts.authentication import current_user
from config.api.http.strict_bodies import NoFields
from config.api.http.throttling import count_guest
from config.api.openapi.schema import operation
from config.api.pagination.keyset import DEFAULT_PAGE_SIZE
from config.api.pagination.paginator import (
    KeysetPagination,
    is_cacheable,
    read_filters,
    read_flag,
    read_page,
)
from config.api.sql.replica import reads_from_replica
from config.api.views import ApiView, ListView
from config.errors import PermissionDenied
from config.fast_path.request import Answer, PlainRequest

from .. import services
from ..errors import (
    CapacityBelowRegistered,
    EventCancelled,
    EventNotPublished,
    EventStarted,
    OrganizerRoleRequired,
)
from ..models import Event, EventQuerySet
from ..permissions import IsOrganizerOrStaff, MayOrganize, ReadsOrManagesEvent
from ..search.filters import EventFilter, OwnEventFilter
from ..search.geo import distance_km
from ..search.highlights import Highlighter
from ..search.page_cache import EVENT_ORDERINGS, fast_guest_page, guest_page, planned_guest_page
from ..serializers.event_input import CancellationIn, EventCreateIn, EventEditIn, EventIn
from ..serializers.events import EventOut, ListedEventOut

_PAGE_QUERY = re.compile("(?:&(?:cursor=([A-Za-z0-9_%-]+)|page_size=([1-9][0-9]?|100)))*")


class EventPagination(KeysetPagination):
    parameters = (*KeysetPagination.parameters, "highlight")

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        highlight = {
            "name": "highlight",
            "in": "query",
            "required": False,
            "schema": {"type": "boolean", "default": False},
            "description": "With `search`: add `headline`, the texts with matches marked.",
        }
        return [*super().get_schema_operation_parameters(view), highlight]


class EventPages(ListView):
    """The base of all lists of events."""

    filter_backends = [DjangoFilterBackend]
    filterset_class = EventFilter
    pagination_class: Any = EventPagination
    orderings = EVENT_ORDERINGS
    may_lag = True
    queryset = Event.objects.none()  # for the OpenAPI document

    def default_ordering(self, request: Request) -> str:
        return "relevance" if request.query_params.get("search", "").strip() else "start_time"

    def page(
        self, queryset: QuerySet[Any], serializer_class: type[BaseSerializer[Any]]
    ) -> Response:
        events: Any = self.filter_queryset(queryset)
        rows: Any = self.paginate_queryset(events)
        context = self.get_serializer_context()
        items = serializer_class(rows, many=True, context=context).data
        if "near" in self.request.query_params:
            for event, item in zip(rows, items, strict=True):
                item["distance_km"] = distance_km(event.chord)
        if read_flag(self.request, "highlight"):
            search = events.page_plan and events.page_plan.search
            highlighter = search and Highlighter(search, rows)
            for event, item in zip(rows, items, strict=True):
                item["headline"] = highlighter.headline(event) if highlighter else None
        return self.get_paginated_response(items)


class EventListView(EventPages):
    is_compressed = True

    def get_permissions(self) -> list[BasePermission]:
        return [MayOrganize() if self.request.method == "POST" else AllowAny()]

    @operation("List events", responses=ListedEventOut(many=True))
    def get(self, request: Request) -> HttpResponse:
        """Published events; upcoming ones, soonest first, unless asked otherwise."""

        def build_events() -> EventQuerySet:
            return Event.objects.visible_to(request.user).for_listing()

        if not request.user.pk and is_cacheable(request):
            body = self._guest_page(request, build_events)
            if body is not None:
                return HttpResponse(body, content_type="application/json")
        # The SQL of such a page depends on more than the parameters.
        parameters = request.query_params
        if EventFilter.needs_page_plan(parameters) or "highlight" in parameters:
            return self.page(build_events(), EventOut)
        return self.cached_page(build_events, EventOut)

    def _guest_page(
        self, request: Request, build_events: Callable[[], EventQuerySet]
    ) -> bytes | None:
        """The body of a guest's page by the render cache. None if the serializer must render it."""
        page, parameters = read_page(request, self), request.query_params
        zone = timezone.get_current_timezone()
        if "highlight" in parameters:
            return None
        if not EventFilter.needs_page_plan(parameters):
            return guest_page(
                page,
                build_events=lambda: self.filter_queryset(build_events()),
                filters=read_filters(request),
                zone=zone,
            )
        page_plan = EventFilter.compiled_page_plan(request, build_events)
        if page_plan is None or page.is_counted:
            return None
        return planned_guest_page(page, page_plan, zone=zone)

    @operation(
        "Create an event",
        request=EventCreateIn,
        responses={201: EventOut},
        raises=[OrganizerRoleRequired],
    )
    def post(self, request: Request) -> Response:
        """Published at once, unless `status` is `draft`."""
        event = services.create_event(current_user(request), **self.valid(EventCreateIn))
        self.etag_version = event.edit_tag
        location = request.build_absolute_uri(f"/api/events/{event.pk}/")
        return _event_response(self, event, status=201, headers={"Location": location})


def list_for_guest(request: PlainRequest) -> Answer | None:
    """`EventListView.get` for guests. None for parameters other than those of pages."""
    query = request.query
    match = _PAGE_QUERY.fullmatch(query and f"&{query}")
    if match is None or query.count("cursor=") > 1 or query.count("page_size=") > 1:
        return None
    count_guest("anonymous", request)
    url = request.site + "/api/events/" + (f"?{request.query}" if request.query else "")
    cursor, size = match[1] and unquote(match[1]), int(match[2] or DEFAULT_PAGE_SIZE)
    body = reads_from_replica(fast_guest_page)(url, cursor=cursor, size=size)
    return None if body is None else Answer(200, body, {})


class OwnEventListView(EventPages):
    permission_classes = (IsAuthenticated,)
    filterset_class = OwnEventFilter

    @operation("List my events", responses=ListedEventOut(many=True))
    def get(self, request: Request) -> Response:
        """The events that I organize, drafts and past ones too."""
        mine = Event.objects.existing().filter(organizer=current_user(request))
        return self.page(mine.for_listing(), EventOut)


class EventView(ApiView):
    is_compressed = True
    permission_classes = (ReadsOrManagesEvent,)
    staff_permissions: ClassVar[dict[str, str]] = {
        "PUT": "events.change_event",
        "PATCH": "events.change_event",
        "DELETE": "events.delete_event",
    }
    sends_etag = True
    if_match_methods = ("PUT", "PATCH", "DELETE")
    shown_elsewhere = (ListedEventOut,)

    @operation("Read an event", responses=EventOut)
    def get(self, request: Request, pk: int) -> Response:
        """Drafts are for their organizer and staff; cancelled events stay readable."""
        visible_to = Event.objects.visible_to
        return self._tagged_response(
            self.get_row_by_id(lambda: visible_to(request.user).for_listing(), pk)
        )

    @operation(
        "Replace an event",
        request=EventIn,
        responses=EventOut,
        raises=[PermissionDenied, CapacityBelowRegistered, EventCancelled, EventStarted],
    )
    def put(self, request: Request, pk: int) -> Response:
        """An optional field that is left out takes its default."""
        return self._edit(pk, partial=False)

    @operation(
        "Edit an event",
        request=EventEditIn,
        responses=EventOut,
        raises=[PermissionDenied, CapacityBelowRegistered, EventCancelled, EventStarted],
    )
    def patch(self, request: Request, pk: int) -> Response:
        """Changes the fields that are sent."""
        return self._edit(pk, partial=True)

    @operation("Delete an event", responses={204: None}, raises=[PermissionDenied])
    def delete(self, request: Request, pk: int) -> Response:
        """It is gone from the API; staff can restore it in the admin."""
        services.delete_event(self._event(pk), expected_versions=self.expected_version())
        return Response(status=204)

    def _event(self, pk: int) -> Event:
        return self.get_row(_visible(self), pk=pk)

    def _edit(self, pk: int, *, partial: bool) -> Response:
        event = self._event(pk)
        self.event = event
        changes = self.valid(EventEditIn, partial=partial)
        keep_local_time = changes.pop("keep_local_time", False)
        event = services.edit_event(
            event,
            changes,
            keep_local_time=keep_local_time,
            expected_versions=self.expected_version(),
        )
        return self._tagged_response(event)

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "event": getattr(self, "event", None)}

    def _tagged_response(self, event: Event) -> Response:
        self.etag_version = event.edit_tag
        return _event_response(self, event)


class PublishView(ApiView):
    permission_classes = (IsAuthenticated, IsOrganizerOrStaff)
    staff_permissions: ClassVar[dict[str, str]] = {"POST": "events.change_event"}

    @operation(
        "Publish an event",
        request=None,
        responses=EventOut,
        raises=[PermissionDenied, EventCancelled, EventStarted],
    )
    def post(self, request: Request, pk: int) -> Response:
        """A published event stays as it is."""
        event = self.get_row(_visible(self), pk=pk)
        self.valid(NoFields)
        return _event_response(self, services.publish_event(event))


class CancelView(ApiView):
    permission_classes = (IsAuthenticated, IsOrganizerOrStaff)
    staff_permissions: ClassVar[dict[str, str]] = {"POST": "events.change_event"}

    @operation(
        "Cancel an event",
        request=CancellationIn,
        responses=EventOut,
        raises=[PermissionDenied, EventNotPublished],
    )
    def post(self, request: Request, pk: int) -> Response:
        """Final. Registrations stay as a record; a cancelled event stays as it is."""
        event = self.get_row(_visible(self), pk=pk)
        return _event_response(self, services.cancel_event(event, **self.valid(CancellationIn)))


def _visible(view: ApiView) -> EventQuerySet:
    return Event.objects.visible_to(view.request.user, *view.needed_permissions).for_display()


def _event_response(view: ApiView, event: Event, **kwargs: Any) -> Response:
    return Response(EventOut(event, context=view.get_serializer_context()).data, **kwargs)
