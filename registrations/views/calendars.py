from django.conf import settings
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from accounts.calendars import owner_of_calendar, signed_part
from config.api.http.throttling import client_network
from config.api.http.work_slots import ROWS
from config.api.openapi.schema import operation
from config.errors import NotFound
from events.calendars import feed_of
from events.views.calendars import CALENDAR, CalendarView

from ..calendars import entries_of


class OwnCalendarView(CalendarView):
    query_parameters = {"GET": frozenset({"token"})}
    throttle_scopes = {"GET": "feed"}

    def counted_as(self, request: Request) -> str:
        """Each link has its own limit: one service fetches thousands of them from one address.

        Only signed links have one, so made-up tokens do not evade the limit of the network.
        """
        link_id = signed_part(request.query_params.get("token", ""))
        return f"calendar {link_id}" if link_id else client_network(request)

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
        """The events that I attend and organize: at most 1,000, with past events cut first.

        An entry is `TENTATIVE` while I am on the waitlist, and for my own drafts. Cancelled
        registrations are left out; cancelled events are marked as cancelled. Descriptions are cut
        after 500 characters.
        """
        user = owner_of_calendar(request.query_params.get("token", ""))
        if user is None:
            raise NotFound
        name = f"Events of {user.username}"
        with ROWS.one():
            body = feed_of(entries_of(user), name=name, public_url=settings.PUBLIC_URL)
        response = self.file(body, "my-events.ics")
        response["Cache-Control"] = "private, no-cache"
        return response
