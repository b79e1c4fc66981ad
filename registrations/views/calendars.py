from django.conf import settings
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from accounts.calendars import owner_of_calendar
from config.api.schema import operation
from config.errors import NotFound
from events.ical import feed_of
from events.views.calendars import CALENDAR, CalendarView

from ..calendars import entries_of


class OwnCalendarView(CalendarView):
    query_parameters = {"GET": frozenset({"token"})}

    @operation(
        "Subscribe to my calendar",
        operation_id="readMyCalendar",
        parameters=[
            OpenApiParameter(
                "token", str, required=True, description="From the `calendar_url` of my profile."
            )
        ],
        responses=CALENDAR,
        raises=[NotFound],
    )
    def get(self, request: Request) -> HttpResponse:
        """What I attend and organize: at most 1,000 events, the past ones cut first.

        `TENTATIVE` while I wait for a seat, and for my own drafts. Registrations that were
        cancelled are left out; events that were cancelled say so.
        """
        user = owner_of_calendar(request.query_params.get("token", ""))
        if user is None:
            raise NotFound
        name = f"Events of {user.username}"
        body = feed_of(entries_of(user), name=name, public_url=settings.PUBLIC_URL)
        response = self.file(body, "my-events.ics")
        response["Cache-Control"] = "private, no-cache"
        return response
