from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

from django.conf import settings
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from rest_framework.permissions import AllowAny
from rest_framework.request import Request

from config.api.http.work_slots import ROWS
from config.api.key_scopes import OPEN, Scopes
from config.api.openapi.schema import operation
from config.api.pagination.paginator import read_ordering
from config.api.views import ApiView, file_response

from ..calendars import Entry, calendar_of, feed_component, feed_of_components
from ..models import Event, EventQuerySet
from ..search.page_cache import Rendered, Renderer, Rendering, rendered_events
from ..search.pages import first_events
from .access import EventAccess
from .lists import EventPages

# A calendar has no pages. It has this many events, the first ones of the ordering.
MAX_ENTRIES = 1000

_EXAMPLE = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Event Management API//EN\r\nMETHOD:PUBLISH\r\n"
    "BEGIN:VEVENT\r\nUID:event-1@localhost:8000\r\nDTSTAMP:20261121T080000Z\r\n"
    "SEQUENCE:0\r\nSTATUS:CONFIRMED\r\nDTSTART:20320315T090000Z\r\nDTEND:20320317T170000Z\r\n"
    "SUMMARY:Global AI Summit\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)
CALENDAR: dict[Any, Any] = {
    (200, "text/calendar"): OpenApiResponse(
        OpenApiTypes.STR,
        "An iCalendar file (RFC 5545).",
        examples=[OpenApiExample("Event", _EXAMPLE, media_type="text/calendar")],
    )
}


class CalendarView(ApiView):
    """The base of all calendar files."""

    tag = "calendars"
    permission_classes = (AllowAny,)
    media_types = ("text/calendar",)
    formats = ("json", "ics")
    sends_etag = True
    ignores_tracking = True

    def file(self, body: bytes, filename: str) -> HttpResponse:
        return file_response(body, "text/calendar; charset=utf-8", filename)


def _render(events: Iterable[Event]) -> Iterator[Rendering]:
    for event in events:
        component = feed_component(Entry(event), public_url=settings.PUBLIC_URL)
        yield Rendering(component.text, (component,))


_RENDERER = Renderer("calendar", Event.objects.for_feed, _render)


class EventCalendarView(EventAccess, CalendarView):
    key_scopes: ClassVar[dict[str, Scopes]] = {"GET": OPEN}

    @operation(
        "Read an event as a calendar file", operation_id="readEventCalendar", responses=CALENDAR
    )
    def get(self, request: Request, pk: int) -> HttpResponse:
        event = self.get_event_by_id(pk, EventQuerySet.for_calendar)
        return self.file(calendar_of(event, public_url=settings.PUBLIC_URL), f"event-{pk}.ics")


class EventFeedView(CalendarView, EventPages):
    key_scopes: ClassVar[dict[str, Scopes]] = {"GET": OPEN}
    is_compressed = True
    pagination_class: Any = None
    throttle_scopes: ClassVar[dict[str, str]] = {"GET": "feed"}

    def known_parameters(self, method: str) -> frozenset[str]:
        return frozenset({"ordering", *self.filterset_class.base_filters})

    @operation(
        "Subscribe to events as a calendar",
        operation_id="readEventFeed",
        parameters=[
            OpenApiParameter(
                "ordering",
                str,
                enum=list(EventPages.orderings),
                description="Which events come first, should there be more than 1,000.",
            )
        ],
        responses=CALENDAR,
        filters=True,
    )
    def get(self, request: Request) -> HttpResponse:
        """The first 1,000 events of the list with the same filters, as a calendar to subscribe to.

        Descriptions are cut after 500 characters; `URL` leads to the event.
        """

        def build_events() -> EventQuerySet:
            return Event.objects.listed_for(request.user).for_feed()

        ordering, plan = self.orderings[read_ordering(request, self)], self.plan(build_events)
        with ROWS.one():
            rendered: Iterable[Rendered | Rendering] | None = rendered_events(
                plan, ordering, MAX_ENTRIES, _RENDERER
            )
            if rendered is None:
                rendered = _render(first_events(plan, ordering, MAX_ENTRIES))
            components = [component for each in rendered for component in each.values]
            body = feed_of_components(components, name="Events")
        return self.file(body, "events.ics")
