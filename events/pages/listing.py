"""The public list of events, with a search and filters: the start page."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils import timezone
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from accounts.models import User
from config.api.http.exception_handler import to_domain_error
from config.api.http.timezones import has_requested_zone, requested_zone
from config.api.pages import public_page, sentences
from config.api.pagination.paginator import read_page
from config.errors import DomainError
from config.pages import developers

from ..images import image_of
from ..links import page_path
from ..models import AttendanceMode, Category, Event, EventQuerySet
from ..search.filters import EventFilter
from ..search.pages import EVENT_ORDERINGS, EventPage, read_event_page

PAGING = ("cursor", "page_size", "ordering", "timezone")
# The filters of the form. Links may have the others, which the form passes on.
_SHOWN = ("search", "category", "on", "attendance_mode", "available")
_MODES = ((AttendanceMode.IN_PERSON, "On site"), (AttendanceMode.ONLINE, "Online"),
          (AttendanceMode.HYBRID, "On site and online"))  # fmt: skip


class PublicEvents:
    """The pages of the list: what a guest of the API gets for the same parameters."""

    orderings = EVENT_ORDERINGS

    def default_ordering(self, request: Request) -> str:
        return "relevance" if request.query_params.get("search", "").strip() else "start_time"

    def read(self, request: HttpRequest) -> EventPage:
        """Raises `DomainError` and DRF's `ValidationError`."""
        api_request = Request(request)
        api_request.user = AnonymousUser()

        def build_events() -> EventQuerySet:
            return Event.objects.visible_to(AnonymousUser()).for_listing()

        with timezone.override(requested_zone(request)):
            page = read_page(api_request, self)
            plan = EventFilter.plan(api_request, type(self).__qualname__, build_events)
            return read_event_page(page, plan)


def event_list(request: HttpRequest) -> HttpResponse:
    """The start page. Without public pages it is that for developers."""
    if not settings.PUBLIC_PAGES:
        return developers(request)
    return _public_list(request)


@public_page()
def _public_list(request: HttpRequest) -> HttpResponse:
    request.GET = known_filters(request.GET)  # type: ignore[assignment]  # stubs
    page, mistakes, status = EventPage([], {}, None), list[str](), 200  # type: ignore[arg-type]
    try:
        page = PublicEvents().read(request)
    except (DomainError, ValidationError) as error:
        refusal = to_domain_error(error)
        mistakes, status = sentences(refusal), refusal.status
    context: dict[str, Any] = {
        "events": cards_of(page),
        "older": _relative(page.links.get("previous")),
        "newer": _relative(page.links.get("next")),
        "mistakes": mistakes,
        "categories": Category.objects.order_by("name"),
        "modes": _MODES,
        "is_filtered": any(name not in PAGING for name in request.GET),
        "passed_on": [
            (name, value)
            for name, values in request.GET.lists()
            if name not in {*_SHOWN, "cursor"}
            for value in values
        ],
        "organizer": None if mistakes else _organizer(request),
        "has_zone": has_requested_zone(request),
    }
    return render(request, "events/list.html", context, status=status)


def known_filters(parameters: QueryDict) -> QueryDict:
    """The parameters that the list knows, without the empty ones that a form sends.

    Others are ignored: mail services and social networks add their own to links that people share.
    """
    known = parameters.copy()
    for name in parameters:
        if name not in EventFilter.base_filters and name not in PAGING:
            del known[name]
    return without_empty(known)


def without_empty(parameters: QueryDict) -> QueryDict:
    given = QueryDict(mutable=True)
    for name, values in parameters.lists():
        if kept := [value for value in values if value]:
            given.setlist(name, kept)
    return given


def cards_of(page: EventPage) -> list[dict[str, Any]]:
    return [
        {"event": event, "path": page_path(event), "image": image_of(event)} for event in page.rows
    ]


def _organizer(request: HttpRequest) -> User | None:
    """The account of the filter by organizer, if the list shows events of it."""
    number = request.GET.get("organizer")
    if number is None:
        return None
    return User.objects.filter(
        pk__in=Event.objects.listed().filter(organizer=int(number)).values("organizer")
    ).first()


def _relative(link: str | None) -> str | None:
    """The link without scheme and host, so that it works behind every proxy."""
    return link and f"/?{urlsplit(link).query}"
