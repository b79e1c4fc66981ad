from typing import Any, ClassVar

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from rest_framework.permissions import AllowAny
from rest_framework.request import Request

from config.api.key_scopes import OPEN, Scopes
from config.api.openapi.schema import operation
from config.errors import NotFound

from ..live import FIRST_LINES, read_seats
from .access import EventAccess

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
}


class SeatStreamView(EventAccess):
    """The stream on servers without an event loop. `config.server` answers it before this view.

    Each message ends the response, and the browser reconnects for the next one.
    """

    permission_classes = (AllowAny,)
    key_scopes: ClassVar[dict[str, Scopes]] = {"GET": OPEN}
    media_types = ("text/event-stream",)

    @operation(
        "Watch the seats of an event",
        operation_id="watchSeats",
        parameters=[
            OpenApiParameter(
                "Last-Event-ID",
                str,
                OpenApiParameter.HEADER,
                description="Sent by a browser that reconnects.",
            )
        ],
        responses=_RESPONSES,
    )
    def get(self, request: Request, pk: int) -> HttpResponse:
        """In real time, for `new EventSource(…)`: each message is JSON, at most one a second.

        After the last message, once the event has ended or is cancelled or deleted, comes an event
        `end`. Lines that begin with a colon keep the connection open.
        """
        seats = read_seats([pk]).get(pk)
        if seats is None or not seats.are_open_to(request.query_params.get("key", "")):
            raise NotFound
        if seats.is_over and "Last-Event-ID" in request.headers:
            return HttpResponse(status=204)
        # Any page may watch: the data is public or opened by the key, and no sign-in is read.
        return HttpResponse(
            FIRST_LINES + seats.message(),
            content_type="text/event-stream",
            headers={"Access-Control-Allow-Origin": "*"},
        )
