from typing import Any, ClassVar

from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import current_user
from config.api.openapi.schema import operation
from config.api.views import ApiView
from config.errors import PermissionDenied
from events.models import Event
from events.permissions import IsOrganizerOrStaff

from .. import services
from ..errors import TicketNotValid
from ..permissions import sees_meeting
from ..serializers import CheckInOut, CheckInUndoneOut, TicketIn


class TicketScanView(ApiView):
    """Scans of tickets at the door, for the organizer and for staff."""

    tag = "attendees"
    permission_classes = (IsAuthenticated, IsOrganizerOrStaff)
    staff_permissions: ClassVar[dict[str, str]] = {"POST": "registrations.change_registration"}
    hides_meeting_url = False

    def event(self, pk: int) -> Event:
        events = Event.objects.visible_to(self.request.user, *self.needed_permissions)
        event: Event = self.get_row(events, pk=pk)
        self.hides_meeting_url = not sees_meeting(self.request.user, event)
        return event

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "hides_meeting_url": self.hides_meeting_url}


class CheckInView(TicketScanView):
    @operation(
        "Check in",
        request=TicketIn,
        responses={200: CheckInOut},
        raises=[PermissionDenied, TicketNotValid],
    )
    def post(self, request: Request, pk: int) -> Response:
        """A second scan is not an error: the response has the time of the first."""
        event, user = self.event(pk), current_user(request)
        registration, already = services.check_in(event, **self.valid(TicketIn), by=user)
        result = {"registration": registration, "already_checked_in": already}
        return Response(CheckInOut(result, context=self.get_serializer_context()).data)


class CheckInUndoView(TicketScanView):
    @operation(
        "Undo a check-in",
        request=TicketIn,
        responses={200: CheckInUndoneOut},
        raises=[PermissionDenied, TicketNotValid],
    )
    def post(self, request: Request, pk: int) -> Response:
        event, user = self.event(pk), current_user(request)
        registration = services.undo_check_in(event, **self.valid(TicketIn), by=user)
        result = {"registration": registration}
        return Response(CheckInUndoneOut(result, context=self.get_serializer_context()).data)
