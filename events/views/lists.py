"""The lists of events, and creating an event, which has the address of a list."""

import re
from collections.abc import Callable
from datetime import UTC, tzinfo
from typing import Any, ClassVar, NamedTuple
from urllib.parse import unquote, unquote_plus

from django.http import HttpRequest, HttpResponse, QueryDict
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
from ..serializers.events import EventOut, ListedEventOut
from .events import event_response
from .rendering import FOR_GUESTS, GUEST_REQUEST, renderer_for

_PAGE_QUERY = re.compile(
    "(?:&(?:cursor=([A-Za-z0-9_%-]+)|page_size=([1-9][0-9]?|100)"
    "|(?P<filter>category=[A-Za-z0-9_-]{1,50}|search=(?P<words>(?:[A-Za-z0-9_.+-]|%20){1,100}))))*"
)
_PAGE_PARAMETERS = ("cursor=", "page_size=", "category=", "search=")


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
            zone, renderer = timezone.get_current_timezone(), renderer_for(self.request.user)
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


def _events_for_guests() -> EventQuerySet:
    return Event.objects.listed_for(GUEST_REQUEST.user).for_listing()


_GUEST_PLAN = EventFilter.plan(GUEST_REQUEST, EventListView.__qualname__, _events_for_guests)


class _PageParameters(NamedTuple):
    url: str
    cursor: str | None
    size: int
    filters: str = ""  # the query string, if it has filters
    ordering: str = "start_time"

    def request_of(self, viewer: Any) -> Request:
        """A request with the filters, for the plan of the page."""
        request = Request(HttpRequest())
        request.user = viewer
        request._request.META["QUERY_STRING"] = self.filters
        request._request.GET = QueryDict(self.filters)
        return request


def _page_parameters(request: PlainRequest) -> _PageParameters | None:
    """None for a query with anything but a category, words and parameters of pages, each once."""
    query = request.query
    match = _PAGE_QUERY.fullmatch(query and f"&{query}")
    if match is None or any(query.count(name) > 1 for name in _PAGE_PARAMETERS):
        return None
    path = request.META["PATH_INFO"].removesuffix("/")
    url = f"{request.site}{path}/" + (f"?{query}" if query else "")
    size = int(match[2] or DEFAULT_PAGE_SIZE)
    filters = query if match["filter"] else ""
    has_words = bool(unquote_plus(match["words"] or "").strip())
    ordering = "relevance" if has_words else "start_time"
    return _PageParameters(url, match[1] and unquote(match[1]), size, filters, ordering)


def fast_list(request: PlainRequest) -> Answer | None:
    """`EventListView.get` without filters, or with a category and words to search for.

    None for parameters other than those of pages, for API keys and for tokens that are not valid.
    """
    parameters = _page_parameters(request)
    if parameters is None:
        return None
    if "HTTP_AUTHORIZATION" in request.META:
        return _fast_list_of_account(request, parameters, EventListView, Event.objects.listed_for)
    count_guest("anonymous", request)
    body = reads_from_replica(_guest_page)(parameters)
    return None if body is None else Answer(200, body, {})


def fast_own_list(request: PlainRequest) -> Answer | None:
    """`OwnEventListView.get`. As `fast_list`, and None for guests."""
    parameters = _page_parameters(request)
    if parameters is None or "HTTP_AUTHORIZATION" not in request.META:
        return None
    return _fast_list_of_account(request, parameters, OwnEventListView, Event.objects.with_role)


def _fast_list_of_account(
    request: PlainRequest,
    parameters: _PageParameters,
    view: type[EventPages],
    select: Callable[[User], EventQuerySet],
) -> Answer | None:
    user = account_by_token(request)
    if user is None:
        return None
    count_account("user", user.pk, request)
    name, plain = view.__qualname__, parameters.request_of(user)

    def plan() -> PagePlan:
        return view.filterset_class.plan(plain, name, lambda: select(user).for_listing())

    body = _fast_page(parameters, name, plan, renderer_for(user))
    return None if body is None else Answer(200, body, {})


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
    return _guest_page(_PageParameters(url, cursor, size), zone)


def _guest_page(parameters: _PageParameters, zone: tzinfo = UTC) -> bytes | None:
    name = EventListView.__qualname__

    def plan() -> PagePlan:
        if not parameters.filters:
            return _GUEST_PLAN
        plain = parameters.request_of(GUEST_REQUEST.user)
        return EventFilter.plan(plain, name, _events_for_guests)

    return _fast_page(parameters, name, plan, FOR_GUESTS, zone)


def _fast_page(
    parameters: _PageParameters,
    list_name: str,
    plan: Callable[[], PagePlan],
    renderer: Renderer,
    zone: tzinfo = UTC,
) -> bytes | None:
    url, text, size, _, name = parameters
    cursor = read_cursor(text, list_name, name)
    page = Page(url, list_name, name, EVENT_ORDERINGS[name], size, cursor)
    return rendered_page(page, plan(), zone=zone, renderer=renderer)
