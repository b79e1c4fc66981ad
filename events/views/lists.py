"""The lists of events, and creating an event, which has the address of a list."""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, tzinfo
from functools import partial
from typing import Any, ClassVar
from urllib.parse import unquote

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.permissions import AllowAny, BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import account_by_token, current_user
from accounts.models import User
from config.api.http.throttling import count_account, count_guest
from config.api.key_scopes import OPEN, Scope, Scopes
from config.api.openapi.schema import operation
from config.api.pagination.keyset import DEFAULT_PAGE_SIZE, Page, read_cursor
from config.api.pagination.paginator import KeysetPagination, read_flag, read_page
from config.api.sql.replica import reads_from_replica
from config.api.views import ListView
from config.fast_path.request import Answer, PlainRequest

from .. import services
from ..errors import OrganizerRoleRequired
from ..models import Event, EventQuerySet, remember_roles
from ..permissions import MayOrganize
from ..search.filters import EventFilter, OwnEventFilter
from ..search.geo import distance_km
from ..search.highlights import Highlighter
from ..search.page_cache import Renderer, rendered_page
from ..search.page_planner import PagePlan
from ..search.pages import EVENT_ORDERINGS, read_event_page
from ..serializers.event_input import EventCreateIn
from ..serializers.events import VIEWER_COLUMNS, EventOut, ListedEventOut, viewer_fields_of_page
from .events import event_response

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
    """The base of all lists of events. The filter set plans a page, `read_event_page` reads it."""

    filter_backends = [DjangoFilterBackend]
    filterset_class = EventFilter
    pagination_class: Any = EventPagination
    orderings = EVENT_ORDERINGS
    may_lag = True
    queryset = Event.objects.none()  # for the OpenAPI document

    def default_ordering(self, request: Request) -> str:
        return "relevance" if request.query_params.get("search", "").strip() else "start_time"

    def plan(self, build_events: Callable[[], EventQuerySet]) -> PagePlan:
        return self.filterset_class.plan(self.request, type(self).__qualname__, build_events)

    def page_of(self, build_events: Callable[[], EventQuerySet]) -> HttpResponse:
        """The response with a page of the list. `build_events` is that of `EventFilter.plan`."""
        page, plan = read_page(self.request, self), self.plan(build_events)
        if "highlight" not in self.request.query_params:
            zone, renderer = timezone.get_current_timezone(), _renderer_for(self.request.user)
            body = rendered_page(page, plan, zone=zone, renderer=renderer)
            if body is not None:
                return HttpResponse(body, content_type="application/json")
        return self.page_response(page, plan)

    def page_response(self, page: Page, plan: PagePlan) -> Response:
        rows, links, plan = read_event_page(page, plan)
        remember_roles(self.request.user, rows)
        items: Any = EventOut(rows, many=True, context=self.get_serializer_context()).data
        if "near" in self.request.query_params:
            for event, item in zip(rows, items, strict=True):
                item["distance_km"] = distance_km(event.chord)
        if read_flag(self.request, "highlight"):
            highlighter = plan.search and Highlighter(plan.search, rows)
            for event, item in zip(rows, items, strict=True):
                item["headline"] = highlighter.headline(event) if highlighter else None
        count = {"count": plan.matches().count()} if page.is_counted else {}
        return Response({**links, **count, "results": items})


class EventListView(EventPages):
    is_compressed = True
    key_scopes: ClassVar[dict[str, Scopes]] = {"GET": OPEN, "POST": (Scope.EVENTS_WRITE,)}

    def get_permissions(self) -> list[BasePermission]:
        return [MayOrganize() if self.request.method == "POST" else AllowAny()]

    @operation("List events", responses=ListedEventOut(many=True))
    def get(self, request: Request) -> HttpResponse:
        """Public events. By default the upcoming ones, soonest first.

        Unlisted events and drafts are for those with a role on them.
        """

        def build_events() -> EventQuerySet:
            return Event.objects.listed_for(request.user).for_listing()

        return self.page_of(build_events)

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
        return event_response(self, event, status=201, headers={"Location": location})


class OwnEventListView(EventPages):
    permission_classes = (IsAuthenticated,)
    filterset_class = OwnEventFilter
    key_scopes: ClassVar[dict[str, Scopes]] = {"GET": (Scope.EVENTS_READ,)}

    @operation("List my events", responses=ListedEventOut(many=True))
    def get(self, request: Request) -> HttpResponse:
        """The events on which I have a role, drafts and past ones too."""

        def build_events() -> EventQuerySet:
            return Event.objects.with_role(current_user(request)).for_listing()

        return self.page_of(build_events)


_guest_request = Request(HttpRequest())
_guest_request.user = AnonymousUser()


def _render_for_guests(events: Iterable[Event]) -> Iterable[dict[str, Any]]:
    return map(EventOut(context={"request": _guest_request}).to_representation, events)


_FOR_GUESTS = Renderer(_render_for_guests, VIEWER_COLUMNS)


def _renderer_for(viewer: Any) -> Renderer:
    if not viewer.pk:
        return _FOR_GUESTS
    return _FOR_GUESTS._replace(for_viewer=partial(viewer_fields_of_page, viewer))


def _events_for_guests() -> EventQuerySet:
    return Event.objects.listed_for(_guest_request.user).for_listing()


_GUEST_PLAN = EventFilter.plan(_guest_request, EventListView.__qualname__, _events_for_guests)


def fast_list(request: PlainRequest) -> Answer | None:
    """`EventListView.get` without filters.

    None for parameters other than those of pages, for API keys and for tokens that are not valid.
    """
    query = request.query
    match = _PAGE_QUERY.fullmatch(query and f"&{query}")
    if match is None or query.count("cursor=") > 1 or query.count("page_size=") > 1:
        return None
    url = request.site + "/api/events/" + (f"?{request.query}" if request.query else "")
    cursor, size = match[1] and unquote(match[1]), int(match[2] or DEFAULT_PAGE_SIZE)
    if "HTTP_AUTHORIZATION" not in request.META:
        count_guest("anonymous", request)
        body = reads_from_replica(fast_guest_page)(url, cursor=cursor, size=size)
    else:
        user = account_by_token(request)
        if user is None:
            return None
        count_account("user", user.pk, request)
        body = _fast_page(url, _plan_for(user), _renderer_for(user), cursor=cursor, size=size)
    return None if body is None else Answer(200, body, {})


def _plan_for(user: User) -> PagePlan:
    request = Request(HttpRequest())
    request.user = user

    def build_events() -> EventQuerySet:
        return Event.objects.listed_for(user).for_listing()

    return EventFilter.plan(request, EventListView.__qualname__, build_events)


def fast_guest_page(
    url: str,
    *,
    cursor: str | None = None,
    size: int = DEFAULT_PAGE_SIZE,
    zone: tzinfo = UTC,
) -> bytes | None:
    """The body of a guest's page of the list without filters, in its default order.

    None if `rendered_page` returns none. Raises `InvalidCursor`.
    """
    return _fast_page(url, _GUEST_PLAN, _FOR_GUESTS, cursor=cursor, size=size, zone=zone)


def _fast_page(
    url: str,
    plan: PagePlan,
    renderer: Renderer,
    *,
    cursor: str | None,
    size: int,
    zone: tzinfo = UTC,
) -> bytes | None:
    name, list_name = "start_time", EventListView.__qualname__
    page_cursor = read_cursor(cursor, list_name, name)
    page = Page(url, list_name, name, EVENT_ORDERINGS[name], size, page_cursor)
    return rendered_page(page, plan, zone=zone, renderer=renderer)
