from typing import Any

from django.conf import settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.schema import operation
from config.api.views import ApiView
from config.errors import TemporarilyUnavailable

from ..models import Event

_EXAMPLE = (
    "retry: 3000\n\n"
    "id: 5d8f2c01a9b3\n"
    'data: {"id":1,"max_capacity":750,"registered_count":12,"available_seats":738,'
    '"waitlist_count":0,"registration_state":"open"}\n\n'
)
_RESPONSES: dict[Any, Any] = {
    (200, "text/event-stream"): OpenApiResponse(
        OpenApiTypes.STR,
        "Server-Sent Events: the seats at once, and again whenever they change.",
        examples=[OpenApiExample("Seats", _EXAMPLE, media_type="text/event-stream")],
    ),
    204: OpenApiResponse(description="The event is over; with `Last-Event-ID` only."),
    307: OpenApiResponse(description="The stream is at the address in `Location`."),
}


class SeatStreamView(ApiView):
    """Sends viewers to the live process: each would hold a thread of this one."""

    permission_classes = (AllowAny,)
    media_types = ("text/event-stream",)

    @operation(
        "Watch the seats of an event",
        operation_id="watchSeats",
        parameters=[
            OpenApiParameter(
                "Last-Event-ID",
                str,
                OpenApiParameter.HEADER,
                description="Sent by a browser that comes back.",
            )
        ],
        responses=_RESPONSES,
    )
    def get(self, request: Request, pk: int) -> Response:
        """In real time, for `new EventSource(…)`: each message is JSON, at most one a second.

        After the last message, once the event has ended or is cancelled or deleted, comes an event
        `end`. Lines that begin with a colon keep the connection open. The streams are served at
        another address, to which 307 leads.
        """
        self.found(Event.objects.existing().exclude(status=Event.Status.DRAFT), pk=pk)
        if settings.LIVE_URL == settings.PUBLIC_URL:
            raise TemporarilyUnavailable(
                "The proxy does not send this path to the live process.",
                headers={"Retry-After": "60"},
            )
        address = f"{settings.LIVE_URL}/api/events/{pk}/stream"
        # Any page may watch, so any may follow.
        return Response(
            status=307, headers={"Location": address, "Access-Control-Allow-Origin": "*"}
        )
