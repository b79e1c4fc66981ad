"""Statistics of one event, and of all events of an account."""

import re
from collections.abc import Callable
from datetime import datetime, tzinfo
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from accounts.authentication import current_user
from config.api.fields import DAY_OR_MOMENT, read_moment
from config.api.http.timezones import has_requested_zone
from config.api.http.work_slots import ROWS
from config.api.key_scopes import Scope, Scopes
from config.api.openapi.schema import operation
from config.api.views import ApiView
from config.errors import FieldError, PermissionDenied, ValidationFailed
from events.models import Right
from events.permissions import IsOrganizerOrStaff
from events.views.access import EventAccess
from events.zones import at_wall_clock, instant_of_field

from ..errors import TooManyBuckets
from ..serializers.statistics import (
    EventStatisticsOut,
    OwnStatisticsOut,
    overview_csv,
    timeline_csv,
)
from ..statistics.buckets import Interval
from ..statistics.events import event_statistics
from ..statistics.overview import Grouping, account_statistics

_FORMAT = OpenApiParameter("format", str, enum=["json", "csv"], description="Default: json.")
_CSV = "text/csv"


class StatisticsView(ApiView):
    """JSON, or CSV by `format`."""

    formats = ("json", "csv")
    media_types = ("application/json", _CSV)
    tag = "attendees"

    def rendered(
        self,
        statistics: Any,
        serializer_class: type[BaseSerializer[Any]],
        write_csv: Callable[[Any], bytes],
        name: str,
    ) -> Response | HttpResponse:
        if self.request.query_params.get("format") != "csv":
            return Response(serializer_class(statistics).data)
        return HttpResponse(
            write_csv(statistics),
            content_type=f"{_CSV}; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
        )

    def zone_or(self, default: tzinfo) -> tzinfo:
        """The zone that the request names, or the default."""
        is_named = has_requested_zone(self.request._request)
        return timezone.get_current_timezone() if is_named else default

    def read_choice(self, name: str, choices: Any, default: Any) -> Any:
        text = self.request.query_params.get(name)
        if text is None:
            return default
        if text not in set(choices):
            known = ", ".join(choices)
            raise ValidationFailed(FieldError(name, "invalid_choice", f"Choose one of: {known}."))
        return choices(text)


class EventStatisticsView(EventAccess, StatisticsView):
    permission_classes = (IsAuthenticated, IsOrganizerOrStaff)
    staff_permissions: ClassVar[dict[str, str]] = {"GET": "registrations.view_registration"}
    needed_rights: ClassVar[dict[str, str]] = {"GET": Right.PEOPLE}
    key_scopes: ClassVar[dict[str, Scopes]] = {"GET": (Scope.STATISTICS_READ,)}
    query_parameters = {"GET": frozenset({"interval", "from", "to"})}

    @operation(
        "Read the statistics of an event",
        operation_id="readEventStatistics",
        parameters=[
            OpenApiParameter(
                "interval",
                str,
                enum=list(Interval),
                description="Of the timeline. Default: days, or longer if there are over 1,000.",
            ),
            OpenApiParameter(
                "from",
                {"type": "string", **DAY_OR_MOMENT},
                description="The beginning of the timeline: a day or an instant.",
            ),
            OpenApiParameter(
                "to", {"type": "string", **DAY_OR_MOMENT}, description="Its end, exclusive."
            ),
            _FORMAT,
        ],
        responses={
            (200, "application/json"): EventStatisticsOut,
            (200, _CSV): OpenApiResponse(
                OpenApiTypes.STR,
                "The timeline.",
                examples=[
                    OpenApiExample(
                        "Timeline",
                        "from,to,registered,promoted,cancelled,checked_in,confirmed_at_end\r\n"
                        "2032-03-15T00:00:00Z,2032-03-16T00:00:00Z,3,0,1,7,12\r\n",
                        media_type=_CSV,
                    )
                ],
            ),
        },
        raises=[PermissionDenied, TooManyBuckets],
    )
    def get(self, request: Request, pk: int) -> Response | HttpResponse:
        """Days are those of the requested zone, else of the event's; weeks begin on Monday.

        `from` and `to` are widened to whole parts of the timeline. Without them it has everything,
        and its sums are the totals.
        """
        event = self.get_row(self.visible_events(pk), pk=pk)
        zone = self.zone_or(event.zone)
        interval = self.read_choice("interval", Interval, None)
        begin, end = self._read_range(zone)
        with ROWS.one():
            statistics = event_statistics(event, zone, interval=interval, begin=begin, end=end)
        return self.rendered(
            statistics, EventStatisticsOut, timeline_csv, f"event-{event.pk}-statistics"
        )

    def _read_range(self, zone: tzinfo) -> tuple[datetime | None, datetime | None]:
        begin, end = (_read_instant(self.request, name, zone) for name in ("from", "to"))
        if begin and end and end <= begin:
            raise ValidationFailed(FieldError("to", "min_value", "Choose an end after from."))
        return begin, end


class OwnStatisticsView(StatisticsView):
    permission_classes = (IsAuthenticated,)
    key_scopes: ClassVar[dict[str, Scopes]] = {"GET": (Scope.STATISTICS_READ,)}
    query_parameters = {"GET": frozenset({"group_by"})}

    @operation(
        "Read the statistics of my events",
        operation_id="readMyStatistics",
        parameters=[
            OpenApiParameter("group_by", str, enum=list(Grouping), description="Default: event."),
            _FORMAT,
        ],
        responses={
            (200, "application/json"): OwnStatisticsOut,
            (200, _CSV): OpenApiResponse(
                OpenApiTypes.STR,
                "The groups.",
                examples=[
                    OpenApiExample(
                        "By month",
                        "month,events,registrations,people,confirmed,waitlisted,cancelled,"
                        "checked_in,no_show\r\n2032-03,1,13,13,12,0,1,7,5\r\n",
                        media_type=_CSV,
                    )
                ],
            ),
        },
    )
    def get(self, request: Request) -> Response | HttpResponse:
        """The events that I organize, by event, month of the start, or category."""
        user = current_user(request)
        group_by = self.read_choice("group_by", Grouping, Grouping.EVENT)
        with ROWS.one():
            overview = account_statistics(user, self.zone_or(ZoneInfo(user.timezone)), group_by)
        return self.rendered(overview, OwnStatisticsOut, overview_csv, f"my-{group_by}-statistics")


def _read_instant(request: Request, name: str, zone: tzinfo) -> datetime | None:
    """A day is its beginning in `zone`. Raises `ValidationFailed`."""
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        is_day = re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text) is not None
        moment = read_moment(f"{text}T00:00" if is_day else text)
        if not 1900 <= moment.year <= 9000:
            raise ValidationFailed(FieldError(name, "invalid", "Choose a year from 1900 to 9000."))
        return at_wall_clock(moment, zone) if is_day else instant_of_field(name, moment, zone)
    except ValueError:
        detail = "Send a day such as 2027-03-15, or an instant such as 2027-03-15T09:00:00Z."
        raise ValidationFailed(FieldError(name, "invalid", detail)) from None
